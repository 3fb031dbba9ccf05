"""Placing sounds side by side between left and right, each with a level of its own that moves."""

from __future__ import annotations

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel


@kernel
def placed(x: F32, left: F64, right: F64, out: F32) -> None:
    """Adds many mono sounds, `x` (lanes, frames), to `out` (2, frames).

    `left` and `right` (steps + 1, lanes) are how loudly each is heard on either side.
    """
    for step in range(x.shape[1] // GRID_FRAMES):
        begin = step * GRID_FRAMES
        near = out[0, begin : begin + GRID_FRAMES]
        far = out[1, begin : begin + GRID_FRAMES]
        for lane in range(x.shape[0]):
            sound = x[lane, begin : begin + GRID_FRAMES]
            left_level, right_level = np.float32(left[step, lane]), np.float32(right[step, lane])
            left_slope = np.float32((left[step + 1, lane] - left[step, lane]) / GRID_FRAMES)
            right_slope = np.float32((right[step + 1, lane] - right[step, lane]) / GRID_FRAMES)
            for i in range(GRID_FRAMES):
                near[i] += sound[i] * (left_level + left_slope * np.float32(i))
                far[i] += sound[i] * (right_level + right_slope * np.float32(i))
