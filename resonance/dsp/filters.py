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

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

LOW, BAND, HIGH, NOTCH = 0, 1, 2, 3
"""The modes of `svf`."""

# Cutoffs are held within this, in cycles a frame: 0.05 Hz, and the last bit of room under half the rate.
_LOWEST, _HIGHEST = 1e-6, 0.495

# Far under hearing, far over the smallest normal number: what is left of a state below it becomes zero.
_SILENT = 1e-20


class _Scratch(threading.local):
    """Where a thread lays out a step's coefficients, frame by frame, before the recursion that needs them.

    Apart, they are computed four at a time, and the recursion is left with what it has to wait for.
    """

    def __init__(self) -> None:
        self.pair = np.empty((2, 4, GRID_FRAMES))
        self.frames = self.pair[0]


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
def _svf_frames(cutoff: float, cutoff_move: float, q: float, q_move: float, frames: F64) -> None:
    """Writes a step's coefficients: how the two states make the next two, and one over two q."""
    still = cutoff_move == 0.0 and q_move == 0.0
    for i in range(1 if still else GRID_FRAMES):
        top, bottom = _warped(cutoff + i * cutoff_move)
        sharp = q + i * q_move
        # With g = top / bottom and damping 1 / sharp, over one common denominator.
        twice = np.true_divide(2.0 * sharp, sharp * (bottom * bottom + top * top) + top * bottom)
        frames[0, i] = twice * bottom * bottom - 1.0
        frames[1, i] = twice * bottom * top
        frames[2, i] = twice * top * top
        frames[3, i] = np.true_divide(0.5, sharp)
    if still:
        for k in range(4):
            for i in range(1, GRID_FRAMES):
                frames[k, i] = frames[k, 0]


@kernel
def _svf(state: F64, cutoff: F64, q: F64, mode: int, x: F32, frames: F64, out: F32) -> None:
    direct = 1.0 if mode >= HIGH else 0.0
    by_band = (0.0, 1.0, -1.0, -1.0)[mode]
    by_low = (0.5, 0.0, -0.5, 0.0)[mode]
    for step in range(x.shape[1] // GRID_FRAMES):
        begin = step * GRID_FRAMES
        # Two lanes at a time: each waits for its own last frame, and meanwhile the other is computed. A lane
        # without a second is its own.
        for a in range(0, x.shape[0], 2):
            b = min(a + 1, x.shape[0] - 1)
            alike = True
            for row in (step, step + 1):
                alike = alike and cutoff[row, a] == cutoff[row, b] and q[row, a] == q[row, b]
            for lane in range(a, a + 1 if alike else b + 1):
                cutoff_move = (cutoff[step + 1, lane] - cutoff[step, lane]) / GRID_FRAMES
                q_move = (q[step + 1, lane] - q[step, lane]) / GRID_FRAMES
                _svf_frames(cutoff[step, lane], cutoff_move, q[step, lane], q_move, frames[lane - a])
            of_a, of_b = frames[0], frames[0 if alike else 1]
            first_a, second_a, first_b, second_b = state[0, a], state[1, a], state[0, b], state[1, b]
            for i in range(GRID_FRAMES):
                value_a, value_b = np.float64(x[a, begin + i]), np.float64(x[b, begin + i])
                rest_a, rest_b = value_a - second_a, value_b - second_b
                # Twice the band and the low are the sums of the states before and after.
                band_a = of_a[1, i] * rest_a + of_a[0, i] * first_a
                band_b = of_b[1, i] * rest_b + of_b[0, i] * first_b
                low_a = of_a[2, i] * rest_a + (second_a + of_a[1, i] * first_a)
                low_b = of_b[2, i] * rest_b + (second_b + of_b[1, i] * first_b)
                out[a, begin + i] = (
                    direct * value_a + by_band * of_a[3, i] * (first_a + band_a) + by_low * (second_a + low_a)
                )
                out[b, begin + i] = (
                    direct * value_b + by_band * of_b[3, i] * (first_b + band_b) + by_low * (second_b + low_b)
                )
                first_a, second_a, first_b, second_b = band_a, low_a, band_b, low_b
            state[0, a] = first_a if abs(first_a) > _SILENT else 0.0
            state[1, a] = second_a if abs(second_a) > _SILENT else 0.0
            state[0, b] = first_b if abs(first_b) > _SILENT else 0.0
            state[1, b] = second_b if abs(second_b) > _SILENT else 0.0


def svf(state: F64, cutoff: F64, q: F64, mode: int, x: F32, out: F32) -> None:
    """A two-pole filter for many voices side by side: writes `x` (lanes, frames), filtered, to `out`.

    `mode` is LOW, BAND (as loud at its centre as what goes in), HIGH or NOTCH. `state` (2, lanes); `cutoff`
    (steps + 1, lanes) in cycles a frame; `q` (steps + 1, lanes), 0.7071 is flat. `out` may be `x` itself.
    """
    _svf(state, cutoff, q, mode, x, _scratch.pair, out)


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
            state[lane] = before if abs(before) > _SILENT else 0.0


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
            state[0, n] = first if abs(first) > _SILENT else 0.0
            state[1, n] = second if abs(second) > _SILENT else 0.0


def formants(state: F64, centre: F64, bandwidth: F64, level: F64, x: F32, out: F32) -> None:
    """Adds the resonances of a tract, side by side, to `out` (frames,): what makes a vowel of `x` (frames,).

    `state` (2, n); `centre` and `bandwidth` (steps + 1, n) in cycles a frame, `level` (steps + 1, n) linear:
    the gain at the centre. A resonance is 3 dB down at the two ends of its bandwidth, exactly.
    """
    _formants(state, centre, bandwidth, level, x, _scratch.frames, out)
