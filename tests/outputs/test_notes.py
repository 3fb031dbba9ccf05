"""MIDI files out: every note in its place, with its pitch to the cent, as another program reads them."""

import json
import math
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from live import small

from resonance.cli import main
from resonance.contract import Event
from resonance.outputs.notes import TICK_S, Note, key_and_bend, note_of, write


def heard(path: Path) -> tuple[list[tuple[float, float, float, str]], list[tuple[float, str]]]:
    """Notes as (begin, end, pitch or minus the drum's key, sound), and markers, in seconds."""
    file = mido.MidiFile(path)
    second = 2 * file.ticks_per_beat
    notes, markers = [], []
    bends = [0] * 16
    lines = []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            lines.append((now, track.name, message))
    sounding: dict[tuple[int, int], tuple[int, float, str]] = {}
    for tick, sound, message in sorted(lines, key=lambda line: line[0]):
        if message.type == "marker":
            markers.append((tick / second, message.text))
        elif message.type == "pitchwheel":
            bends[message.channel] = message.pitch
        elif message.type == "note_on":
            assert (message.channel, message.note) not in sounding
            hz = 440.0 * 2.0 ** ((message.note - 69 + bends[message.channel] / 4096.0) / 12.0)
            sounding[message.channel, message.note] = (
                tick,
                -message.note if message.channel == 9 else hz,
                sound,
            )
        elif message.type == "note_off":
            begin, pitch, whose = sounding.pop((message.channel, message.note))
            notes.append((begin / second, tick / second, pitch, whose))
    assert not sounding
    return sorted(notes), markers


@given(st.floats(20.0, 12_000.0))
def test_a_pitch_is_a_key_and_a_bend(pitch_hz: float) -> None:
    key, bend = key_and_bend(pitch_hz)
    again_hz = 440.0 * 2.0 ** ((key - 69 + bend / 4096.0) / 12.0)
    assert abs(1200.0 * math.log2(again_hz / pitch_hz)) < 0.02


def test_notes_that_meet_on_one_key_end_before_they_begin_again(tmp_path: Path) -> None:
    notes = [Note(0.1 * k, 5.0, 440.0, 100, "tree") for k in range(40)]
    notes += [Note(0.05 * k, 0.2, None, 90, "heartbeat") for k in range(20)]
    write(tmp_path / "a.mid", notes, [(0.0, "one"), (1.0, "two")], 10.0, "A test")
    told, markers = heard(tmp_path / "a.mid")
    assert len(told) == 60
    assert markers == [(0.0, "one"), (1.0, "two")]
    assert mido.MidiFile(tmp_path / "a.mid").length == pytest.approx(10.0, abs=1e-3)


def test_what_lasts_and_whole_phrases_are_no_notes() -> None:
    assert note_of(Event(0, "begin"), 0.0) is None
    assert note_of(Event(0, "phrase", 220.0, detail={"begins_s": [0.0]}), 0.0) is None
    lub = note_of(Event(0, "lub", level_db=-7.0, duration_s=0.3, sound="heartbeat"), 1.0)
    assert lub == Note(1.0, 0.3, None, 85, "heartbeat")


def test_a_render_writes_every_note_of_its_log(tmp_path: Path) -> None:
    score, log, midi = small(tmp_path, 8.0, 4.0), tmp_path / "a.jsonl", tmp_path / "a.mid"
    words = ["--events", str(log), "--midi-out", str(midi), "-o", str(tmp_path / "a.wav")]
    assert main(["render", str(score), *words]) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    wanted = sorted(
        (e["time"], e["pitch_hz"]) for e in events if e["kind"] not in ("begin", "end") and e["pitch_hz"]
    )
    told, markers = heard(midi)
    pitched = [(begin, hz) for begin, _, hz, _ in told if hz > 0]
    assert len(pitched) == len(wanted) > 10
    for (time_s, hz), (at_s, wanted_hz) in zip(pitched, wanted, strict=True):
        assert abs(time_s - at_s) <= TICK_S
        assert abs(1200.0 * math.log2(hz / wanted_hz)) < 0.1
    assert markers == [(0.0, "one"), (8.0, "two")]
    assert main(["render", str(score), *words[2:4], "-o", str(tmp_path / "b.wav")]) == 2


def test_a_midi_file_plays_a_scores_sounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = tmp_path / "still.toml"
    score.write_text(
        'format = 1\n[[scene]]\nname = "one"\nlength = 4\nsounds.crystals = { touch_hz = 0, theme_hz = 0 }\n'
    )
    write(
        tmp_path / "a.mid", [Note(1.0, 0.5, 440.0, 100, "x"), Note(9.0, 1.0, 440.0, 100, "x")], [], 11.0, ""
    )
    words = ["render", str(score), "--midi", str(tmp_path / "a.mid"), "-o", str(tmp_path / "a.wav")]
    assert main(words) == 0
    assert "goes on for" in capsys.readouterr().err
    audio, rate = soundfile.read(tmp_path / "a.wav")
    assert len(audio) == 4 * rate
    loud = np.flatnonzero(np.abs(audio).max(axis=1) > 1e-3)
    assert 1.0 <= loud[0] / rate < 1.02
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "b.mid").write_text("no music")
    assert main([*words[:3], str(tmp_path / "b.mid"), "-o", str(tmp_path / "b.wav")]) != 0
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "b.mid" in error
