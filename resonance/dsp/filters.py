"""Filters that stay calm while they move: state-variable, one-pole, and the resonances of a voice's tract.

All are trapezoidal: what the analog circuit does, solved without delay, so cutoffs are true up to half the
rate, and a sweep of any speed neither clicks nor runs away.

Source: Zavalishin, The Art of VA Filter Design, 2018, ch. 3 and 4; Simper, Linear Trapezoidal Integrated
SVF, 2013 (cytomic.com).
"""

from __future__ import annotations

import math
import threading

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, aligned, kernel
from resonance.dsp.turning import BLOCK, LANES, in_rows, side_by_side

LOW, BAND, HIGH, NOTCH = 0, 1, 2, 3
"""The modes of `svf`."""

# How loudly band, low and what comes in are heard in each mode.
_SVF_MIX = ((0.0, 0.5, 0.0), (1.0, 0.0, 0.0), (-1.0, -0.5, 1.0), (-1.0, 0.0, 1.0))

# Cutoffs are held within this, in cycles a frame: 0.05 Hz, and the last bit of room under half the rate.
_LOWEST, _HIGHEST = 1e-6, 0.495

# Far under hearing, far over the smallest normal number: what is left of a state below it becomes zero.
_SILENT = 1e-20

_A_FRAME = 1.0 / GRID_FRAMES

# Lanes side by side: what their coefficients are, what they will be at the step's end and how they move in a
# frame, their cutoff and q, and their states.
_KEEP, _CROSS, _FALL, _LOUD = range(0, 4 * LANES, LANES)
_THEN = 4 * LANES
_KEEP_MOVE, _CROSS_MOVE, _FALL_MOVE, _LOUD_MOVE = range(8 * LANES, 12 * LANES, LANES)
_CUTOFF, _Q, _FIRST, _SECOND = range(12 * LANES, 16 * LANES, LANES)

Three = tuple[float, float, float]
Four = tuple[float, float, float, float]


class _Scratch(threading.local):
    """Where a thread lays out coefficients frame by frame, or lanes side by side, before their recursion.

    Apart, coefficients are computed four at a time, and the recursion is left with what it has to wait for.
    """

    def __init__(self) -> None:
        self.frames = np.empty((4, GRID_FRAMES))
        self.lanes = np.zeros(16 * LANES)
        self.turned = aligned(2 * BLOCK)


_scratch = _Scratch()


@kernel
def _warped(cutoff: float) -> tuple[float, float]:
    """tan(pi · cutoff) as a fraction: numerator and denominator, so that it costs no division here.

    The polynomial is a least-squares fit of tan(pi f)(1 - 4f²)/f over 0 to 0.5, true to 4e-8.
    """
    f = min(max(cutoff, _LOWEST), _HIGHEST)
    ff = f * f
    polynomial = 3.141592538887844 + ff * (
        -2.230923205449836
        + ff * (-0.5397477255777895 + ff * (-0.20339279065275429 - ff * 0.12039680178058998))
    )
    return f * polynomial, 1.0 - 4.0 * ff


# In the recursions below, sums begin with the product that comes last, so that a frame waits for one product
# of the frame before and not for two: 1.6 times faster, measured. `np.true_divide` is a division that does
# not look for zeros.


@kernel
def _or_silence(value: float) -> float:
    return value if abs(value) > _SILENT else 0.0


@kernel
def _svf_coefficients(cutoff: float, q: float, by_band: float) -> Four:
    """How the two states make the next two, and how loudly the band is heard, over two q.

    Between two borders they move in straight lines. That is safe: no filter makes its two states longer,
    taken as a vector, and so no mean of two filters does.
    """
    top, bottom = _warped(cutoff)
    # With g = top / bottom and damping 1 / q, over one common denominator.
    under = q * (bottom * bottom + top * top) + top * bottom
    once = np.true_divide(1.0, q * under)
    twice = 2.0 * q * q * once
    loud = by_band * 0.5 * under * once
    return twice * bottom * bottom - 1.0, twice * bottom * top, twice * top * top, loud


@kernel
def _svf_frame(now: Four, by_low: float, direct: float, first: float, second: float, value: float) -> Three:
    """What is heard of a frame, and the two states after it."""
    keep, cross, fall, loud = now
    rest = value - second
    # Twice the band and the low are the sums of the states before and after.
    band = cross * rest + keep * first
    low = fall * rest + (second + cross * first)
    return loud * (first + band) + (by_low * (second + low) + direct * value), band, low


@kernel
def _svf_move(now: Four, then: Four) -> Four:
    """How coefficients move in a frame."""
    return (
        (then[0] - now[0]) * _A_FRAME,
        (then[1] - now[1]) * _A_FRAME,
        (then[2] - now[2]) * _A_FRAME,
        (then[3] - now[3]) * _A_FRAME,
    )


