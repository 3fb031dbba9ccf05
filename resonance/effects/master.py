"""The master chain: what stands between the desk and the ears.

A start that never startles, a gain, and a ceiling that no true peak passes. Everything is on by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resonance.contract import Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import levels
from resonance.dsp.dynamics import limiter, limiter_latency, limiter_state
from resonance.dsp.mixing import ramped
from resonance.units import db, level_from_db

_SOFT_START_S = 0.6
"""At 50 ms this raised cosine is at -35 dB: a start is never louder than -30 dBFS there."""
_SOFT_END_S = 0.03
_CEILING = level_from_db(-1.0)
"""The true peak that nothing passes. It is not a parameter: safety is always on."""


@dataclass(frozen=True)
class MasterPatch:
    """The last stage: gain, then the ceiling."""

    gain_db: float = db(0.0, -60.0, 24.0, "level of the whole before the ceiling")


class Master:
    """Soft start, gain, soft end, limiter. Its output lags by `latency_frames`."""

    def __init__(self, patch: MasterPatch, setting: Setting, end: int) -> None:
        self.latency_frames = limiter_latency(setting.rate_hz)
        self._state = limiter_state(setting.rate_hz)
        self._end = end

    def render(self, span: Span, x: F32, out: F32) -> None:
        """Masters the premaster `x` (2, frames) into `out`, which is overwritten."""
        gained = np.zeros_like(x)
        ramped(x, levels(span["gain_db"]) * self._fades(span), gained)
        limiter(self._state, _CEILING, gained, out)

    def _fades(self, span: Span) -> F64:
        """The soft start of the piece and its soft end, at the steps' borders."""
        frames = span.start + np.arange(span.steps + 1) * GRID_FRAMES
        begun = np.clip(frames / (_SOFT_START_S * span.rate_hz), 0.0, 1.0)
        left = np.clip((self._end - frames) / (_SOFT_END_S * span.rate_hz), 0.0, 1.0)
        return np.sin(0.5 * np.pi * begun) ** 2 * left
