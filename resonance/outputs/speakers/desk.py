"""Between the piece and the ring: the device's rate, the volume over 0 dB, and the ceiling after both."""

from __future__ import annotations

from typing import Any

import numpy as np

from resonance.dsp import F32, GRID_FRAMES
from resonance.dsp.dynamics import limiter, limiter_state
from resonance.units import level_from_db

CEILING = level_from_db(-1.0)
_UNTOUCHED = level_from_db(-0.5)
"""A ceiling that the engine's own, half a decibel and more below it, never lets anything reach."""
_GLIDE_STEPS = 24.0  # 32 ms at 48 kHz: the hand on the volume makes no zipper


class Desk:
    """Takes what the piece sounds, gives what the device is to have, in its rate.

    While nothing is added to it, the volume at 0 dB or under and both rates alike, it comes out as it went
    in, bit by bit, `limiter_latency` later. The volume under 0 dB is the callback's, at once.
    """

    def __init__(self, from_hz: float, to_hz: float) -> None:
        self.rate_hz = to_hz
        self.boost = 1.0
        self._now = 1.0
        self._state = limiter_state(to_hz)
        self._left = np.zeros((0, 2), np.float32)
        self._resampler: Any = None
        if from_hz != to_hz:
            import soxr

            self._resampler = soxr.ResampleStream(from_hz, to_hz, 2, dtype="float32", quality="HQ")

    def through(self, audio: F32) -> F32:
        """The same sound, (frames, 2), in whole steps; what is left over comes with the next."""
        if self._resampler is not None:
            audio = self._resampler.resample_chunk(audio)
        if len(self._left):
            audio = np.concatenate([self._left, audio])
        whole = len(audio) // GRID_FRAMES * GRID_FRAMES
        self._left = audio[whole:].copy()
        if not whole:
            return audio[:0]
        x = np.ascontiguousarray(audio[:whole].T)
        touched = self._resampler is not None or self._now != 1.0 or self.boost != 1.0
        if self._now != self.boost or self._now != 1.0:
            x *= self._gains(whole // GRID_FRAMES)
        out = np.empty_like(x)
        limiter(self._state, CEILING if touched else _UNTOUCHED, x, out)
        return out.T

    def _gains(self, steps: int) -> F32:
        """The boost as it follows the hand, a value a frame."""
        borders = self.boost + (self._now - self.boost) * np.exp(-np.arange(steps + 1) / _GLIDE_STEPS)
        self._now = self.boost if abs(borders[-1] - self.boost) < 1e-5 else float(borders[-1])
        places = np.arange(steps * GRID_FRAMES) / GRID_FRAMES
        return np.interp(places, np.arange(steps + 1), borders).astype(np.float32)
