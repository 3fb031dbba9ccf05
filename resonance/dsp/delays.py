"""Delays that move: a line that remembers, and a place in it that is read ever further back, or nearer.

A delay that grows lowers the pitch of what is heard, one that shrinks raises it, as a tape's does when a
finger rests on its reel. The present itself can be read, exactly: a delay may begin at nothing.

Source: Laakso et al., Splitting the unit delay, IEEE SP Magazine 13, 1996, eq. 42 (Lagrange's weights).
"""

from __future__ import annotations

import math

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

POINTS = 6
"""How many frames each value is read from."""


def delay_line(longest_frames: int, span_frames: int) -> F32:
    """A silent line (2, size) for delays up to `longest_frames`, written in spans of up to `span_frames`."""
    return np.zeros((2, longest_frames + span_frames + POINTS), np.float32)


@kernel
def remember(line: F32, position: int, x: F32) -> None:
    """Writes `x` (2, frames) into the line, over the oldest there is.

    `position` is the frame at which `x` begins.
    """
    size = line.shape[1]
    at = position % size
    straight = min(x.shape[1], size - at)
    for channel in range(2):
        for i in range(straight):
            line[channel, at + i] = x[channel, i]
        for i in range(straight, x.shape[1]):
            line[channel, at + i - size] = x[channel, i]


@kernel
def recall(line: F32, position: int, delay: F64, out: F32) -> None:
    """Writes to `out` (2, frames) what lies `delay` frames before each frame from `position` on.

    `delay` (steps + 1,), 0 or more, moves in straight lines. A delay of 0 is the frame itself, to the bit;
    the line must have been told these frames before.
    """
    size = line.shape[1]
    left, right = line[0], line[1]
    for step in range(out.shape[1] // GRID_FRAMES):
        slope = (delay[step + 1] - delay[step]) / GRID_FRAMES
        for i in range(GRID_FRAMES):
            frame = step * GRID_FRAMES + i
            ago = delay[step] + slope * i
            # Six points around the place; near the present the newest six there are.
            third = max(math.ceil(ago), 3)
            f = np.float32(third - ago)
            up2, up1, down1 = f + np.float32(2.0), f + np.float32(1.0), f - np.float32(1.0)
            down2, down3 = f - np.float32(2.0), f - np.float32(3.0)
            early = f * down1 * down2 * down3
            late = up2 * up1 * f * down1
            w0 = up1 * early * np.float32(-1.0 / 120.0)
            w1 = up2 * early * np.float32(1.0 / 24.0)
            w2 = up2 * up1 * down1 * down2 * down3 * np.float32(-1.0 / 12.0)
            w3 = up2 * up1 * f * down2 * down3 * np.float32(1.0 / 12.0)
            w4 = late * down3 * np.float32(-1.0 / 24.0)
            w5 = late * down2 * np.float32(1.0 / 120.0)
            i0 = (position + frame - third - 2) % size
            i1 = i0 + 1 if i0 + 1 < size else 0
            i2 = i1 + 1 if i1 + 1 < size else 0
            i3 = i2 + 1 if i2 + 1 < size else 0
            i4 = i3 + 1 if i3 + 1 < size else 0
            i5 = i4 + 1 if i4 + 1 < size else 0
            out[0, frame] = (w0 * left[i0] + w1 * left[i1] + w2 * left[i2]) + (
                w3 * left[i3] + w4 * left[i4] + w5 * left[i5]
            )
            out[1, frame] = (w0 * right[i0] + w1 * right[i1] + w2 * right[i2]) + (
                w3 * right[i3] + w4 * right[i4] + w5 * right[i5]
            )
