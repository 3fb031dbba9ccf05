"""Between the piece and the ring: the device's rate, the volume over 0 dB, and the ceiling after both."""

from __future__ import annotations

from typing import Any

import numpy as np

from resonance.dsp import F32, GRID_FRAMES
from resonance.dsp.dynamics import limiter, limiter_latency, limiter_state
from resonance.units import level_from_db

CEILING = level_from_db(-1.0)
_GLIDE_STEPS = 24.0  # 32 ms at 48 kHz: the hand on the volume makes no zipper
_BLEND_S = 0.02


class Desk:
    """Takes what the piece sounds, gives what the device is to have, in its rate.

    As long as both rates are alike and the volume never was over 0 dB it comes out as it went in, bit by bit
    and at once. The ceiling is there for whatever is added: from then on all is `latency_frames` late. The
    volume under 0 dB is the callback's.
    """

    def __init__(self, from_hz: float, to_hz: float) -> None:
        self.rate_hz = to_hz
        self.boost = 1.0
        self.added = False
        """Whether what comes may be over the ceiling although nothing is boosted here."""
        self._now = 1.0
        self._state = limiter_state(to_hz)
        self._left = np.zeros((0, 2), np.float32)
        self._last = np.zeros((0, 2), np.float32)
        self._resampler: Any = None
        if from_hz != to_hz:
            import soxr

            self._resampler = soxr.ResampleStream(from_hz, to_hz, 2, dtype="float32", quality="HQ")
        self._blended = 0.0 if self._resampler is None else 1.0
        """How far the sound has passed over from the way past the ceiling to the way under it, 0 to 1."""

    @property
    def guarded(self) -> bool:
        """Whether all of it passes under the ceiling."""
        return self._blended == 1.0

    @property
    def latency_frames(self) -> int:
        """How late it comes out."""
        return limiter_latency(self.rate_hz) if self._blended else 0

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
        if not (self._blended or self.added) and self.boost == 1.0:
            known = limiter_latency(self.rate_hz) + GRID_FRAMES
            self._last = np.concatenate([self._last, audio[max(0, whole - known) : whole]])[-known:]
            return audio[:whole]
        if not self._blended:
            # A ceiling that comes in has to know what came last.
            last = np.ascontiguousarray(self._last.T)
            limiter(self._state, CEILING, last, last.copy())
        x = np.ascontiguousarray(audio[:whole].T)
        steps, out = whole // GRID_FRAMES, np.empty_like(x)
        if self.guarded and (self._now, self.boost) != (1.0, 1.0):
            x *= self._gains(steps)
        limiter(self._state, CEILING, x, out)
        return (out if self.guarded else self._blend(x, out)).T

    def _blend(self, x: F32, limited: F32) -> F32:
        """From the way past the ceiling to the way under it, before anything is added."""
        way = np.minimum(1.0, self._blended + np.arange(1, x.shape[1] + 1) / (_BLEND_S * self.rate_hz))
        self._blended = float(way[-1])
        share = (way * way * (3.0 - 2.0 * way)).astype(np.float32)
        mixed: F32 = x + share * (limited - x)
        return mixed

    def _gains(self, steps: int) -> F32:
        """The boost as it follows the hand, a value a frame."""
        borders = self.boost + (self._now - self.boost) * np.exp(-np.arange(steps + 1) / _GLIDE_STEPS)
        self._now = self.boost if abs(borders[-1] - self.boost) < 1e-5 else float(borders[-1])
        places = np.arange(steps * GRID_FRAMES) / GRID_FRAMES
        return np.interp(places, np.arange(steps + 1), borders).astype(np.float32)
