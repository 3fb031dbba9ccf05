"""`render --take` and `verify`: the same samples again, said in one line, and what differs named."""

import json
from pathlib import Path

import mido
import numpy as np
import pyloudnorm
import pytest
import soundfile

import resonance
from resonance.cli import main
from resonance.engine.commands import Launch, NoteOn, Set
from resonance.engine.performance import Performance
from resonance.engine.takes import Recorder

SCORE = """format = 1
title = "Small"
about = "a test"
seed = 5
[[scene]]
name = "one"
length = 8
energy = 0.6
[scene.sounds]
drone = {}
crystals = { touch_hz = 4 }
[[scene]]
name = "two"
length = 8
crossfade = 0.5
[scene.sounds]
drone = {}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a take of ten seconds, what was heard, and a take of one second."""
    folder = tmp_path_factory.mktemp("takes")
    (folder / "small.toml").write_text(SCORE)
    performance = Performance(resonance.load(folder / "small.toml"))
    with Recorder(folder / "a.take", performance):
        performance.do(NoteOn(69, 0.9), 20_001)
        performance.do(Set("tension", 0.8), 50_000)
        performance.do(Launch("two", "beat"), 100_000)
        heard = performance.render(12 * 48_000)[: int(performance.end)]
    soundfile.write(folder / "heard.wav", heard, 48_000, "FLOAT")
    soundfile.write(folder / "heard16.wav", heard, 48_000, "PCM_16")
    performance.keep(1.0).write(folder / "short.take")
    return folder


