"""Live sound: the piece in one process, the sound card in another, and the parent that watches both.

    parent (terminal, signals, hands)  ──asks──►  piece: Performance, desk  ──writes──►  ring, shared memory
       │ watches the frames really played                                                   │
       └──starts, kills──►  device: PortAudio, a compiled callback  ◄──────takes────────────┘

A device that goes, hangs or takes the library down with it costs only its own small process; the piece
keeps the time meanwhile. A piece that dies goes on from its place. Each fault is told in one line.
"""

from __future__ import annotations


class DeviceError(Exception):
    """Nothing can be played: the text says what to install, or what to name."""

    def __str__(self) -> str:
        return f"{super().__str__()}; rendering to files works without"
