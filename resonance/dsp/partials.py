"""Sines by the hundred: additive synthesis, each partial with its own pitch, level and place.

The phase within a step is a parabola, known in closed form. Partials whose pitch hardly moves, as of most,
are turned like hands of a clock, 32 side by side, from the middle of the step: one hand serves a frame on
either side of it. Others are drawn frame by frame. Either way a step stands for itself, and a span cut
anywhere between steps sounds the same to the bit.
"""

from __future__ import annotations

import threading

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel, summing_kernel

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

# A table, because without AVX-512 a whole number becomes a float one lane at a time.
_FRAME = np.arange(GRID_FRAMES, dtype=np.float32)
_A_FRAME = np.float32(1.0 / GRID_FRAMES)

# A step's frames lie in pairs about its middle, so many frames before it and after it.
_MIDDLE = 0.5 * (GRID_FRAMES - 1)
_PAIRS = GRID_FRAMES // 2
_AWAY = np.arange(0.5, _PAIRS, dtype=np.float32)

_LANES = 32
_FEW = 20  # as many, drawn one by one, cost what a whole group of lanes costs side by side
# Cycles a frame in a step, 3.6 Hz a second at 48 kHz: up to here a straight line misses the phase's parabola
# by so little, 5e-6 from crest to trough at every step, that its sidebands lie under -120 dB.
_STEADY = 1e-7

# What a lane holds: its hand and how it turns in a frame; and for either side the hand's start times the
# level in the middle, and times its rise a frame. Each is a stretch of one flat array, at a place that
# the compiler knows: so it sees that they never overlap.
_HAND, _TURN, _LEFT, _LEFT_RISE, _RIGHT, _RIGHT_RISE = range(0, 12 * _LANES, 2 * _LANES)
_PHASE, _SLOW, _FAST = range(0, 3 * _LANES, _LANES)


class _Scratch(threading.local):
    """Where a thread lays partials side by side."""

    def __init__(self) -> None:
        self.lanes = np.zeros(12 * _LANES, np.float32)
        self.pitches = np.zeros(3 * _LANES)


_scratch = _Scratch()


@kernel
def cosine(turn: np.float32) -> np.float32:
    """The cosine of a phase in cycles, as float32; `turn` lies in -0.5..0.5."""
    x = _QUARTER - abs(turn)
    xx = x * x
    return x * (_S1 + xx * (_S3 + xx * (_S5 + xx * (_S7 + xx * _S9))))


@kernel
def _drawn(
    phase: float,
    slow: float,
    fast: float,
    levels: tuple[np.float32, np.float32],
    rises: tuple[np.float32, np.float32],
    left: F32,
    right: F32,
) -> None:
    """Adds a step of one partial, frame by frame, however fast it glides."""
    from_crest = np.float32(phase - 0.25)
    bend = np.float32((fast - slow) / (2.0 * GRID_FRAMES))
    coarse = np.floor(slow * _COARSE) / _COARSE
    coarse_turn = np.float32(coarse)
    fine_turn = np.float32(slow - coarse)
    turn = np.float32(slow)
    for j in range(GRID_FRAMES):
        t = _FRAME[j]
        whole = np.rint(from_crest + t * (turn + bend * t))
        value = cosine((t * coarse_turn - whole) + (from_crest + t * (fine_turn + bend * t)))
        left[j] += value * (levels[0] + rises[0] * t)
        right[j] += value * (levels[1] + rises[1] * t)


@kernel
def _aim(pitches: F64, lanes: F32) -> None:
    """Points every lane's hand half a frame past where it starts, and finds how it turns and what it moves.

    Levels come in as those at the step's start with their rises, in the first of their two places.
    """
    for k in range(_LANES):
        slow, curve = pitches[_SLOW + k], (pitches[_FAST + k] - pitches[_SLOW + k]) / (2.0 * GRID_FRAMES)
        half = np.float32(0.5 * slow + _MIDDLE * curve)
        x, y = cosine(half), cosine(half - _QUARTER)
        lanes[_HAND + k], lanes[_HAND + _LANES + k] = x, y
        lanes[_TURN + k], lanes[_TURN + _LANES + k] = _ONE - _TWO * y * y, _TWO * x * y
        middle = pitches[_PHASE + k] + _MIDDLE * (slow + _MIDDLE * curve) - 0.25
        x = cosine(np.float32(middle - np.rint(middle)))
        middle -= 0.25
        y = cosine(np.float32(middle - np.rint(middle)))
        left_rise, right_rise = lanes[_LEFT_RISE + k], lanes[_RIGHT_RISE + k]
        left = lanes[_LEFT + k] + np.float32(_MIDDLE) * left_rise
        right = lanes[_RIGHT + k] + np.float32(_MIDDLE) * right_rise
        lanes[_LEFT + k], lanes[_LEFT + _LANES + k] = left * x, left * y
        lanes[_LEFT_RISE + k], lanes[_LEFT_RISE + _LANES + k] = left_rise * x, left_rise * y
        lanes[_RIGHT + k], lanes[_RIGHT + _LANES + k] = right * x, right * y
        lanes[_RIGHT_RISE + k], lanes[_RIGHT_RISE + _LANES + k] = right_rise * x, right_rise * y


