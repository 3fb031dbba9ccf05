"""The MIDI tuning standard, by the specification's own examples and formulas."""

import pytest

from resonance.engine.commands import Tune
from resonance.inputs.tunings import keys_hz, pitch_hz, tunings


@pytest.mark.parametrize(
    ("data", "hz"),
    [
        # Source: MIDI Tuning Specification, table of frequency data.
        ((0x00, 0x00, 0x00), 8.1758),
        ((0x00, 0x00, 0x01), 8.1758),
        ((0x01, 0x00, 0x00), 8.6620),
        ((0x0C, 0x00, 0x00), 16.3516),
        ((0x3C, 0x00, 0x00), 261.6256),
        ((0x3D, 0x00, 0x00), 277.1826),
        ((0x44, 0x7F, 0x7F), 439.9984),
        ((0x45, 0x00, 0x00), 440.0000),
        ((0x45, 0x00, 0x01), 440.0016),
        ((0x78, 0x00, 0x00), 8372.0190),
        ((0x7F, 0x00, 0x00), 12543.8540),
        ((0x7F, 0x7F, 0x7E), 13289.6566),
    ],
)
def test_frequency_data_as_published(data: tuple[int, int, int], hz: float) -> None:
    assert pitch_hz(bytes(data)) == pytest.approx(hz, abs=5e-4 if hz < 1000 else 0.02)


def test_no_change_changes_nothing() -> None:
    assert pitch_hz(b"\x7f\x7f\x7f") is None
    assert tunings(bytes((0xF0, 0x7F, 0, 8, 2, 0, 1, 60, 0x7F, 0x7F, 0x7F, 0xF7))) == []


def dump(pitches: list[tuple[int, int, int]], damage: int = 0) -> bytes:
    body = [0x7E, 0, 8, 1, 0, *b"a test's tuning ", *(byte for pitch in pitches for byte in pitch)]
    checksum = 0
    for byte in body:
        checksum ^= byte
    return bytes((0xF0, *body, checksum ^ damage, 0xF7))


def test_a_bulk_dump_tunes_every_key() -> None:
    # Quarter tones: each key half a semitone above the one before.
    told = tunings(dump([(key // 2, 64 * (key % 2), 0) for key in range(128)]))
    assert len(told) == 128
    for key, command in enumerate(told):
        assert isinstance(command, Tune)
        assert (command.note, command.pitch_hz) == (key, pytest.approx(keys_hz(key / 2), rel=1e-12))


def test_a_damaged_dump_tunes_nothing() -> None:
    pitches = [(key, 0, 0) for key in range(128)]
    assert tunings(dump(pitches, damage=1)) == []
    assert tunings(dump(pitches[:100])) == []


def test_single_notes_in_real_time_several_at_once_and_with_a_bank() -> None:
    changes = (60, 60, 0, 0, 61, 60, 64, 0)
    for head in ((0x7F, 0, 8, 2, 0, 2), (0x7F, 0, 8, 7, 0, 0, 2), (0x7E, 0, 8, 7, 0, 0, 2)):
        told = tunings(bytes((0xF0, *head, *changes, 0xF7)))
        assert [(c.note, round(c.pitch_hz, 3)) for c in told] == [  # type: ignore[attr-defined]
            (60, round(keys_hz(60), 3)),
            (61, round(keys_hz(60.5), 3)),
        ]
    assert tunings(bytes((0xF0, 0x7F, 0, 8, 2, 0, 3, *changes, 0xF7))) == []


def test_scales_of_an_octave_in_one_and_in_two_bytes() -> None:
    cents = [64 + off for off in (0, -14, 4, 16, -14, -2, -12, 2, 14, -16, 18, -12)]
    told = tunings(bytes((0xF0, 0x7E, 0x7F, 8, 8, 3, 127, 127, *cents, 0xF7)))
    assert len(told) == 128
    assert told[61].pitch_hz == pytest.approx(keys_hz(61 - 0.14))  # type: ignore[attr-defined]
    fine = [byte for _ in range(12) for byte in (0x7F, 0x7F)]
    told = tunings(bytes((0xF0, 0x7F, 0x7F, 8, 9, 3, 127, 127, *fine, 0xF7)))
    assert told[60].pitch_hz == pytest.approx(keys_hz(60 + 8191 / 8192))  # type: ignore[attr-defined]
