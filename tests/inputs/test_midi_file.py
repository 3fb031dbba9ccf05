"""MIDI files in: their messages with their seconds, and damage told in one line."""

import contextlib
from pathlib import Path

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resonance.inputs.midi_file import MidiFileError, read


def written(path: Path) -> Path:
    file = mido.MidiFile(type=1, ticks_per_beat=100)
    tempo, notes = mido.MidiTrack(), mido.MidiTrack()
    tempo.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=0))
    tempo.append(mido.MetaMessage("set_tempo", tempo=500_000, time=200))
    notes.append(mido.Message("note_on", note=60, velocity=99, time=100))
    notes.append(mido.Message("note_off", note=60, velocity=1, time=200))
    file.tracks += [tempo, notes]
    file.save(path)
    return path


def test_messages_have_their_seconds_through_changes_of_tempo(tmp_path: Path) -> None:
    told = read(written(tmp_path / "a.mid"))
    assert told == [(pytest.approx(1.0), bytes((0x90, 60, 99))), (pytest.approx(2.5), bytes((0x80, 60, 1)))]


def test_what_is_no_midi_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mid").write_text("no music")
    (tmp_path / "short.mid").write_bytes(written(tmp_path / "a.mid").read_bytes()[:-9])
    (tmp_path / "empty.mid").touch()
    for name in ("text.mid", "short.mid", "none.mid", "empty.mid"):
        with pytest.raises(MidiFileError, match=name) as refused:
            read(tmp_path / name)
        assert "\n" not in str(refused.value)
        assert not str(refused.value).endswith(": ")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=12))
def test_damage_does_no_harm(tmp_path: Path, damage: list[tuple[int, int]]) -> None:
    data = bytearray(written(tmp_path / "a.mid").read_bytes())
    for place, byte in damage:
        data[place % len(data)] = byte
    (tmp_path / "b.mid").write_bytes(data)
    with contextlib.suppress(MidiFileError):
        read(tmp_path / "b.mid")
