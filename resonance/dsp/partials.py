"""Sines by the hundred: additive synthesis, each partial with its own pitch, level and place.

The phase within a step is a parabola, known in closed form. Of partials whose pitch hardly moves, as of most,
sixteen frames in the middle of a step are drawn, and the rest follows eight frames at a time: a sine is what
it was eight frames before, turned about, and twice its cosine of eight frames times what it is now. Others
are drawn frame by frame. Either way a step stands for itself, and a span cut anywhere between steps sounds
the same to the bit.
"""

from __future__ import annotations

import threading

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, aligned, kernel

# sin(2 pi x) on -1/4..1/4 as an odd polynomial of degree 9. Source: least maximum error by reweighted least
# squares, 3.4e-9 before rounding to float32; tests/dsp/test_partials.py holds it to the true sine.
_S1 = np.float32(6.283185160088966)
_S3 = np.float32(-41.34165503128523)
_S5 = np.float32(81.60100406446475)
_S7 = np.float32(-76.54978207924569)
_S9 = np.float32(39.536704351728005)
_QUARTER = np.float32(0.25)
_NOTHING, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)

# -140 dB: a partial below it, at a step's start and end alike, is not drawn.
_SILENT = np.float32(1e-7)

# A pitch is split into a coarse part, whose multiples up to 63 are exact in float32 (22 bits), and the rest.
_COARSE = 2.0**17

_A_FRAME = np.float32(1.0 / GRID_FRAMES)

# A step's frames counted from its middle, and those of each eight of them from theirs.
_MIDDLE = 0.5 * (GRID_FRAMES - 1)
_FROM_MIDDLE = np.arange(GRID_FRAMES, dtype=np.float32) - np.float32(_MIDDLE)
_EIGHT = np.arange(-3.5, 4.0, dtype=np.float32)
_HALF = np.float32(_MIDDLE)
_4, _12, _20, _28 = np.float32(4.0), np.float32(12.0), np.float32(20.0), np.float32(28.0)

# Cycles a frame in a step, 3.6 Hz a second at 48 kHz: up to here a straight line misses the phase's parabola
# by so little, 5e-6 from crest to trough at every step, that its sidebands lie under -120 dB.
_STEADY = np.float32(1e-7)

Eight = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]

# What is known of each of so many partials, and the step as it is drawn, left and right: stretches of one
# flat array, at places that the compiler knows, so it sees that they never overlap.
_LANES = 32
_LOUDEST, _GLIDE, _TURN, _TWICE, _BEFORE, _AFTER = range(0, 6 * _LANES, _LANES)
_LEFT, _LEFT_RISE, _RIGHT, _RIGHT_RISE, _DRAWN = range(6 * _LANES, 11 * _LANES, _LANES)


class _Scratch(threading.local):
    """Where a thread lays partials side by side."""

    def __init__(self) -> None:
        self.lanes = aligned(_DRAWN + 2 * GRID_FRAMES)


_scratch = _Scratch()


@kernel
def cosine(turn: np.float32) -> np.float32:
    """The cosine of a phase in cycles, as float32; `turn` lies in -0.5..0.5."""
    x = _QUARTER - abs(turn)
    xx = x * x
    return x * (_S1 + xx * (_S3 + xx * (_S5 + xx * (_S7 + xx * _S9))))


@kernel
def _aim(phase: F64, slow: F64, fast: F64, left: tuple[F32, F32], right: tuple[F32, F32], lanes: F32) -> None:
    """Finds what is to be known of partials side by side; levels come as they are at a step's two borders."""
    for k in range(phase.size):
        first = _ONE if slow[k] < 0.5 else _NOTHING
        last = _ONE if fast[k] < 0.5 else _NOTHING
        left_before, right_before = first * left[0][k], first * right[0][k]
        left_now, right_now = last * left[1][k], last * right[1][k]
        loudest = max(abs(left_before), abs(right_before))
        lanes[_LOUDEST + k] = max(loudest, max(abs(left_now), abs(right_now)))
        left_rise, right_rise = (left_now - left_before) * _A_FRAME, (right_now - right_before) * _A_FRAME
        lanes[_LEFT + k], lanes[_LEFT_RISE + k] = left_before + _HALF * left_rise, left_rise
        lanes[_RIGHT + k], lanes[_RIGHT_RISE + k] = right_before + _HALF * right_rise, right_rise
        curve = (fast[k] - slow[k]) * (0.5 / GRID_FRAMES)
        turn = slow[k] + 2.0 * _MIDDLE * curve
        lanes[_GLIDE + k] = abs(fast[k] - slow[k])
        lanes[_TURN + k] = turn
        # Phases in the middle of the eight frames before the step's middle and of the eight after it.
        middle = phase[k] + _MIDDLE * (slow[k] + _MIDDLE * curve) - 0.25
        before, after = middle - 4.0 * turn, middle + 4.0 * turn
        lanes[_BEFORE + k] = before - np.rint(before)
        lanes[_AFTER + k] = after - np.rint(after)
        eight = 8.0 * turn
        lanes[_TWICE + k] = _TWO * cosine(np.float32(eight - np.rint(eight)))


