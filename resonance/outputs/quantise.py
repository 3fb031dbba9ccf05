"""Floats to whole numbers, with a hiss instead of a graininess: triangular dither and honest rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resonance import rng
from resonance.dsp import F32, strict_kernel


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
        draws = np.asarray(self._noise.random_raw(block.size))
        whole = np.empty(block.size, np.int32)
        samples = np.ascontiguousarray(block, np.float32).reshape(-1)
        self.clipped += rounded(draws, samples, 2.0 ** (self.bits - 1), whole)
        return whole.reshape(block.shape)

    def packed(self, block: F32) -> bytes:
        """The same numbers as a file holds them: one after the other, the lowest byte of each first."""
        width = self.bits // 8
        data = np.empty(block.size * width, np.uint8)
        little_endian(self.whole(block).reshape(-1), width, data)
        return data.tobytes()


@strict_kernel
def rounded(draws: NDArray[np.uint64], samples: F32, full_scale: float, out: NDArray[np.int32]) -> int:
    """Rounds samples, each with its draw's dither, into `out`; returns how many lay outside full scale."""
    clipped = 0
    for i in range(samples.shape[0]):
        # Two 32-bit halves sum to 2^32 - 1 on average: exactly centred, in steps of the last bit.
        halves = np.float64(draws[i] & np.uint64(0xFFFFFFFF)) + np.float64(draws[i] >> np.uint64(32))
        noise = (halves - 4294967295.0) * 2.0**-32
        step = np.rint(np.float64(samples[i]) * full_scale + noise)
        out[i] = np.int32(min(max(step, -full_scale), full_scale - 1.0))
        clipped += abs(samples[i]) > np.float32(1.0)
    return clipped


@strict_kernel
def little_endian(whole: NDArray[np.int32], width: int, out: NDArray[np.uint8]) -> None:
    """Numbers as `width` bytes each, the lowest first."""
    for i in range(whole.shape[0]):
        for byte in range(width):
            out[i * width + byte] = np.uint8((whole[i] >> (8 * byte)) & 0xFF)
