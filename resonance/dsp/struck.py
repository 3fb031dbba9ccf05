"""What is struck and rings: a few partials; each dies away by itself, and costs nothing once it is gone."""

from __future__ import annotations

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import ratios
from resonance.dsp.partials import sines

_GONE = 3e-4  # -70 dB


class Struck:
    """Partials at `ratio` (n,) times a pitch, brighter and louder under a hand that presses."""

    def __init__(self, ratio: F64, most_steps: int) -> None:
        self._ratio = ratio
        self._cycles = np.empty((most_steps + 1, len(ratio)))

    def strike(self, cycles: F64, decay: F64, left: F64, right: F64) -> None:
        """A blow: cycles a frame, decay as a natural logarithm a second, levels on both sides; all (n,)."""
        self._cycles[:] = cycles
        self._decay = decay
        self._left, self._right = left.astype(np.float32), right.astype(np.float32)
        self._phase = np.zeros(len(cycles))

    def render(self, age: int, rate_hz: float, touch: tuple[F64, F64, F64] | None, out: F32) -> None:
        """Adds its sound to `out` (2, frames), from `age` frames after the blow on.

        `touch`, where there is a hand, is its bend in cents, its pressure and its timbre, (steps + 1,) each.
        """
        steps = out.shape[1] // GRID_FRAMES
        age_s = (age + np.arange(steps + 1) * GRID_FRAMES) / rate_hz
        level = np.exp(np.outer(age_s, self._decay)).astype(np.float32)
        level[level < _GONE] = 0.0
        if age == 0:
            level[0] = 0.0  # the blow: one step long, 1.3 ms
        cycles = self._cycles[: steps + 1]
        if touch is not None:
            bend_cents, pressure, timbre = touch
            cycles = cycles * ratios(bend_cents)[:, None]
            bright = self._ratio ** (3.0 * (timbre - 0.5))[:, None]
            level *= (bright * (1.0 + pressure)[:, None]).astype(np.float32)
            level[cycles > 0.45] = 0.0
        sines(self._phase, cycles, level * self._left, level * self._right, out)