def error(capsys: pytest.CaptureFixture[str], code: int, *call: object) -> str:
    assert main([str(word) for word in call]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def said(capsys: pytest.CaptureFixture[str], *call: object) -> str:
    assert main([str(word) for word in call]) == 0
    return capsys.readouterr().out


def test_a_take_renders_to_the_samples_that_were_heard(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("render", "--take", place / "a.take", "-o", tmp_path / "a.wav", "--subtype", "FLOAT", "--json")
    summary = json.loads(said(capsys, *call))
    again, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == summary["rate"] == 48_000
    assert np.array_equal(again, soundfile.read(place / "heard.wav", dtype="float32")[0])
    assert [scene["name"] for scene in summary["scenes"]] == ["one", "two"]
    assert "exists already" in error(capsys, 2, *call)


def test_a_take_comes_to_a_loudness_and_tells_its_events(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("render", "--take", place / "a.take", "-o", tmp_path / "a.wav", "--json")
    made = json.loads(said(capsys, *call, "--lufs", "-24", "--events", tmp_path / "a.jsonl"))
    assert made["integrated_lufs"] == pytest.approx(-24.0, abs=0.1)
    audio, _ = soundfile.read(tmp_path / "a.wav")
    # It weighs a last step that is not whole as if it were.
    heard = pyloudnorm.Meter(48_000).integrated_loudness(audio[: len(audio) // 4800 * 4800])
    assert heard == pytest.approx(-24.0, abs=0.1)
    events = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    (note,) = [event for event in events if event["rule"] == "player"]
    assert note["kind"] == "note"
    # All hands are heard equally late, by a look-ahead.
    assert note["time"] == pytest.approx(20_001 / 48_000, abs=0.003)
    assert {event["sound"] for event in events} == {"drone", "crystals"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.wav"]


def test_stems_of_a_take_add_up_to_what_was_heard_before_the_master(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["render", "--take", place / "a.take", "-o", tmp_path / "a.wav", "--subtype", "PCM_16"]
    said(capsys, *call, "--stems", tmp_path / "stems")
    stems = {path.stem: soundfile.read(path)[0] for path in (tmp_path / "stems").iterdir()}
    premaster = stems.pop("premaster")
    assert set(stems) == {"drone", "crystals", "space"}
    assert np.abs(sum(stems.values()) - premaster).max() < 10.0 ** (-90 / 20)
    heard = soundfile.read(tmp_path / "a.wav")[0]
    assert len(premaster) == len(heard)
    # The same frames, but for the master chain: nowhere else do they lie closer on each other.
    middle = premaster[100_000:300_000, 0]
    likeness = [np.dot(middle, heard[100_000 + lag : 300_000 + lag, 0]) for lag in range(-200, 201)]
    assert abs(int(np.argmax(likeness)) - 200) <= 1
    assert "exists already" in error(capsys, 2, *call, "--stems", tmp_path / "stems")
    assert "without --workers" in error(capsys, 2, *call, "--force", "--workers", 2)


def test_a_take_is_written_as_a_midi_file_too(place: Path, tmp_path: Path) -> None:
    midi = tmp_path / "a.mid"
    call = ["render", "--take", place / "a.take", "-o", tmp_path / "a.wav", "--midi-out", midi]
    assert main([str(word) for word in call]) == 0
    file = mido.MidiFile(midi)
    assert [message.text for message in file.tracks[0] if message.type == "marker"] == ["one", "two"]
    crystals = next(track for track in file.tracks if track.name == "crystals")
    now_s, begins = 0.0, []
    for message in crystals:
        now_s += message.time / (2 * file.ticks_per_beat)
        if message.type == "note_on":
            begins.append((now_s, message.velocity))
    # The note that was played, at its frame and with its velocity, among those of the piece itself.
    played_s = 20_001 / 48_000
    assert any(played_s <= at_s < played_s + 0.01 and velocity == 114 for at_s, velocity in begins)
    assert len(begins) > 10
    assert main([str(word) for word in [*call[:4], tmp_path / "b.wav", *call[5:]]]) == 2


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_verify_knows_its_own_render_at_any_quality(
    subtype: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = {"PCM_16": 44_100, "PCM_24": 48_000, "FLOAT": 96_000}[subtype]
    file = tmp_path / "a.wav"
    said(capsys, "render", "--take", place / "a.take", "-o", file, "--subtype", subtype, "--rate", rate)
    assert "identical, sample by sample" in said(capsys, "verify", place / "a.take", file)


def test_verify_says_what_is_the_same_and_where_it_differs(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = place / "a.take"
    assert "identical to what was heard, 1 stretches of 10 s" in said(capsys, "verify", take)
    assert "two renders" in said(capsys, "verify", place / "short.take")
    assert "identical, sample by sample" in said(capsys, "verify", take, place / "heard.wav")
    assert "within two steps of its 16 bits" in said(capsys, "verify", take, place / "heard16.wav")
    audio, _ = soundfile.read(place / "heard.wav", dtype="float32")
    audio[300_000, 1] += np.float32(1e-6)
    soundfile.write(tmp_path / "other.wav", audio, 48_000, "FLOAT")
    assert "from frame 300000 on (6.250 s)" in error(capsys, 1, "verify", take, tmp_path / "other.wav")
    soundfile.write(tmp_path / "part.wav", audio[:200_000], 48_000, "FLOAT")
    assert "200000 and 507968 frames" in error(capsys, 1, "verify", take, tmp_path / "part.wav")
    lines = take.read_text().splitlines()
    heard = next(number for number, line in enumerate(lines) if "heard" in line)
    lines[heard] = json.dumps({"at": 480_000, "heard": "0" * 32})
    (tmp_path / "other.take").write_text("\n".join(lines) + "\n")
    assert "between 0.0 and 10.0 s" in error(capsys, 1, "verify", tmp_path / "other.take")


def test_what_is_no_take_ends_in_one_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.take").write_text('{"resonance": "take"')
    assert "is no take" in error(capsys, 2, "verify", tmp_path / "broken.take")
    assert "is no take" in error(capsys, 2, "render", "--take", tmp_path / "broken.take")
    assert "is no line of a take" in error(capsys, 2, "verify", place / "small.toml")
    assert "there is no file" in error(capsys, 2, "verify", tmp_path / "none.take")
    assert "no audio file" in error(capsys, 2, "verify", place / "a.take", place / "small.toml")
    assert "--seed" in error(capsys, 2, "render", "--take", place / "a.take", "--seed", 3)
    header = place.joinpath("a.take").read_text().splitlines()[0]
    (tmp_path / "empty.take").write_text(header + "\n")
    assert "nothing was heard" in error(capsys, 2, "verify", tmp_path / "empty.take")
