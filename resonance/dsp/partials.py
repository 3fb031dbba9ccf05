"""Sines by the hundred: additive synthesis, each partial with its own pitch, level and place.

The phase within a step is a parabola, known in closed form. Partials whose pitch moves slowly, as most do,
are turned like hands of a clock, 32 side by side, from the middle of the step both ways; what the parabola
bends is put right in passing. Others are drawn frame by frame. Either way a step stands for itself, and a
span cut anywhere between steps sounds the same to the bit.
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
_NOTHING = np.float32(0.0)

# -140 dB: a partial below it, at a step's start and end alike, is not drawn.
_SILENT = np.float32(1e-7)

# A pitch is split into a coarse part, whose multiples up to 63 are exact in float32 (22 bits), and the rest.
_COARSE = 2.0**17

# A table, because without AVX-512 a whole number becomes a float one lane at a time.
_FRAME = np.arange(GRID_FRAMES, dtype=np.float32)
_A_FRAME = np.float32(1.0 / GRID_FRAMES)

_MIDDLE = GRID_FRAMES // 2
_LANES = 32
_FEW = 22  # as many, drawn one by one, cost what a whole group of lanes costs side by side
# Cycles a frame in a step, 1.3 Hz at 48 kHz: up to here the parabola bends the phase by under 1.2e-3, and
# what is left when that is put right to first order lies under -120 dB.
_GLIDES = 2.3e-5

# What a lane holds: where its two hands point (one runs on from the middle of the step, one back), how far
# they turn in a frame, how much the pitch bends, and its levels at the step's start with their rises a frame.
# Each is a stretch of one flat array, at a place that the compiler knows: so it sees that they never overlap.
_ON_X, _ON_Y, _BACK_X, _BACK_Y, _TURN_X, _TURN_Y, _BEND, _LEFT, _LEFT_RISE, _RIGHT, _RIGHT_RISE = range(
    0, 11 * _LANES, _LANES
)
_PHASE, _SLOW, _FAST = range(0, 3 * _LANES, _LANES)


class _Scratch(threading.local):
    """Where a thread lays partials side by side."""

    def __init__(self) -> None:
        self.lanes = np.zeros(11 * _LANES, np.float32)
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
    """Points every lane's hands at their places beside the middle of the step, and finds how they turn."""
    for k in range(_LANES):
        mean = 0.5 * (pitches[_SLOW + k] + pitches[_FAST + k])
        turn = np.float32(mean)
        lanes[_TURN_X + k] = cosine(turn)
        lanes[_TURN_Y + k] = cosine(turn - _QUARTER)
        on = pitches[_PHASE + k] - 0.25 + _MIDDLE * mean
        back = on - mean
        on -= np.rint(on)
        back -= np.rint(back)
        lanes[_ON_X + k] = cosine(np.float32(on))
        on -= 0.25
        lanes[_ON_Y + k] = cosine(np.float32(on - np.rint(on)))
        lanes[_BACK_X + k] = cosine(np.float32(back))
        back -= 0.25
        lanes[_BACK_Y + k] = cosine(np.float32(back - np.rint(back)))
        lanes[_BEND + k] = np.float32((pitches[_FAST + k] - pitches[_SLOW + k]) * (np.pi / GRID_FRAMES))


@summing_kernel
def _turned(lanes: F32, left: F32, right: F32) -> None:
    """Adds a step of all lanes, turning their hands from its middle on and back."""
    for j in range(_MIDDLE):
        t_on, t_back = _FRAME[_MIDDLE + j], _FRAME[_MIDDLE - 1 - j]
        bow_on = t_on * (np.float32(GRID_FRAMES) - t_on)
        bow_back = t_back * (np.float32(GRID_FRAMES) - t_back)
        left_on = right_on = left_back = right_back = _NOTHING
        for k in range(_LANES):
            x, y, turn_x, turn_y = lanes[_ON_X + k], lanes[_ON_Y + k], lanes[_TURN_X + k], lanes[_TURN_Y + k]
            value = x + lanes[_BEND + k] * bow_on * y
            left_on += value * (lanes[_LEFT + k] + t_on * lanes[_LEFT_RISE + k])
            right_on += value * (lanes[_RIGHT + k] + t_on * lanes[_RIGHT_RISE + k])
            lanes[_ON_X + k] = x * turn_x - y * turn_y
            lanes[_ON_Y + k] = y * turn_x + x * turn_y
            x, y = lanes[_BACK_X + k], lanes[_BACK_Y + k]
            value = x + lanes[_BEND + k] * bow_back * y
            left_back += value * (lanes[_LEFT + k] + t_back * lanes[_LEFT_RISE + k])
            right_back += value * (lanes[_RIGHT + k] + t_back * lanes[_RIGHT_RISE + k])
            lanes[_BACK_X + k] = x * turn_x + y * turn_y
            lanes[_BACK_Y + k] = y * turn_x - x * turn_y
        left[_MIDDLE + j] += left_on
        right[_MIDDLE + j] += right_on
        left[_MIDDLE - 1 - j] += left_back
        right[_MIDDLE - 1 - j] += right_back


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
                if abs(fast - slow) > _GLIDES:
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
