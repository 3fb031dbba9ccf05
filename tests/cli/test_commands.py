"""The command line as a stranger meets it: what it does, and what it says to what it cannot do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from resonance.cli import main
from resonance.cli.inspect import arc_of_file

SCORE = """format = 1
title = "Small"
about = "a test"
seed = 5
[[scene]]
name = "one"
length = 3
energy = 0.6
[scene.sounds]
drone = {}
crystals = { touch_hz = 8 }
[[scene]]
name = "two"
length = 2
crossfade = 0.5
[scene.sounds]
drone = {}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SCORE)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], code: int, *call: str) -> str:
    """Calls it, and returns its one line of error."""
    assert main(call) == code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_render_writes_what_it_says(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "small.toml", "--json", "--stems", "stems", "--events", "log.jsonl"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["path"] == str(Path("renders/small-5.wav"))
    assert (summary["seconds"], summary["rate"], summary["channels"], summary["seed"]) == (5.0, 48000, 2, 5)
    assert [(s["name"], s["start"], s["end"]) for s in summary["scenes"]] == [
        ("one", 0.0, 3.0),
        ("two", 3.0, 5.0),
    ]
    assert summary["true_peak_dbtp"] <= -1.0
    info = soundfile.info("renders/small-5.wav")
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (240_000, 48_000, 2, "PCM_24")
    stems = {path.stem: soundfile.read(path)[0] for path in Path("stems").iterdir()}
    assert set(stems) == {"drone", "crystals", "space", "premaster"}
    total = stems["drone"] + stems["crystals"] + stems["space"]
    assert np.abs(total - stems["premaster"]).max() < 10.0 ** (-90 / 20)
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert {"time", "sound", "kind", "pitch_hz", "level_db", "duration_s", "rule"} <= set(events[0])
    assert all(0.0 <= event["time"] < 5.0 for event in events)
    assert not list(small.rglob("*.part"))


@pytest.mark.parametrize("also", [(), ("--loop",), ("--lufs", "-20")])
def test_a_stem_over_full_scale_is_said_where_its_format_cannot_hold_it(
    small: Path, capsys: pytest.CaptureFixture[str], also: tuple[str, ...]
) -> None:
    scene = '[[scene]]\nname = "one"\nlength = 9\n'
    sounds = "[scene.sounds]\ndrone = { gain_db = 12, distance_m = 0.5 }\n"
    Path("loud.toml").write_text(f"format = 1\n{scene}{sounds}")
    call = ["render", "loud.toml", "-o", "a.wav", "--force", "--stems", "stems", *also]
    assert main([*call, "--subtype", "PCM_24"]) == 0
    assert "drone.wav, premaster.wav: over full scale" in capsys.readouterr().err
    assert main([*call, "--subtype", "FLOAT"]) == 0
    assert "full scale" not in capsys.readouterr().err


def test_stems_add_up_beside_a_mix_of_16_bits(small: Path) -> None:
    assert main(["render", "small.toml", "-o", "a.wav", "--subtype", "PCM_16", "--stems", "stems"]) == 0
    assert soundfile.info("a.wav").subtype == "PCM_16"
    assert {soundfile.info(str(path)).subtype for path in Path("stems").iterdir()} == {"PCM_24"}
    stems = {path.stem: soundfile.read(path)[0] for path in Path("stems").iterdir()}
    premaster = stems.pop("premaster")
    assert np.abs(sum(stems.values()) - premaster).max() < 10.0 ** (-120 / 20)
    # Each has a hiss of its own: where all are silent but for it, none is another's.
    starts = [stem[:2000, 0] for stem in stems.values()]
    assert not np.array_equal(starts[0], starts[1])


def test_the_same_call_gives_the_same_bytes_and_a_span_is_the_wholes(small: Path) -> None:
    for name in ("a.wav", "b.wav"):
        assert main(["render", "small.toml", "-o", name, "--subtype", "FLOAT"]) == 0
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    assert (
        main(["render", "small.toml", "-o", "c.wav", "--subtype", "FLOAT", "--start", "1.5", "--end", "4"])
        == 0
    )
    whole, span = soundfile.read("a.wav")[0], soundfile.read("c.wav")[0]
    assert np.array_equal(span, whole[72_000:192_000])


def test_only_and_without(small: Path) -> None:
    assert (
        main(["render", "small.toml", "-o", "a.wav", "--only", "drone", "--stems", "a", "--rate", "44100"])
        == 0
    )
    assert main(["render", "small.toml", "-o", "b.wav", "--without", "crystals", "--rate", "44100"]) == 0
    assert soundfile.info("a.wav").samplerate == 44_100
    assert np.array_equal(soundfile.read("a.wav")[0], soundfile.read("b.wav")[0])
    assert not Path("a/crystals.wav").exists()


def test_an_existing_file_is_kept_unless_forced(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.wav").write_text("mine")
    line = fails(capsys, 2, "render", "small.toml", "-o", "a.wav")
    assert "a.wav exists already" in line
    assert "--force" in line
    assert Path("a.wav").read_text() == "mine"
    assert main(["render", "small.toml", "-o", "a.wav", "--force", "--end", "1"]) == 0


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (["render", "dreem"], 2, "did you mean 'dream'"),
        (["render", "nowhere.toml"], 2, "nowhere.toml"),
        (["render", "small.toml", "--only", "dron"], 2, "no sound 'dron' in small: did you mean 'drone'"),
        (["render", "small.toml", "--only", ""], 2, "--only"),
        (["render", "small.toml", "--only", "drone", "--without", "drone"], 2, "no sound to be heard"),
        (["render", "small.toml", "-o", ""], 2, "its name is empty"),
        (["render", "small.toml", "-o", "a.flac", "--subtype", "FLOAT"], 2, "PCM_24, PCM_16"),
        (["render", "small.toml", "-o", "a.wav", "--events", "./a.wav"], 2, "written twice"),
        (["render", "small.toml", "-o", "stems/drone.wav", "--stems", "stems"], 2, "written twice"),
        (["render", "small.toml", "--onyl", "drone"], 2, "there is no --onyl: did you mean '--only'"),
        (["render", "small.toml", "again"], 2, "'again' is a word too many (see: resonance render"),
        (["render", "small.toml", "--midi", "pipe"], 2, "no plain file"),
        (["render", "small.toml", "--midi", "a.mid", "--workers", "2"], 2, "without --workers"),
        (["render", "--take", "none.take"], 2, "there is no file none.take"),
        (["render", "small.toml", "--start", "4", "--end", "2"], 2, "no span"),
        (["render", "small.toml", "--duration", "3"], 2, "between 1m and 24h"),
        (["render", "small.toml", "--duration", "soon"], 2, "--duration"),
        (["render", "small.toml", "--seed", "-3"], 2, "--seed"),
        (["render", "small.toml", "--rate", "47999"], 2, "--rate"),
        (["render", "small.toml", "-o", "a.xyz"], 2, "wav"),
        (["render", "small.toml", "-o", "."], 2, "folder"),
        (["render", "small.toml", "-o", "/proc/a.wav"], 1, "/proc/a.wav"),
        (["render", "small.toml", "-o", "a.wav", "--events", "/proc/log.jsonl"], 1, "/proc"),
        (["show", "dron"], 2, "did you mean 'drone'"),
        (["inspect", "small.toml", "-o", "a.jpg"], 2, "a.png"),
        (["inspect", "none.wav", "-o", "a.png"], 2, "none.wav"),
        (["inspect", "pipe.wav", "-o", "a.png"], 2, "no plain file"),
        (["inspect", "small.toml"], 2, "--output"),
        (["sing"], 2, "there is no sing; there are render, "),
        (["rendr"], 2, "there is no rendr: did you mean 'render'"),
    ],
)
def test_every_wrong_call_is_one_line(
    small: Path, capsys: pytest.CaptureFixture[str], call: list[str], code: int, said: str
) -> None:
    for pipe in ("pipe", "pipe.wav"):  # nobody writes into them: whoever opened one would wait for ever
        os.mkfifo(pipe)
    assert said in fails(capsys, code, *call)
    assert not list(small.rglob("*.part"))


