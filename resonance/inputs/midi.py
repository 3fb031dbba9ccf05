"""MIDI bytes to messages: running status, clocks between a note's bytes, exclusive messages torn off.

Source: MIDI 1.0 Detailed Specification 4.2.1, "Data format" and appendix A, "Running status".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NOTE_OFF, NOTE_ON, POLY_PRESSURE, CONTROL, PROGRAM, PRESSURE, BEND = range(0x80, 0xF0, 0x10)
EXCLUSIVE, POSITION, END = 0xF0, 0xF2, 0xF7
CLOCK, START, CONTINUE, STOP, SENSING, RESET = 0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF

SUSTAIN, SOSTENUTO, SOFT, TIMBRE = 64, 66, 67, 74
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123

LONGEST_EXCLUSIVE = 65_536
"""A longer exclusive message is dropped: none that is understood here has a tenth of it."""

# How many data bytes follow a status; undefined ones (F4, F5, F9, FD) are passed over.
_CHANNEL = {NOTE_OFF: 2, NOTE_ON: 2, POLY_PRESSURE: 2, CONTROL: 2, PROGRAM: 1, PRESSURE: 1, BEND: 2}
_COMMON = {0xF1: 1, POSITION: 2, 0xF3: 1, 0xF6: 0}
_REAL_TIME = {CLOCK, START, CONTINUE, STOP, SENSING, RESET}


@dataclass(slots=True)
class Stream:
    """One cable's bytes, in pieces of any size. `dropped` counts what was no message."""

    dropped: int = 0
    _status: int = 0
    _running: int = 0
    _data: bytearray | None = None
    _exclusive: bool = False

    def messages(self, data: Iterable[int]) -> Iterator[bytes]:
        """The messages that these bytes complete, each whole, beginning with its status.

        Values that are no bytes are dropped like bytes without a status.
        """
        for byte in data:
            if not isinstance(byte, int) or not 0 <= byte <= 0xFF:
                self.dropped += 1
            elif byte >= CLOCK:
                if byte in _REAL_TIME:
                    yield bytes((byte,))
                else:
                    self.dropped += 1
            elif byte >= 0x80:
                yield from self._begin(byte)
            else:
                yield from self._go_on(byte)

    def _begin(self, status: int) -> Iterator[bytes]:
        if status == END and self._exclusive:
            self._exclusive = False
            whole = bytes(self._data or b"")
            self._data = None
            yield bytes((EXCLUSIVE,)) + whole + bytes((END,))
            return
        if self._exclusive or self._data:
            self.dropped += 1
        self._exclusive = status == EXCLUSIVE
        self._running = status if status < EXCLUSIVE else 0
        self._data = None
        if status < EXCLUSIVE or status == EXCLUSIVE or _COMMON.get(status):
            self._status, self._data = status, bytearray()
        elif status in _COMMON:
            yield bytes((status,))
        else:
            self.dropped += 1

    def _go_on(self, byte: int) -> Iterator[bytes]:
        if self._data is None:
            if not self._running:
                self.dropped += 1
                return
            self._status, self._data = self._running, bytearray()
        self._data.append(byte)
        if self._exclusive:
            if len(self._data) > LONGEST_EXCLUSIVE:
                self._exclusive, self._data = False, None
                self.dropped += 1
            return
        wanted = _CHANNEL[self._status & 0xF0] if self._status < EXCLUSIVE else _COMMON[self._status]
        if len(self._data) == wanted:
            whole, self._data = bytes(self._data), None
            yield bytes((self._status,)) + whole
