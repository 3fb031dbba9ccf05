"""Tunings sent as MIDI: the tuning standard's dumps and changes, to a pitch for each key.

Source: MIDI Tuning Updated Specification (CA-020, CA-021, RP-020): bulk dumps, single note changes and
scale/octave tunings, in real time or not.
"""

from __future__ import annotations

from resonance.engine.commands import Command, Tune

_SETUP, _REAL_TIME, _TUNING = 0x7E, 0x7F, 0x08
KEYS = 128
_NO_CHANGE = b"\x7f\x7f\x7f"


def keys_hz(key: float) -> float:
    """The pitch of a key in equal temperament, A4 = 440 Hz; fractions lie between keys."""
    return float(440.0 * 2.0 ** ((key - 69.0) / 12.0))


def pitch_hz(data: bytes) -> float | None:
    """The pitch of three bytes: a key, and 14 bits of the semitone above it; None where nothing changes."""
    if data == _NO_CHANGE:
        return None
    return keys_hz(data[0] + (data[1] << 7 | data[2]) / 16384.0)


def tunings(message: bytes) -> list[Command]:
    """What an exclusive message tunes; nothing where it is no tuning, or is damaged."""
    if len(message) < 8 or message[1] not in (_SETUP, _REAL_TIME) or message[3] != _TUNING:
        return []
    real_time, form, body = message[1] == _REAL_TIME, message[4], message[5:-1]
    if not real_time and form == 0x01:
        # Tuning program, a name of 16 letters, 128 pitches, checksum.
        return _dump(body[17:-1]) if _sums_up(message) else []
    if not real_time and form == 0x04:
        return _dump(body[18:-1]) if _sums_up(message) else []  # the same, with a bank
    if real_time and form == 0x02:
        return _changes(body[1], body[2:])
    if form == 0x07 and len(body) > 2:
        return _changes(body[2], body[3:])  # with a bank, in real time or not
    if form in (0x08, 0x09) and len(body) > 3:
        return _octave(form, body[3:])
    return []


def _sums_up(message: bytes) -> bool:
    """Whether a dump's checksum is right: the exclusive-or of all between the ends.

    Some instruments leave out the first bytes; a dump is refused only where neither sum is right.
    """
    whole = before_tuning = 0
    for place, byte in enumerate(message[1:-2]):
        whole ^= byte
        before_tuning ^= byte if place >= 4 else 0
    return message[-2] in (whole & 0x7F, before_tuning & 0x7F)


def _dump(pitches: bytes) -> list[Command]:
    if len(pitches) != 3 * KEYS:
        return []
    return [
        command for key in range(KEYS) for command in _tuned(key, pitch_hz(pitches[3 * key : 3 * key + 3]))
    ]


def _changes(count: int, data: bytes) -> list[Command]:
    if len(data) != 4 * count:
        return []
    return [
        command
        for place in range(count)
        for command in _tuned(data[4 * place], pitch_hz(data[4 * place + 1 : 4 * place + 4]))
    ]


def _octave(form: int, data: bytes) -> list[Command]:
    """A tuning that repeats at the octave: how far each of the twelve keys lies off, by 1 or 2 bytes."""
    if form == 0x08 and len(data) == 12:
        cents = [float(byte) - 64.0 for byte in data]
    elif form == 0x09 and len(data) == 24:
        cents = [((data[2 * k] << 7 | data[2 * k + 1]) - 8192) / 8192 * 100.0 for k in range(12)]
    else:
        return []
    return [command for key in range(KEYS) for command in _tuned(key, keys_hz(key + cents[key % 12] / 100.0))]


def _tuned(key: int, hz: float | None) -> list[Command]:
    return [] if hz is None or not 1.0 <= hz <= 20_000.0 else [Tune(key, hz)]
