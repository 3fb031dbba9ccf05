"""Onsets: when things begin, at a mean rate that may change at every step.

A renewal process in stretched time: the rate is summed up step by step, and an onset comes whenever the sum
has passed a drawn interval of mean 1. Intervals are gamma-distributed: regularity 1 is pure chance (Poisson),
higher is nearer to a pulse, lower comes in clusters. Source: Cox 1962, Renewal Theory, ch. 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resonance.units import GRID_FRAMES


class Onsets:
    """Frames at which something begins. However the time is cut into spans, they are the same.

    `ready` is how much of the mean interval has passed before the piece begins.
    """

    def __init__(self, rng: np.random.Generator, regularity: float = 1.0, ready: float = 0.0) -> None:
        self._rng = rng
        self._shape = regularity
        self._elapsed = ready
        self._interval = self._draw()

    def _draw(self) -> float:
        return float(self._rng.gamma(self._shape)) / self._shape

    def due(self, start: int, onset_rate_hz: NDArray[np.float64], step_s: float) -> list[int]:
        """The onsets in the steps from frame `start` on; `onset_rate_hz` (steps + 1,) is at their borders."""
        hazard = onset_rate_hz[:-1] * step_s
        frames: list[int] = []
        first = 0
        while first < len(hazard):
            passed = np.cumsum(np.concatenate(([self._elapsed], hazard[first:])))
            if passed[-1] < self._interval:
                self._elapsed = float(passed[-1])
                break
            step = int(np.searchsorted(passed[1:], self._interval))
            share = max(0.0, (self._interval - passed[step]) / max(hazard[first + step], 1e-12))
            frames.append(
                start + (first + step) * GRID_FRAMES + min(int(share * GRID_FRAMES), GRID_FRAMES - 1)
            )
            # What is left of this step counts towards the next onset, which may not lie in the same step.
            self._elapsed = max(0.0, float(passed[step + 1]) - self._interval)
            self._interval = self._draw()
            first += step + 1
        return frames