def test_a_closed_standard_output_is_no_place_for_sound(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert "closed here" in fails(capsys, 2, "render", "small.toml", "-o", "-")


def test_check_is_silent_when_all_is_fine(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "small.toml", "dream"]) == 0
    assert capsys.readouterr() == ("", "")
    Path("bad.toml").write_text(SCORE.replace("energy = 0.6", "energy = 6"))
    assert fails(capsys, 2, "check", "bad.toml").startswith("error: bad.toml:8: ")


def test_every_preset_is_listed_and_every_sound_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    assert "12:00" in capsys.readouterr().out
    assert main(["show"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.split("\n\n")[0].splitlines()]
    assert "drone" in listed
    for name in listed:
        assert main(["show", name]) == 0
    shown = capsys.readouterr().out
    assert "/drone/glow" in shown
    assert "mode ratios at ease: 1.000 2.000" in shown


def test_inspect_draws_a_score_and_a_render(small: Path) -> None:
    assert main(["render", "small.toml", "-o", "a.wav"]) == 0
    for subject, picture in (("small.toml", "score.png"), ("a.wav", "audio.png")):
        assert main(["inspect", subject, "-o", picture]) == 0
        assert Path(picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_excerpt_is_drawn_without_the_arc_of_the_whole(small: Path) -> None:
    call = ["render", "dream", "--duration", "1m", "--only", "drone"]
    arcs = []
    for name, more in (("whole", []), ("span", ["--end", "0.5"]), ("hit", ["--hit", "fall=0:50"])):
        assert main([*call, *more, "-o", f"{name}.wav"]) == 0
        arcs.append(arc_of_file(Path(f"{name}.wav"), 60.0 if name != "span" else 0.5))
    assert [arc is None for arc in arcs] == [False, True, True]


def test_a_picture_has_its_name_only_when_it_is_whole(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(_: object, path: str, **__: object) -> None:
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", torn)
    assert main(["inspect", "small.toml", "-o", "a.png"]) == 130
    assert not list(small.glob("a.png*"))


def test_an_interrupt_leaves_what_was_rendered(small: Path) -> None:
    """Ctrl-C in a long render: 130, one line, and a part that plays."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from resonance.cli import main; sys.exit(main())",
         "render", "small.toml", "-o", "long.wav", "--duration", "24h"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = small / "long.wav.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size > 3_000_000:
            break
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    process.send_signal(2)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [line for line in told.splitlines() if line.startswith("error: ")] == [told.splitlines()[-1]]
    assert "Traceback" not in told
    assert "long.wav.part" in told
    assert soundfile.read(part)[0].any()
    assert not (small / "long.wav").exists()
