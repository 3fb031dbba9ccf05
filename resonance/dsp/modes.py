"""Modes: the ringing of bars, bowls, glass and drumheads, each mode a decaying spiral.

A mode is a complex number that turns and shrinks a little every frame; what strikes it is added to it. In
float64 its pitch and decay stay true for minutes. Source: the phasor form of the coupled-form resonator,
Mathews & Smith 2003, "Methods for synthesizing very high Q parametrically well behaved two pole filters".
"""

from __future__ import annotations

import numba
import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

# -200 dB: a mode below it has ended. It comes long before denormals, which cost up to 3 times the time.
_SILENCE = 1e-20


def mode_coefficients(frequency_hz: F64, t60_s: F64, rate_hz: float) -> tuple[F64, F64]:
    """How far each mode turns and shrinks in a frame: decay times cosine, and decay times sine, (n,) each.

    `t60_s` is the time in which a mode falls by 60 dB. Modes at or above 0.49 times the rate get zeros.
    Stack the pair for `modes`: `np.stack(mode_coefficients(...))[None]` is one constant rotation.
    """
    frequency_hz, t60_s = np.broadcast_arrays(
        np.asarray(frequency_hz, dtype=np.float64), np.asarray(t60_s, dtype=np.float64)
    )
    decay = np.where(frequency_hz < 0.49 * rate_hz, 10.0 ** (-3.0 / (t60_s * rate_hz)), 0.0)
    angle = 2.0 * np.pi * frequency_hz / rate_hz
    return decay * np.cos(angle), decay * np.sin(angle)


# Reassociation lets the sum over modes run in lanes. It is safe here because the lanes are fixed: a frame
# is added up the same way however the span is cut.
@numba.njit(fastmath={"contract", "nsz", "nnan", "ninf", "arcp", "reassoc"})
def _frame(
    re: F64, im: F64, turn_re: F64, turn_im: F64, strike: F64, left: F32, right: F32, blow: float
) -> tuple[float, float]:
    """Moves every mode on by a frame and adds up what is heard of them."""
    left_sum = 0.0
    right_sum = 0.0
    for i in range(re.shape[0]):
        now_re = re[i] * turn_re[i] - im[i] * turn_im[i] + strike[i] * blow
        now_im = re[i] * turn_im[i] + im[i] * turn_re[i]
        re[i] = now_re
        im[i] = now_im
        left_sum += now_im * left[i]
        right_sum += now_im * right[i]
    return left_sum, right_sum


@kernel
def modes(state: F64, rotation: F64, strike: F64, left: F32, right: F32, excitation: F32, out: F32) -> None:
    """Adds a bank of `n` modes, all struck by the same excitation.

    `state` (2, n) holds real and imaginary parts. `rotation` (k, 2, n) is `mode_coefficients`, stacked: k = 1
    for modes that stay, k = steps for modes that glide, one row a step. `strike` (n,) float64 is how strongly
    the excitation meets each mode; `left` and `right` (n,) float32 how loudly it is heard; `excitation`
    (frames,) and `out` (2, frames) float32. The imaginary part is heard, so a struck mode begins as a sine,
    at zero, one frame after the blow. In a step without excitation, modes that fell below -200 dB are put to
    rest, and a bank at rest costs nothing.
    """
    re, im = state[0], state[1]
    for step in range(out.shape[1] // GRID_FRAMES):
        start = step * GRID_FRAMES
        struck = False
        for j in range(start, start + GRID_FRAMES):
            struck |= excitation[j] != 0.0
        if not struck:
            sounding = False
            for i in range(re.shape[0]):
                if re[i] * re[i] + im[i] * im[i] < _SILENCE:
                    re[i] = im[i] = 0.0
                else:
                    sounding = True
            if not sounding:
                continue
        row = min(step, rotation.shape[0] - 1)
        turn_re, turn_im = rotation[row, 0], rotation[row, 1]
        for j in range(start, start + GRID_FRAMES):
            heard = _frame(re, im, turn_re, turn_im, strike, left, right, excitation[j])
            out[0, j] += heard[0]
            out[1, j] += heard[1]