@kernel
def _lay(lanes: F32, at: int, values: Eight, level: np.float32, rise: np.float32) -> None:
    """Adds eight frames, eight frames apart, at a level that rises from the middle of a step."""
    lanes[at] += values[0] * (level - rise * _28)
    lanes[at + 8] += values[1] * (level - rise * _20)
    lanes[at + 16] += values[2] * (level - rise * _12)
    lanes[at + 24] += values[3] * (level - rise * _4)
    lanes[at + 32] += values[4] * (level + rise * _4)
    lanes[at + 40] += values[5] * (level + rise * _12)
    lanes[at + 48] += values[6] * (level + rise * _20)
    lanes[at + 56] += values[7] * (level + rise * _28)


@kernel
def _steady(lanes: F32, k: int) -> None:
    """Draws a step of one partial whose pitch stands still, outwards from the middle."""
    before, after, turn, twice = lanes[_BEFORE + k], lanes[_AFTER + k], lanes[_TURN + k], lanes[_TWICE + k]
    left, left_rise = lanes[_LEFT + k], lanes[_LEFT_RISE + k]
    right, right_rise = lanes[_RIGHT + k], lanes[_RIGHT_RISE + k]
    for i in range(8):
        t = _EIGHT[i]
        v3 = cosine((t * turn - np.rint(before + t * turn)) + before)
        v4 = cosine((t * turn - np.rint(after + t * turn)) + after)
        v2, v5 = twice * v3 - v4, twice * v4 - v3
        v1, v6 = twice * v2 - v3, twice * v5 - v4
        v0, v7 = twice * v1 - v2, twice * v6 - v5
        values = v0, v1, v2, v3, v4, v5, v6, v7
        _lay(lanes, _DRAWN + i, values, left + left_rise * t, left_rise)
        _lay(lanes, _DRAWN + GRID_FRAMES + i, values, right + right_rise * t, right_rise)


@kernel
def _gliding(phase: float, slow: float, fast: float, lanes: F32, k: int) -> None:
    """Draws a step of one partial frame by frame, however fast it glides."""
    curve = (fast - slow) / (2.0 * GRID_FRAMES)
    in_middle = slow + 2.0 * _MIDDLE * curve
    from_crest = phase + _MIDDLE * (slow + _MIDDLE * curve) - 0.25
    crest, bend = np.float32(from_crest - np.rint(from_crest)), np.float32(curve)
    coarse = np.floor(in_middle * _COARSE) / _COARSE
    turn, coarse_turn, fine_turn = np.float32(in_middle), np.float32(coarse), np.float32(in_middle - coarse)
    left, left_rise = lanes[_LEFT + k], lanes[_LEFT_RISE + k]
    right, right_rise = lanes[_RIGHT + k], lanes[_RIGHT_RISE + k]
    for i in range(GRID_FRAMES):
        t = _FROM_MIDDLE[i]
        whole = np.rint(crest + t * (turn + bend * t))
        value = cosine((t * coarse_turn - whole) + (crest + t * (fine_turn + bend * t)))
        lanes[_DRAWN + i] += value * (left + left_rise * t)
        lanes[_DRAWN + GRID_FRAMES + i] += value * (right + right_rise * t)


@kernel
def _sines(phase: F64, cycles: F64, left: F32, right: F32, lanes: F32, out: F32) -> None:
    for step in range(cycles.shape[0] - 1):
        for i in range(2 * GRID_FRAMES):
            lanes[_DRAWN + i] = _NOTHING
        for first in range(0, phase.size, _LANES):
            some = slice(first, min(first + _LANES, phase.size))
            slow, fast = cycles[step, some], cycles[step + 1, some]
            lefts = left[step, some], left[step + 1, some]
            rights = right[step, some], right[step + 1, some]
            _aim(phase[some], slow, fast, lefts, rights, lanes)
            for k in range(slow.size):
                if lanes[_LOUDEST + k] > _SILENT:
                    if lanes[_GLIDE + k] > _STEADY:
                        _gliding(phase[first + k], slow[k], fast[k], lanes, k)
                    else:
                        _steady(lanes, k)
        for k in range(phase.size):
            end = phase[k] + 0.5 * GRID_FRAMES * (cycles[step, k] + cycles[step + 1, k])
            phase[k] = end - np.floor(end)
        left_out, right_out = out[0, step * GRID_FRAMES :], out[1, step * GRID_FRAMES :]
        for i in range(GRID_FRAMES):
            left_out[i] += lanes[_DRAWN + i]
            right_out[i] += lanes[_DRAWN + GRID_FRAMES + i]


def sines(phase: F64, cycles: F64, left: F32, right: F32, out: F32) -> None:
    """Adds `n` sine partials, each gliding in pitch and level.

    `phase` (n,) in cycles is state, kept in 0..1. `cycles` (steps + 1, n) are cycles a frame; `left` and
    `right` (steps + 1, n) float32 levels; `out` (2, frames) float32. A partial at or above half a cycle a
    frame counts as silent there: it fades within the step in which it crosses. Partials under -140 dB cost
    almost nothing, and their phase goes on.
    """
    _sines(phase, cycles, left, right, _scratch.lanes, out)