@summing_kernel
def _turned(lanes: F32, left: F32, right: F32) -> None:
    """Adds a step of all lanes, a pair of frames at a time: what they share, and what parts them."""
    for j in range(_PAIRS):
        away = _AWAY[j]
        left_shared = left_apart = right_shared = right_apart = _NOTHING
        for k in range(_LANES):
            x, y = lanes[_HAND + k], lanes[_HAND + _LANES + k]
            turn_x, turn_y = lanes[_TURN + k], lanes[_TURN + _LANES + k]
            far_x, far_y = away * x, away * y
            left_shared += x * lanes[_LEFT + k] - far_y * lanes[_LEFT_RISE + _LANES + k]
            left_apart += far_x * lanes[_LEFT_RISE + k] - y * lanes[_LEFT + _LANES + k]
            right_shared += x * lanes[_RIGHT + k] - far_y * lanes[_RIGHT_RISE + _LANES + k]
            right_apart += far_x * lanes[_RIGHT_RISE + k] - y * lanes[_RIGHT + _LANES + k]
            lanes[_HAND + k] = x * turn_x - y * turn_y
            lanes[_HAND + _LANES + k] = y * turn_x + x * turn_y
        left[_PAIRS + j] += left_shared + left_apart
        left[_PAIRS - 1 - j] += left_shared - left_apart
        right[_PAIRS + j] += right_shared + right_apart
        right[_PAIRS - 1 - j] += right_shared - right_apart


@kernel
def _sines(phase: F64, cycles: F64, left: F32, right: F32, pitches: F64, lanes: F32, out: F32) -> None:
    for step in range(cycles.shape[0] - 1):
        start = step * GRID_FRAMES
        left_out = out[0, start : start + GRID_FRAMES]
        right_out = out[1, start : start + GRID_FRAMES]
        gathered = 0
        for i in range(phase.shape[0]):
            slow, fast = cycles[step, i], cycles[step + 1, i]
            left_before, right_before = left[step, i], right[step, i]
            left_now, right_now = left[step + 1, i], right[step + 1, i]
            loudest = max(max(abs(left_before), abs(right_before)), max(abs(left_now), abs(right_now)))
            if loudest > _SILENT and min(slow, fast) < 0.5:
                if slow >= 0.5:
                    left_before = right_before = _NOTHING
                if fast >= 0.5:
                    left_now = right_now = _NOTHING
                left_rise = (left_now - left_before) * _A_FRAME
                right_rise = (right_now - right_before) * _A_FRAME
                if abs(fast - slow) > _STEADY:
                    levels, rises = (left_before, right_before), (left_rise, right_rise)
                    _drawn(phase[i], slow, fast, levels, rises, left_out, right_out)
                else:
                    pitches[_PHASE + gathered] = phase[i]
                    pitches[_SLOW + gathered], pitches[_FAST + gathered] = slow, fast
                    lanes[_LEFT + gathered], lanes[_LEFT_RISE + gathered] = left_before, left_rise
                    lanes[_RIGHT + gathered], lanes[_RIGHT_RISE + gathered] = right_before, right_rise
                    gathered += 1
            end = phase[i] + 0.5 * GRID_FRAMES * (slow + fast)
            phase[i] = end - np.floor(end)
            if gathered == _LANES or (i == phase.shape[0] - 1 and gathered > _FEW):
                for k in range(gathered, _LANES):
                    pitches[_PHASE + k] = pitches[_SLOW + k] = pitches[_FAST + k] = 0.0
                    lanes[_LEFT + k] = lanes[_LEFT_RISE + k] = _NOTHING
                    lanes[_RIGHT + k] = lanes[_RIGHT_RISE + k] = _NOTHING
                _aim(pitches, lanes)
                _turned(lanes, left_out, right_out)
                gathered = 0
        for k in range(gathered):
            levels = lanes[_LEFT + k], lanes[_RIGHT + k]
            rises = lanes[_LEFT_RISE + k], lanes[_RIGHT_RISE + k]
            at, slow, fast = pitches[_PHASE + k], pitches[_SLOW + k], pitches[_FAST + k]
            _drawn(at, slow, fast, levels, rises, left_out, right_out)


def sines(phase: F64, cycles: F64, left: F32, right: F32, out: F32) -> None:
    """Adds `n` sine partials, each gliding in pitch and level.

    `phase` (n,) in cycles is state, kept in 0..1. `cycles` (steps + 1, n) are cycles a frame; `left` and
    `right` (steps + 1, n) float32 levels; `out` (2, frames) float32. A partial at or above half a cycle a
    frame counts as silent there: it fades within the step in which it crosses. Partials under -140 dB cost
    almost nothing, and their phase goes on.
    """
    _sines(phase, cycles, left, right, _scratch.pitches, _scratch.lanes, out)