@kernel
def _svf_moved(now: Four, move: Four) -> Four:
    return now[0] + move[0], now[1] + move[1], now[2] + move[2], now[3] + move[3]


@kernel
def _svf_pairs(state: F64, cutoff: F64, q: F64, mix: Three, beside: int, x: F32, out: F32) -> None:
    """Two lanes at a time: each waits for its own last frame, and meanwhile the other is computed."""
    by_band, by_low, direct = mix
    for a in range(beside, x.shape[0], 2):
        b = min(a + 1, x.shape[0] - 1)  # a lane without a second is its own
        first_a, second_a, first_b, second_b = state[0, a], state[1, a], state[0, b], state[1, b]
        now_a = now_b = (0.0, 0.0, 0.0, 0.0)
        for row in range(x.shape[1] // GRID_FRAMES + 1):
            then_a = _svf_coefficients(cutoff[row, a], q[row, a], by_band)
            then_b = _svf_coefficients(cutoff[row, b], q[row, b], by_band)
            if row > 0:
                begin = (row - 1) * GRID_FRAMES
                move_a, move_b = _svf_move(now_a, then_a), _svf_move(now_b, then_b)
                for i in range(begin, begin + GRID_FRAMES):
                    # Both are read before either is written: they may be the same.
                    value_a, value_b = np.float64(x[a, i]), np.float64(x[b, i])
                    out[a, i], first_a, second_a = _svf_frame(
                        now_a, by_low, direct, first_a, second_a, value_a
                    )
                    out[b, i], first_b, second_b = _svf_frame(
                        now_b, by_low, direct, first_b, second_b, value_b
                    )
                    now_a, now_b = _svf_moved(now_a, move_a), _svf_moved(now_b, move_b)
                first_a, second_a = _or_silence(first_a), _or_silence(second_a)
                first_b, second_b = _or_silence(first_b), _or_silence(second_b)
            now_a, now_b = then_a, then_b
        state[0, a], state[1, a], state[0, b], state[1, b] = first_a, second_a, first_b, second_b


@kernel
def _svf_step(lanes: F64, by_low: float, direct: float, turned: F32) -> None:
    """Filters a step of lanes side by side, in place."""
    for i in range(GRID_FRAMES):
        at = LANES * i
        for k in range(LANES):
            now = lanes[_KEEP + k], lanes[_CROSS + k], lanes[_FALL + k], lanes[_LOUD + k]
            move = lanes[_KEEP_MOVE + k], lanes[_CROSS_MOVE + k], lanes[_FALL_MOVE + k], lanes[_LOUD_MOVE + k]
            value, first, second = np.float64(turned[at + k]), lanes[_FIRST + k], lanes[_SECOND + k]
            turned[at + k], band, low = _svf_frame(now, by_low, direct, first, second, value)
            lanes[_FIRST + k], lanes[_SECOND + k] = band, low
            keep, cross, fall, loud = _svf_moved(now, move)
            lanes[_KEEP + k], lanes[_CROSS + k], lanes[_FALL + k], lanes[_LOUD + k] = keep, cross, fall, loud


@kernel
def _svf_beside(
    state: F64, cutoff: F64, q: F64, mix: Three, beside: int, x: F32, lanes: F64, turned: F32, out: F32
) -> None:
    """Many lanes at a time, side by side: each to the bit what it would be in a pair."""
    by_band, by_low, direct = mix
    for start in range(0, beside, LANES):
        for k in range(LANES):
            lanes[_FIRST + k], lanes[_SECOND + k] = state[0, start + k], state[1, start + k]
        for row in range(x.shape[1] // GRID_FRAMES + 1):
            for k in range(LANES):
                lanes[_CUTOFF + k], lanes[_Q + k] = cutoff[row, start + k], q[row, start + k]
            for k in range(LANES):
                keep, cross, fall, loud = _svf_coefficients(lanes[_CUTOFF + k], lanes[_Q + k], by_band)
                lanes[_THEN + _KEEP + k], lanes[_THEN + _CROSS + k] = keep, cross
                lanes[_THEN + _FALL + k], lanes[_THEN + _LOUD + k] = fall, loud
            if row > 0:
                begin = (row - 1) * GRID_FRAMES
                for k in range(_THEN):
                    lanes[_KEEP_MOVE + k] = (lanes[_THEN + k] - lanes[k]) * _A_FRAME
                side_by_side(x, start, begin, turned)
                _svf_step(lanes, by_low, direct, turned)
                in_rows(turned, start, begin, out)
                for k in range(_FIRST, _SECOND + LANES):
                    lanes[k] = _or_silence(lanes[k])
            for k in range(_THEN):
                lanes[k] = lanes[_THEN + k]
        for k in range(LANES):
            state[0, start + k], state[1, start + k] = lanes[_FIRST + k], lanes[_SECOND + k]


@kernel
def _band_beside(
    state: F64, cutoff: F64, q: F64, beside: int, x: F32, lanes: F64, turned: F32, out: F32
) -> None:
    """The same for BAND: a tenth faster, for what is not heard then is not computed."""
    _svf_beside(state, cutoff, q, _SVF_MIX[BAND], beside, x, lanes, turned, out)


def svf(state: F64, cutoff: F64, q: F64, mode: int, x: F32, out: F32) -> None:
    """A two-pole filter for many voices side by side: writes `x` (lanes, frames), filtered, to `out`.

    `mode` is LOW, BAND (as loud at its centre as what goes in), HIGH or NOTCH. `state` (2, lanes); `cutoff`
    (steps + 1, lanes) in cycles a frame; `q` (steps + 1, lanes), 0.7071 is flat. `out` may be `x` itself.
    """
    beside = x.shape[0] // LANES * LANES
    # Kernels of their own: few sounds have so many lanes, and what nobody calls is not compiled.
    if beside > 0:
        scratch = _scratch.lanes, _scratch.turned
        if mode == BAND:
            _band_beside(state, cutoff, q, beside, x, *scratch, out)
        else:
            _svf_beside(state, cutoff, q, _SVF_MIX[mode], beside, x, *scratch, out)
    if beside < x.shape[0]:
        _svf_pairs(state, cutoff, q, _SVF_MIX[mode], beside, x, out)


@kernel
def _one_pole(state: F64, cutoff: F64, x: F32, frames: F64, out: F32) -> None:
    for step in range(x.shape[1] // GRID_FRAMES):
        for lane in range(x.shape[0]):
            move = (cutoff[step + 1, lane] - cutoff[step, lane]) / GRID_FRAMES
            for i in range(GRID_FRAMES):
                top, bottom = _warped(cutoff[step, lane] + i * move)
                frames[1, i] = np.true_divide(2.0 * top, top + bottom)
                frames[0, i] = 1.0 - frames[1, i]
            begin = step * GRID_FRAMES
            before = state[lane]
            for i in range(GRID_FRAMES):
                after = frames[0, i] * before + frames[1, i] * x[lane, begin + i]
                out[lane, begin + i] = 0.5 * (before + after)
                before = after
            state[lane] = _or_silence(before)


def one_pole(state: F64, cutoff: F64, x: F32, out: F32) -> None:
    """The gentlest low-pass, for many voices side by side: writes `x` (lanes, frames), filtered, to `out`.

    `state` (lanes,); `cutoff` (steps + 1, lanes) in cycles a frame, 3 dB down there. `out` may be `x` itself.
    """
    _one_pole(state, cutoff, x, _scratch.frames, out)


@kernel
def _width(bandwidth: float) -> float:
    """Damping times g, by its two ends' distance, so that they lie `bandwidth` apart after warping."""
    return math.tan(math.pi * min(max(bandwidth, _LOWEST), 0.45))


@kernel
def _formants(state: F64, centre: F64, bandwidth: F64, level: F64, x: F32, frames: F64, out: F32) -> None:
    for step in range(x.size // GRID_FRAMES):
        begin = step * GRID_FRAMES
        for n in range(state.shape[1]):
            top, bottom = _warped(centre[step, n])
            top_now, bottom_now = _warped(centre[step + 1, n])
            g, wide = top / bottom, _width(bandwidth[step, n])
            g_move = (top_now / bottom_now - g) / GRID_FRAMES
            wide_move = (_width(bandwidth[step + 1, n]) - wide) / GRID_FRAMES
            gain, gain_move = level[step, n], (level[step + 1, n] - level[step, n]) / GRID_FRAMES
            for i in range(GRID_FRAMES):
                tuned, width = g + i * g_move, wide + i * wide_move
                square = 1.0 + tuned * tuned
                twice = np.true_divide(2.0, square * (1.0 + width))
                frames[0, i] = twice - 1.0
                frames[1, i] = twice * tuned
                frames[2, i] = twice * tuned * tuned
                frames[3, i] = np.true_divide(0.5 * (gain + i * gain_move) * width * square, tuned)
            first, second = state[0, n], state[1, n]
            for i in range(GRID_FRAMES):
                rest = x[begin + i] - second
                after = frames[1, i] * rest + frames[0, i] * first
                second = frames[2, i] * rest + (second + frames[1, i] * first)
                out[begin + i] += frames[3, i] * (first + after)
                first = after
            state[0, n] = _or_silence(first)
            state[1, n] = _or_silence(second)


def formants(state: F64, centre: F64, bandwidth: F64, level: F64, x: F32, out: F32) -> None:
    """Adds the resonances of a tract, side by side, to `out` (frames,): what makes a vowel of `x` (frames,).

    `state` (2, n); `centre` and `bandwidth` (steps + 1, n) in cycles a frame, `level` (steps + 1, n) linear:
    the gain at the centre. A resonance is 3 dB down at the two ends of its bandwidth, exactly.
    """
    _formants(state, centre, bandwidth, level, x, _scratch.frames, out)
