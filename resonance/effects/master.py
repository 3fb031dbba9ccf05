"""The master chain: what stands between the desk and the ears.

A start that never startles, a gain, the listener's volume, and a ceiling that no true peak passes.
Everything is on by default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resonance.contract import Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import levels
from resonance.dsp.dynamics import limiter, limiter_latency, limiter_state
from resonance.dsp.mixing import ramped
from resonance.units import db, level_from_db

_SOFT_START_S = 0.6
"""At 50 ms this raised cosine is at -35 dB."""
_HUSHED_S = 0.05
_HUSHED = level_from_db(-30.5)
"""However loud it begins, nothing is louder than -30 dBFS in the first 50 ms."""
_SOFT_END_S = 0.03
CEILING_DBTP = -1.0
_CEILING = level_from_db(CEILING_DBTP)
"""The true peak that nothing passes. It is not a parameter: safety is always on."""


@dataclass(frozen=True)
class MasterPatch:
    """The last stage: gain and volume, then the ceiling."""

    gain_db: float = db(0.0, -60.0, 24.0, "level of the whole before the ceiling")
    volume_db: float = db(0.0, -120.0, 12.0, "the listener's volume, before the ceiling as well")


class Master:
    """Soft start, gain, volume, soft end. `end` is the frame by which all is silent; it may still move."""

    def __init__(self, patch: MasterPatch, setting: Setting, end: float) -> None:
        self.end = end
        self._begun_frame = math.ceil(_SOFT_START_S * setting.rate_hz)
        self._end_frames = math.ceil(_SOFT_END_S * setting.rate_hz)

    @staticmethod
    def curves(fields: Mapping[str, F64]) -> dict[str, F64]:
        """What it follows, worked out from its controls."""
        return {"level": levels(fields["gain_db"] + fields["volume_db"])}

    def render(self, span: Span, x: F32, out: F32) -> None:
        """Levels the premaster `x` (2, frames) into `out`, which is overwritten, by its `curves`."""
        out.fill(0.0)
        level = span["level"]
        if span.start < self._begun_frame or span.start + span.frames > self.end - self._end_frames:
            level = level * self._fades(span)
        ramped(x, level, out)

    def _fades(self, span: Span) -> F64:
        """The soft start of the piece and its soft end, at the steps' borders."""
        frames = span.start + np.arange(span.steps + 1) * GRID_FRAMES
        begun = np.clip(frames / (_SOFT_START_S * span.rate_hz), 0.0, 1.0)
        left = np.clip((self.end - frames) / (_SOFT_END_S * span.rate_hz), 0.0, 1.0)
        return np.sin(0.5 * np.pi * begun) ** 2 * left


class Ceiling:
    """What no true peak passes, lowest while a piece begins. Its output lags by `latency_frames`."""

    def __init__(self, rate_hz: float, *, hushes: bool = True) -> None:
        """`hushes` is whether a piece begins here."""
        self.latency_frames = limiter_latency(rate_hz)
        self._state = limiter_state(rate_hz)
        self._hushed = GRID_FRAMES * math.ceil(_HUSHED_S * rate_hz / GRID_FRAMES) if hushes else 0

    def render(self, x: F32, out: F32) -> None:
        """Writes `x` (2, frames), whole steps, to `out`, late and nowhere over the ceiling."""
        hushed = min(self._hushed, x.shape[1])
        self._hushed -= hushed
        if hushed in (0, x.shape[1]):
            limiter(self._state, _HUSHED if hushed else _CEILING, x, out)
            return
        for ceiling, part in ((_HUSHED, slice(0, hushed)), (_CEILING, slice(hushed, None))):
            limited = np.empty_like(x[:, part])
            limiter(self._state, ceiling, np.ascontiguousarray(x[:, part]), limited)
            out[:, part] = limited
