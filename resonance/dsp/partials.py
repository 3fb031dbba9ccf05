"""Sines by the hundred: additive synthesis, each partial with its own pitch, level and place.

The phase within a step is a parabola, known in closed form, so the 64 frames of a partial are one straight
loop without recursion, and a span cut anywhere between steps sounds the same to the bit.
"""

from __future__ import annotations

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

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


@kernel
def cosine(turn: np.float32) -> np.float32:
    """The cosine of a phase in cycles, as float32; `turn` lies in -0.5..0.5."""
    x = _QUARTER - abs(turn)
    xx = x * x
    return x * (_S1 + xx * (_S3 + xx * (_S5 + xx * (_S7 + xx * _S9))))


@kernel
def sines(phase: F64, cycles: F64, left: F32, right: F32, out: F32) -> None:
    """Adds `n` sine partials, each gliding in pitch and level.

    `phase` (n,) in cycles is state, kept in 0..1. `cycles` (steps + 1, n) are cycles a frame; `left` and
    `right` (steps + 1, n) float32 levels; `out` (2, frames) float32. A partial at or above half a cycle a
    frame counts as silent there: it fades within the step in which it crosses. Partials under -140 dB cost
    almost nothing, and their phase goes on.
    """
    for step in range(cycles.shape[0] - 1):
        start = step * GRID_FRAMES
        left_out = out[0, start : start + GRID_FRAMES]
        right_out = out[1, start : start + GRID_FRAMES]
        for i in range(phase.shape[0]):
            slow, fast = cycles[step, i], cycles[step + 1, i]
            left_before, right_before = left[step, i], right[step, i]
            left_now, right_now = left[step + 1, i], right[step + 1, i]
            if slow >= 0.5:
                left_before = right_before = _NOTHING
            if fast >= 0.5:
                left_now = right_now = _NOTHING
            if (
                abs(left_before) > _SILENT
                or abs(right_before) > _SILENT
                or abs(left_now) > _SILENT
                or abs(right_now) > _SILENT
            ):
                from_crest = np.float32(phase[i] - 0.25)
                bend = np.float32((fast - slow) / (2.0 * GRID_FRAMES))
                coarse = np.floor(slow * _COARSE) / _COARSE
                coarse_turn = np.float32(coarse)
                fine_turn = np.float32(slow - coarse)
                turn = np.float32(slow)
                left_rise = (left_now - left_before) * _A_FRAME
                right_rise = (right_now - right_before) * _A_FRAME
                for j in range(GRID_FRAMES):
                    t = _FRAME[j]
                    whole = np.rint(from_crest + t * (turn + bend * t))
                    value = cosine((t * coarse_turn - whole) + (from_crest + t * (fine_turn + bend * t)))
                    left_out[j] += value * (left_before + left_rise * t)
                    right_out[j] += value * (right_before + right_rise * t)
            end = phase[i] + 0.5 * GRID_FRAMES * (slow + fast)
            phase[i] = end - np.floor(end)
