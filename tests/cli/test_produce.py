"""Renders that are many, that are broken off and go on, and that go to a pipe."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from resonance.cli import main
from resonance.engine.ensemble import Ensemble

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
heartbeat = {}
[[scene]]
name = "two"
length = 2
crossfade = 0.5
[scene.sounds]
drone = {}
"""
PROGRAM = "import sys; from resonance.cli import main; sys.exit(main())"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SCORE)
    return tmp_path


def begun(*call: str, **options: object) -> subprocess.Popen:
    """The same in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *call], stderr=subprocess.PIPE, **options)


def error(capsys: pytest.CaptureFixture[str], code: int, *call: str) -> str:
    assert main(call) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_seeds_make_files_with_the_seed_in_every_name(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "render",
        "small.toml",
        "-o",
        "out/night.wav",
        "--end",
        "2",
        "--stems",
        "stems",
        "--events",
        "e.jsonl",
    ]
    assert main([*call, "--json", "--seed", "1", "2"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["path"], each["seed"]) for each in told] == [("out/night-1.wav", 1), ("out/night-2.wav", 2)]
    assert {path.name for path in Path("stems").iterdir()} == {"1", "2"}
    assert Path("e-1.jsonl").read_text() != Path("e-2.jsonl").read_text()
    assert main(["render", "small.toml", "--seeds", "1..3", "--end", "2"]) == 0
    made = sorted(Path("renders").iterdir())
    assert [path.name for path in made] == ["small-1.wav", "small-2.wav", "small-3.wav"]
    assert len({path.read_bytes() for path in made}) == 3
    assert made[1].read_bytes() == Path("out/night-2.wav").read_bytes()


def test_a_locked_sound_is_the_same_while_the_rest_is_rolled_again(small: Path) -> None:
    def stems(seed: str, *lock: str) -> dict[str, np.ndarray]:
        name = f"{seed}{''.join(lock)}"
        call = ["render", "small.toml", "-o", f"{name}.wav", "--seed", seed, "--stems", name, *lock]
        assert main(call) == 0
        return {path.stem: soundfile.read(path)[0] for path in Path(name).iterdir()}

    first, second = stems("1"), stems("2", "--lock", "crystals=1")
    assert np.array_equal(first["crystals"], second["crystals"])
    assert not np.array_equal(first["drone"], second["drone"])
    assert np.array_equal(stems("2")["drone"], second["drone"])
    assert "locks=crystals=1" in soundfile.SoundFile("2--lockcrystals=1.wav").comment


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["--seeds", "5"], "1..50"),
        (["--seeds", "9..2"], "9..2"),
        (["--seed", "1", "--seeds", "1..2"], "not allowed"),
        (["--lock", "drone"], "SOUND=SEED"),
        (["--lock", "dron=2"], "no sound 'dron'"),
        (["-o", "-", "--json"], "--json"),
        (["-o", "-", "--seed", "1", "2"], "one seed"),
        (["--seed", "7", "7"], "written twice"),
    ],
)
def test_calls_that_cannot_be_meant(
    small: Path, capsys: pytest.CaptureFixture[str], call: list[str], said: str
) -> None:
    assert said in error(capsys, 2, "render", "small.toml", *call)


def test_a_pipe_gets_the_same_sound(small: Path) -> None:
    assert main(["render", "small.toml", "-o", "a.wav"]) == 0
    piped = subprocess.run(
        [sys.executable, "-c", PROGRAM, "render", "small.toml", "-o", "-"], check=True, capture_output=True
    ).stdout
    assert piped == Path("a.wav").read_bytes()


def test_a_reader_that_goes_away_is_one_line(small: Path) -> None:
    with begun("render", "small.toml", "-o", "-", "--duration", "1h", stdout=subprocess.PIPE) as child:
        assert child.stdout.read(100)
        child.stdout.close()
        told = child.stderr.read().decode().splitlines()
        assert child.wait(60) == 1
    assert [line for line in told if line.startswith("error: ")] == [told[-1]]
    assert "standard output" in told[-1]


def until_it_grows(part: Path, size: int, child: subprocess.Popen) -> None:
    while not (part.exists() and part.stat().st_size > size):
        assert child.poll() is None
        time.sleep(0.02)


def test_a_folder_that_vanishes_is_one_line(small: Path) -> None:
    with begun("render", "small.toml", "-o", "new/a.wav", "--duration", "1h") as child:
        until_it_grows(small / "new" / "a.wav.part", 500_000, child)
        (small / "new").rename(small / "elsewhere")
        told = child.stderr.read().decode().splitlines()
        assert child.wait(60) == 1
    assert told[-1].startswith("error: new/a.wav.part: is gone")
    assert not (small / "new").exists()


def test_a_full_disk_is_one_line(small: Path) -> None:
    resource = pytest.importorskip("resource")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    for ending in ("wav", "flac"):
        call = ("render", "small.toml", "-o", f"a.{ending}", "--duration", "1h")
        with begun(*call, preexec_fn=small_disk) as child:
            told = child.stderr.read().decode().splitlines()
            assert child.wait(60) == 1
        assert told[-1].startswith(f"error: a.{ending}.part: ")
        assert not Path(f"a.{ending}").exists()
    assert soundfile.read("a.wav.part")[0].any()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_what_was_killed_plays_and_goes_on_to_the_same_bytes(small: Path) -> None:
    """A kill in every stretch of the render; the last one is left to end."""
    call = ("render", "small.toml", "--duration", "1m", "--subtype", "PCM_16")
    assert main([*call, "-o", "whole.wav", "--events", "whole.jsonl"]) == 0
    whole = Path("whole.wav").read_bytes()
    reached = 0
    for size in (1_000_000, 4_000_000):
        with begun(*call, "-o", "a.wav", "--resume", "--events", "a.jsonl") as child:
            until_it_grows(small / "a.wav.part", size, child)
            child.kill()
        assert not Path("a.wav").exists()
        played, _ = soundfile.read("a.wav.part", dtype="int16")
        assert len(played) >= reached - 10 * 48_000
        assert len(played) * 4 >= size - 10 * 48_000 * 4
        assert np.array_equal(played, soundfile.read("whole.wav", dtype="int16")[0][: len(played)])
        reached = len(played)
    assert main([*call, "-o", "a.wav", "--resume", "--events", "a.jsonl"]) == 0
    assert Path("a.wav").read_bytes() == whole
    assert Path("a.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    assert not list(small.glob("*.part"))


def test_resume_leaves_what_is_finished_and_refuses_what_is_another(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["render", "small.toml", "-o", "a.wav"]
    assert main([*call, "--resume"]) == 0
    assert main([*call, "--resume"]) == 0
    assert "a.wav is finished already" in capsys.readouterr().err
    assert "its seed is 5, not 6" in error(capsys, 2, *call, "--resume", "--seed", "6")
    assert "its duration is as usual, not 120" in error(capsys, 2, *call, "--resume", "--duration", "2m")
    assert "its rate is 48000, not 96000" in error(capsys, 2, *call, "--resume", "--rate", "96000")
    assert "a.wav exists already" in error(capsys, 2, *call, "--resume", "--events", "a.jsonl")
    os.rename("a.wav", "a.wav.part")
    before = Path("a.wav.part").read_bytes()
    assert "a.wav.part holds another render" in error(capsys, 2, *call, "--resume", "--seed", "6")
    assert "format" in error(capsys, 2, *call, "--resume", "--subtype", "FLOAT")
    assert Path("a.wav.part").read_bytes() == before
    assert main([*call, "--resume"]) == 0
    assert Path("a.wav").read_bytes() == before


@pytest.mark.parametrize("more", [[], ["--lufs", "-20"], ["--loop"], ["--start", "20", "--end", "50"]])
def test_workers_write_the_same_bytes(small: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]) -> None:
    gathered: list[Ensemble] = []
    gather = Ensemble._gather
    monkeypatch.setattr(Ensemble, "_gather", lambda *call: (gathered.append(call[0]), gather(*call)))
    for workers in ("1", "2"):
        call = ["render", "small.toml", "--duration", "1m", "-o", f"{workers}.wav", "--stems", workers]
        assert main([*call, "--events", f"{workers}.jsonl", "--workers", workers, *more]) == 0
    assert 1 in gathered[0]._owners.values()
    for first in [Path("1.wav"), Path("1.jsonl"), *Path("1").iterdir()]:
        second = Path("2") / first.name if first.parent.name else first.with_stem("2")
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "fault", ["Ctrl-C", "told to end", "closed pipe", "vanished folder", "full disk", "killed worker"]
)
def test_of_several_workers_nobody_is_left(small: Path, fault: str) -> None:
    """Whatever ends them, it is one line, what was written plays, and no process goes on."""
    resource = pytest.importorskip("resource")

    def small_disk() -> None:
        if fault == "full disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))

    output = "-" if fault == "closed pipe" else "new/a.wav"
    options = {"stdout": subprocess.PIPE, "start_new_session": True, "preexec_fn": small_disk}
    call = ("render", "small.toml", "-o", output, "--duration", "24h", "--workers", "2")
    with begun(*call, **options) as child:
        if fault == "closed pipe":
            assert child.stdout.read(4_000_000)
            child.stdout.close()
        elif fault != "full disk":
            until_it_grows(small / "new" / "a.wav.part", 4_000_000, child)
        (worker,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split() or ["0"]
        if fault == "Ctrl-C":
            os.killpg(child.pid, signal.SIGINT)
        elif fault == "told to end":
            os.kill(child.pid, signal.SIGTERM)
        elif fault == "vanished folder":
            (small / "new").rename(small / "elsewhere")
        elif fault == "killed worker":
            os.kill(int(worker), signal.SIGKILL)
        told = child.stderr.read().decode().splitlines()
        assert child.wait(60) == {"Ctrl-C": 130, "told to end": 143}.get(fault, 1)
    assert [line for line in told if line.startswith("error: ")] == [told[-1]], told
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    assert not (small / "new" / "a.wav").exists()
    for part in small.glob("*/a.wav.part"):
        assert len(soundfile.read(part)[0]) > 600_000
