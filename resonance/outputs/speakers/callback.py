"""What the sound card calls: compiled, so that nothing in Python, least of all its lock, can hold it up.

It takes frames from the ring. A start, a pause's end and a return after a fault rise softly; a ring that
ran empty ends in a short fade, is counted, and sounds again as soon as enough lies ready.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from resonance.dsp import CACHE_FOLDER
from resonance.outputs.speakers.ring import (
    HEADER_WORDS,
    RING_FRAMES,
    SHORT_GAP_S,
    SLOT_WORDS,
    SOFT_S,
    Header,
    Slot,
)

_LAST = 128  # frames in which what is left in a ring that runs empty dies away: 3 ms, no click
_HALF_PI = np.pi / 2.0
_UNDERFLOW = 4  # paOutputUnderflow in portaudio.h

_WRITTEN, _TAKEN, _REFILL = int(Header.WRITTEN), int(Header.TAKEN), int(Header.REFILL)
_PLAY, _CALLS, _FRAMES, _EMPTY, _PAUSED = (
    int(word) for word in (Slot.PLAY, Slot.CALLS, Slot.FRAMES, Slot.EMPTY, Slot.PAUSED)
)
_UNDERFLOWS, _STARVED, _DATA, _HEADER = (
    int(word) for word in (Slot.UNDERFLOWS, Slot.STARVED, Slot.DATA, Slot.HEADER)
)
_WANTED, _LEVEL, _FADE, _RISE = (int(word) for word in (Slot.WANTED, Slot.LEVEL, Slot.FADE, Slot.RISE))
_SOFT, _QUICK, _FALL, _GLIDE = (int(word) for word in (Slot.SOFT, Slot.QUICK, Slot.FALL, Slot.GLIDE))
_SHORT_RISES = SHORT_GAP_S / SOFT_S
carray: Any = numba.carray  # type: ignore[attr-defined]
_MASK = RING_FRAMES - 1


def _pointer(_: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


_at: Any = intrinsic(_pointer)


def _take(_: Any, output: Any, frame_count: Any, time_info: Any, flags: Any, user: Any) -> int:
    slot = carray(user, (SLOT_WORDS,), np.int64)
    value = carray(user, (SLOT_WORDS,), np.float64)
    header = carray(_at(slot[_HEADER]), (HEADER_WORDS,), np.int64)
    ring = carray(_at(slot[_DATA]), (RING_FRAMES, 2), np.float32)
    frames = np.int64(frame_count)
    out = carray(output, (frames, 2), np.float32)
    slot[_CALLS] += 1
    slot[_FRAMES] += frames
    if flags & _UNDERFLOW:
        slot[_UNDERFLOWS] += 1

    play = slot[_PLAY] == 1
    ready = header[_WRITTEN] - header[_TAKEN]
    if slot[_EMPTY] > 0:
        if play and ready >= header[_REFILL]:
            # A short gap is closed at once; after a long one nobody must be startled.
            short = slot[_EMPTY] * value[_SOFT] < _SHORT_RISES
            value[_RISE] = value[_QUICK] if short and value[_RISE] != value[_SOFT] else value[_SOFT]
            slot[_EMPTY] = 0
        else:
            slot[_EMPTY] += frames
    fade = value[_FADE]
    if slot[_EMPTY] > 0 or (not play and fade <= 0.0):
        if not play:
            slot[_PAUSED] += frames
            value[_RISE] = value[_SOFT]
        value[_LEVEL] = value[_WANTED]
        for i in range(frames):
            out[i, 0] = 0.0
            out[i, 1] = 0.0
        return 0

    slot[_PAUSED] = 0
    here = min(ready, frames)
    if not play:
        here = min(here, np.int64(fade / value[_FALL]) + 1)
    empty = play and here < frames
    taken = header[_TAKEN]
    level, wanted = value[_LEVEL], value[_WANTED]
    for i in range(here):
        at = (taken + i) & _MASK
        fade = min(1.0, fade + value[_RISE]) if play else max(0.0, fade - value[_FALL])
        if level != wanted:
            level += (wanted - level) * value[_GLIDE]
            if abs(level - wanted) < 1e-6:
                level = wanted
        gain = level
        if fade < 1.0:
            rising = np.sin(_HALF_PI * fade)
            gain *= rising * rising
        if empty and here - i <= _LAST:
            gain *= (here - i) / (_LAST + 1.0)
        if gain == 1.0:
            out[i, 0] = ring[at, 0]
            out[i, 1] = ring[at, 1]
        else:
            out[i, 0] = np.float32(gain * ring[at, 0])
            out[i, 1] = np.float32(gain * ring[at, 1])
    for i in range(here, frames):
        out[i, 0] = 0.0
        out[i, 1] = 0.0
    header[_TAKEN] = taken + here
    if fade >= 1.0:
        value[_RISE] = value[_QUICK]
    if not play and here < frames:
        fade = 0.0
        value[_RISE] = value[_SOFT]
    if empty:
        fade = 0.0
        slot[_EMPTY] = frames - here
        slot[_STARVED] += 1
    value[_FADE] = fade
    value[_LEVEL] = level
    return 0


_SIGNATURE = types.int32(
    types.voidptr, types.voidptr, types.uint64, types.voidptr, types.uint64, types.voidptr
)


def compiled() -> Any:
    """The callback as C sees it; its `address` goes to PortAudio."""
    options: dict[str, Any] = {"nopython": True, "error_model": "numpy", "cache": CACHE_FOLDER is not None}
    return numba.cfunc(_SIGNATURE, **options)(_take)
