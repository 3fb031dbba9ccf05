"""What is struck and rings: a few partials; each dies away by itself, and costs nothing once it is gone."""

from __future__ import annotations

import numpy as np

from resonance.contract import MAX_STEPS, Span
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import ratios
from resonance.dsp.partials import sines

_GONE = 3e-4  # -70 dB


class Struck:
    """Partials at `ratio` (n,) times a pitch, brighter and louder under a hand that presses."""

    def __init__(self, ratio: F64) -> None:
        self._ratio = ratio
        self._cycles = np.empty((MAX_STEPS + 1, len(ratio)))

    def strike(self, cycles: F64, decay: F64, left: F64, right: F64) -> None:
        """A blow: cycles a frame, decay as a natural logarithm a second, levels on both sides; all (n,)."""
        self._cycles[:] = cycles
        self._decay = decay
        self._left, self._right = left.astype(np.float32), right.astype(np.float32)
        self._phase = np.zeros(len(cycles))

    def render(self, span: Span, age: int, out: F32) -> None:
        """Adds its sound, `age` frames after the blow."""
        age_s = (age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        level = np.exp(np.outer(age_s, self._decay)).astype(np.float32)
        level[level < _GONE] = 0.0
        if age == 0:
            level[0] = 0.0  # the blow: one step long, 1.3 ms
        cycles = self._cycles[: span.steps + 1]
        if span.touch is not None:
            cycles = cycles * ratios(span.touch.bend_cents)[:, None]
            bright = self._ratio ** (3.0 * (span.touch.timbre - 0.5))[:, None]
            level *= (bright * (1.0 + span.touch.pressure)[:, None]).astype(np.float32)
            level[cycles > 0.45] = 0.0
        sines(self._phase, cycles, level * self._left, level * self._right, out)
