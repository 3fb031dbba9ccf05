"""The ceiling: a true-peak limiter that looks ahead, and leaves whatever is under it untouched to the bit."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel

# How long a gain takes to go down: a player waits for it. True peaks are held as well as with 5 ms, and a
# bass is as clean, since gains are held longer than its waves.
_LOOKAHEAD_S = 0.00133
# A gain stays down for half a period of 25 Hz, so that it does not follow the single waves of a bass.
_HOLD_S = 0.020
# A short peak lets go in the first time, a dense passage in the second, which the gain slides into with
# the third. By ear; program-dependent release after Giannoulis et al., JAES 60, 2012.
_RELEASE_S = (0.100, 0.400, 0.150)

_TAPS = 24
_BESIDE = _TAPS // 2
# What four points a sample may miss. Measured against sixteen: 0.38 dB with sines at 0.4 of the rate that
# begin at once, 20 dB too loud; up to 0.25 dB with noise, squares and clicks.
_MARGIN = 10.0 ** (-0.45 / 20.0)

# Gains are summed as whole numbers, so that sums come back to exactly where they were.
_UNIT = 1 << 40


def _between() -> F32:
    """The samples a quarter, a half and three quarters after each sample: a Kaiser-windowed sinc each."""
    place = np.arange(_TAPS)[None, :] - (_BESIDE - 1) - np.array([[0.25], [0.5], [0.75]])
    window = np.i0(7.0 * np.sqrt(np.maximum(1.0 - (place / _BESIDE) ** 2, 0.0))) / np.i0(7.0)
    taps = np.sinc(place) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


_BETWEEN = _between()
_BOUND = float(np.abs(_BETWEEN).sum(axis=1).max())
"""No point between samples can be more than this many times the loudest sample around it."""


class LimiterState(NamedTuple):
    """What the limiter remembers; its delay is the width of `past` without a block."""

    past: F32  # (2, latency + GRID_FRAMES) the input, newest last
    peak: F32  # (2, GRID_FRAMES) scratch: the peak at each frame, the points between
    excess: F64  # (hold blocks, GRID_FRAMES) greatest reduction from each frame of a block to its end
    release: F64  # (2,) reductions let go quickly and slowly
    factor: F64  # (3,) what is left of each after a frame; the third is the slow one's onset
    boxes: I64  # (2, box) the two moving averages that shape the attack
    sums: I64  # (2,) of them
    place: I64  # (2,) in the boxes, in the blocks held


def limiter_latency(rate_hz: float) -> int:
    """How many frames late the limiter's output is: a whole number of blocks, about 1.4 ms."""
    return GRID_FRAMES * math.ceil(_LOOKAHEAD_S * rate_hz / GRID_FRAMES)


def limiter_state(rate_hz: float) -> LimiterState:
    """A limiter that has heard nothing yet."""
    latency = limiter_latency(rate_hz)
    return LimiterState(
        past=np.zeros((2, latency + GRID_FRAMES), np.float32),
        peak=np.zeros((2, GRID_FRAMES), np.float32),
        excess=np.zeros((math.ceil(_HOLD_S * rate_hz / GRID_FRAMES), GRID_FRAMES)),
        release=np.zeros(2),
        factor=np.exp(-1.0 / (np.array(_RELEASE_S) * rate_hz)),
        # A peak is known _BESIDE frames after it came; the boxes have to be down a little before it goes.
        boxes=np.zeros((2, (latency - _BESIDE - 4) // 2), np.int64),
        sums=np.zeros(2, np.int64),
        place=np.zeros(2, np.int64),
    )


@kernel
def limiter(state: LimiterState, ceiling: float, x: F32, out: F32) -> None:
    """Writes `x` (2, frames) to `out`, late by `limiter_latency`, with no true peak over `ceiling`.

    `ceiling` is a linear level; the gain works from 0.45 dB below it. Both channels share one gain. What
    stays below comes out as it went in, bit by bit.
    """
    past, peak, excess, boxes = state.past, state.peak, state.excess, state.boxes
    latency = past.shape[1] - GRID_FRAMES
    box = boxes.shape[1]
    held_blocks = excess.shape[0]
    threshold = np.float32(ceiling * _MARGIN)
    for step in range(x.shape[1] // GRID_FRAMES):
        begin = step * GRID_FRAMES
        for i in range(GRID_FRAMES):
            peak[0, i] = 0.0
        loud_somewhere = False
        for channel in range(2):
            line = past[channel]
            loudest = np.float32(0.0)
            for i in range(latency):
                line[i] = line[i + GRID_FRAMES]
            for i in range(GRID_FRAMES):
                line[latency + i] = x[channel, begin + i]
            around = line[latency - _TAPS + 1 :]
            for i in range(around.size):
                loudest = max(loudest, abs(around[i]))
            if loudest * _BOUND <= threshold:
                continue
            loud_somewhere = True
            for i in range(GRID_FRAMES):
                peak[0, i] = max(peak[0, i], abs(around[_BESIDE - 1 + i]))
            for point in range(3):
                for i in range(GRID_FRAMES):
                    peak[1, i] = 0.0
                for tap in range(_TAPS):
                    for i in range(GRID_FRAMES):
                        peak[1, i] += _BETWEEN[point, tap] * around[tap + i]
                for i in range(GRID_FRAMES):
                    peak[0, i] = max(peak[0, i], abs(peak[1, i]))

        # The greatest reduction of the last `held_blocks` blocks: of the oldest what is left from frame i
        # on, all of those between, of this one what came up to i. Source: van Herk, Pattern Recognition
        # Letters 13, 1992.
        oldest = state.place[1]
        state.place[1] = (oldest + 1) % held_blocks
        between = 0.0
        for block in range(held_blocks):
            if block != oldest:
                between = max(between, excess[block, 0])
        held = excess[oldest]
        reduced = state.release[0] + state.release[1] + state.sums[0] + state.sums[1] + between + held[0]
        if not loud_somewhere and reduced == 0.0:
            # Nothing is too loud, and nothing was for a while: most of the time.
            state.place[0] = (state.place[0] + GRID_FRAMES) % box
            for i in range(GRID_FRAMES):
                out[0, begin + i] = past[0, i]
                out[1, begin + i] = past[1, i]
            continue
        for i in range(GRID_FRAMES):
            loud = np.float64(peak[0, i])
            reduction = 1.0 - threshold / loud if loud > threshold else 0.0
            between = max(between, reduction)
            wanted = max(between, held[i])
            held[i] = reduction

            fast, slow = state.release[0] * state.factor[0], state.release[1]
            slow = wanted + (slow - wanted) * state.factor[2 if wanted > slow else 1]
            fast = max(wanted, fast)
            state.release[0], state.release[1] = fast, slow

            place = state.place[0]
            whole = np.int64(max(fast, slow) * _UNIT)
            for stage in range(2):
                state.sums[stage] += whole - boxes[stage, place]
                boxes[stage, place] = whole
                whole = state.sums[stage] // box
            state.place[0] = place + 1 if place + 1 < box else 0
            level = np.float32(1.0 - whole * (1.0 / _UNIT))
            out[0, begin + i] = past[0, i] * level
            out[1, begin + i] = past[1, i] * level
        for i in range(GRID_FRAMES - 2, -1, -1):
            held[i] = max(held[i], held[i + 1])
        for stage in range(2):
            if state.release[stage] * _UNIT < 1.0:
                state.release[stage] = 0.0
