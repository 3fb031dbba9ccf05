"""Filters that stay calm while they move: state-variable, one-pole, and the resonances of a voice's tract.

All are trapezoidal: what the analog circuit does, solved without delay, so cutoffs are true up to half the
rate, and a sweep of any speed neither clicks nor runs away.

Source: Zavalishin, The Art of VA Filter Design, 2018, ch. 3 and 4; Simper, Linear Trapezoidal Integrated
SVF, 2013 (cytomic.com).
"""

from __future__ import annotations

import math

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

LOW, BAND, HIGH, NOTCH = 0, 1, 2, 3
"""The modes of `svf`."""

# Cutoffs are held within this, in cycles a frame: 0.05 Hz, and the last bit of room under half the rate.
_LOWEST, _HIGHEST = 1e-6, 0.495

# Far under hearing, far over the smallest normal number: what is left of a state below it becomes zero.
_SILENT = 1e-20


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


@kernel
def svf(state: F64, cutoff: F64, q: F64, mode: int, x: F32, out: F32) -> None:
    """A two-pole filter for many voices side by side: writes `x` (lanes, frames), filtered, to `out`.

    `mode` is LOW, BAND (as loud at its centre as what goes in), HIGH or NOTCH. `state` (2, lanes); `cutoff`
    (steps + 1, lanes) in cycles a frame; `q` (steps + 1, lanes), 0.7071 is flat. `out` may be `x` itself.
    """
    lanes = x.shape[0]
    direct = 1.0 if mode >= HIGH else 0.0
    by_band = (0.0, 1.0, -1.0, -1.0)[mode]
    by_low = (1.0, 0.0, -1.0, 0.0)[mode]
    for step in range(x.shape[1] // GRID_FRAMES):
        for i in range(GRID_FRAMES):
            frame = step * GRID_FRAMES + i
            share = i / GRID_FRAMES
            for lane in range(lanes):
                top, bottom = _warped(
                    cutoff[step, lane] + share * (cutoff[step + 1, lane] - cutoff[step, lane])
                )
                sharp = q[step, lane] + share * (q[step + 1, lane] - q[step, lane])
                # With g = top / bottom and damping 1 / sharp, over one common denominator.
                common = 1.0 / (sharp * (bottom * bottom + top * top) + top * bottom)
                value = np.float64(x[lane, frame])
                rest = value - state[1, lane]
                band = common * sharp * (bottom * bottom * state[0, lane] + top * bottom * rest)
                low = state[1, lane] + common * sharp * top * (bottom * state[0, lane] + top * rest)
                state[0, lane] = 2.0 * band - state[0, lane]
                state[1, lane] = 2.0 * low - state[1, lane]
                out[lane, frame] = direct * value + by_band * band / sharp + by_low * low
        for lane in range(lanes):
            for k in range(2):
                state[k, lane] = state[k, lane] if abs(state[k, lane]) > _SILENT else 0.0


@kernel
def one_pole(state: F64, cutoff: F64, x: F32, out: F32) -> None:
    """The gentlest low-pass, for many voices side by side: writes `x` (lanes, frames), filtered, to `out`.

    `state` (lanes,); `cutoff` (steps + 1, lanes) in cycles a frame, 3 dB down there. `out` may be `x` itself.
    """
    lanes = x.shape[0]
    for step in range(x.shape[1] // GRID_FRAMES):
        for i in range(GRID_FRAMES):
            frame = step * GRID_FRAMES + i
            share = i / GRID_FRAMES
            for lane in range(lanes):
                top, bottom = _warped(
                    cutoff[step, lane] + share * (cutoff[step + 1, lane] - cutoff[step, lane])
                )
                move = (x[lane, frame] - state[lane]) * top / (top + bottom)
                out[lane, frame] = state[lane] + move
                state[lane] += 2.0 * move
        for lane in range(lanes):
            state[lane] = state[lane] if abs(state[lane]) > _SILENT else 0.0


@kernel
def formants(state: F64, centre: F64, bandwidth: F64, level: F64, x: F32, out: F32) -> None:
    """Adds the resonances of a tract, side by side, to `out` (frames,): what makes a vowel of `x` (frames,).

    `state` (2, n); `centre` and `bandwidth` (steps + 1, n) in cycles a frame, `level` (steps + 1, n) linear:
    the gain at the centre. A resonance is 3 dB down at the two ends of its bandwidth, exactly.
    """
    for step in range(x.size // GRID_FRAMES):
        source = x[step * GRID_FRAMES :]
        heard = out[step * GRID_FRAMES :]
        for n in range(state.shape[1]):
            top, bottom = _warped(centre[step, n])
            g, wide = top / bottom, math.tan(math.pi * min(max(bandwidth[step, n], _LOWEST), 0.45))
            top, bottom = _warped(centre[step + 1, n])
            g_move = (top / bottom - g) / GRID_FRAMES
            wide_move = (
                math.tan(math.pi * min(max(bandwidth[step + 1, n], _LOWEST), 0.45)) - wide
            ) / GRID_FRAMES
            gain, gain_move = level[step, n], (level[step + 1, n] - level[step, n]) / GRID_FRAMES
            first, second = state[0, n], state[1, n]
            for i in range(GRID_FRAMES):
                # Damping times g, so that the band's two ends lie `bandwidth` apart after warping.
                damping = wide * (1.0 + g * g)
                rest = source[i] - second
                band = (first + g * rest) / (1.0 + g * g + damping)
                low = second + g * band
                first = 2.0 * band - first
                second = 2.0 * low - second
                heard[i] += gain * damping * band / g
                g += g_move
                wide += wide_move
                gain += gain_move
            state[0, n] = first if abs(first) > _SILENT else 0.0
            state[1, n] = second if abs(second) > _SILENT else 0.0
