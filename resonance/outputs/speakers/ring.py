"""The ring between the piece and the speakers, in memory that both processes share.

The piece writes, a device's compiled callback takes; neither ever waits for the other. Beside the sound
lie a few numbers: how much was written and taken, who is to be heard, and how loud.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from enum import IntEnum
from pathlib import Path

import numpy as np

from resonance.dsp import F32, F64, I64

RING_FRAMES = 1 << 17
"""2.7 s at 48 kHz: the largest cushion there can be, and a power of two, so that places wrap by a mask."""

SOFT_S = 0.6
"""A raised cosine of this length is at -35 dB after 50 ms: a start startles nobody."""
QUICK_S = 0.02
FALL_S = 0.05
GLIDE_S = 0.03
"""The time constant in which the level follows the hand: no zipper, no delay."""
SHORT_GAP_S = 0.25
"""After a longer silence than this, sound comes back softly."""

HEADER_WORDS = 16
SLOT_WORDS = 24
SLOTS = 2
"""Two devices can be open at once, while one hands over to the other; one at most takes."""

_REFILL_FRAMES = 8192  # 170 ms at 48 kHz: longer than any stall of the machine that we have measured
_NICENESS = -11  # what sound servers take
_PRIORITY = 5  # what JACK gives its clients

_WORDS = HEADER_WORDS + SLOTS * SLOT_WORDS


class Header(IntEnum):
    """The numbers that belong to the piece."""

    WRITTEN = 0  # frames, ever
    TAKEN = 1  # frames, ever
    REFILL = 2  # frames that must lie ready before sound begins again
    BEAT = 3  # when the piece last went round, in monotonic nanoseconds
    ENDED = 4  # the written frame at which the piece was over; 0 before


class Slot(IntEnum):
    """The numbers that belong to a device. The last ones are floats, in the same eight bytes."""

    PLAY = 0  # 1: to be heard; 0: fades out, then takes nothing
    CALLS = 1  # of the callback
    FRAMES = 2  # given to the device, silence included
    UNDERFLOWS = 3  # calls that came too late, as the device says
    STARVED = 4  # times the ring ran empty
    EMPTY = 5  # frames of silence since it ran empty; 0 while it is not
    BEAT = 6  # when the device's process last went round, in monotonic nanoseconds
    DATA = 7  # where that process finds the ring
    HEADER = 8  # and the header
    LEAVE = 10  # 1: the device's process is to close it, and go
    PAUSED = 9  # frames of silence since it was told not to play
    WANTED = 16  # level asked for, 0 to 1
    LEVEL = 17  # level now
    FADE = 18  # 0 silent, 1 there
    RISE = 19  # what a fade gains a frame, now
    SOFT = 20  # the same at a start
    QUICK = 21  # the same after a short gap
    FALL = 22  # what a fade loses a frame
    GLIDE = 23  # how much of the way to the level asked for a frame goes


class Ring:
    """A ring of stereo frames: `write` at one end, the callback of `speakers.callback` at the other.

    Made by the parent without an argument; its children find it by the file descriptor `file`.
    """

    def __init__(self, file: int | None = None) -> None:
        size = _WORDS * 8 + RING_FRAMES * 2 * 4
        if file is None:
            shared = Path("/dev/shm")
            folder = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
            with tempfile.TemporaryFile(dir=folder) as made:
                made.truncate(size)
                file = os.dup(made.fileno())
        self.file = file
        self._memory = mmap.mmap(file, size)
        words = np.frombuffer(self._memory, np.int64, _WORDS)
        self.header: I64 = words[:HEADER_WORDS]
        self.slots: list[I64] = [
            words[HEADER_WORDS + i * SLOT_WORDS : HEADER_WORDS + (i + 1) * SLOT_WORDS] for i in range(SLOTS)
        ]
        self.levels: list[F64] = [slot.view(np.float64) for slot in self.slots]
        self.data: F32 = np.frombuffer(self._memory, np.float32, RING_FRAMES * 2, _WORDS * 8).reshape(-1, 2)

    @property
    def ready(self) -> int:
        """How many frames lie ready to be taken."""
        return int(self.header[Header.WRITTEN] - self.header[Header.TAKEN])

    def write(self, audio: F32) -> None:
        """Adds frames, (frames, 2); the caller sees to it that there is room."""
        written = int(self.header[Header.WRITTEN])
        begin = written % RING_FRAMES
        first = min(len(audio), RING_FRAMES - begin)
        self.data[begin : begin + first] = audio[:first]
        self.data[: len(audio) - first] = audio[first:]
        self.header[Header.WRITTEN] = written + len(audio)

    def drop(self, frames: int) -> None:
        """Takes frames unheard, where no device does."""
        self.header[Header.TAKEN] += min(frames, self.ready)

    def close(self) -> None:
        os.close(self.file)


def prepared(slot: I64, levels: F64, rate_hz: float, wanted: float) -> None:
    """Sets a slot to silence at a rate, to rise softly once it is told to play."""
    kept = slot[[Slot.DATA, Slot.HEADER, Slot.BEAT, Slot.LEAVE]]
    slot[:] = 0
    slot[[Slot.DATA, Slot.HEADER, Slot.BEAT, Slot.LEAVE]] = kept
    slot[Slot.EMPTY] = 1
    levels[Slot.WANTED] = levels[Slot.LEVEL] = wanted
    levels[Slot.SOFT] = levels[Slot.RISE] = 1.0 / (SOFT_S * rate_hz)
    levels[Slot.QUICK] = 1.0 / (QUICK_S * rate_hz)
    levels[Slot.FALL] = 1.0 / (FALL_S * rate_hz)
    levels[Slot.GLIDE] = 1.0 - np.exp(-1.0 / (GLIDE_S * rate_hz))


def refill(cushion_frames: int) -> int:
    """How much must lie ready before a ring that ran empty is heard again: a gap should be short."""
    return min(cushion_frames // 2, _REFILL_FRAMES)


def go_first() -> None:
    """Asks the system to let this thread, and those it begins, go before others; root may, others seldom.

    Linux weighs sessions against each other first, and threads only within theirs: a session of its own is
    asked for as well. Source: sched(7), "The autogroup feature".
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(str(_NICENESS))


def go_at_once() -> None:
    """Asks the system to let this thread, and those it begins, interrupt others: it only copies."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
