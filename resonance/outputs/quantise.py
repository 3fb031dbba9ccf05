"""Floats to whole numbers, with a hiss instead of a graininess: triangular dither and honest rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resonance import rng
from resonance.dsp import F32


class Quantiser:
    """Rounds a stream of samples to `bits`, each with one draw of triangular noise added first.

    The noise spans 2 steps peak to peak, which makes the error's mean and variance (a quarter of a step
    squared) independent of the music. One 64-bit draw belongs to each sample, so the same samples give the
    same numbers however they are cut into blocks. Source: Lipshitz, Wannamaker & Vanderkooy 1992, §6.

    `clipped` counts samples that lay outside full scale; they are held at it.
    """

    def __init__(self, bits: int, seed: int = 0) -> None:
        self.bits = bits
        self.clipped = 0
        self._noise = rng.stream(seed, "dither").bit_generator

    def whole(self, block: F32) -> NDArray[np.int32]:
        """The block's samples as numbers from -2^(bits-1) to 2^(bits-1) - 1, in its own shape."""
        full_scale = 2 ** (self.bits - 1)
        halves = np.asarray(self._noise.random_raw(block.size)).view(np.uint32)
        steps = np.add(halves[::2], halves[1::2], dtype=np.float64)
        # Two 32-bit halves sum to 2^32 - 1 on average: exactly centred, in steps of the last bit.
        steps = ((steps - (2**32 - 1)) * 2.0**-32).reshape(block.shape)
        steps += block.astype(np.float64) * full_scale
        np.rint(steps, out=steps)
        self.clipped += int(np.count_nonzero((block > 1.0) | (block < -1.0)))
        return np.clip(steps, -full_scale, full_scale - 1, out=steps).astype(np.int32)
