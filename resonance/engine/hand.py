"""A hand on one note: how it bends, presses and colours it, from one step of the grid to the next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resonance.contract import MAX_STEPS, Touch
from resonance.dsp import F64
from resonance.dsp.curves import glides
from resonance.engine.commands import MOST_BEND_CENTS, TOUCHED, WHOLE

_FINGER = dict(zip(TOUCHED, (0.0, 0.0, 0.5), strict=True))
_WHOLE = {WHOLE + name: value for name, value in _FINGER.items()}
AT_REST = _FINGER | _WHOLE | {"tuned_cents": 0.0}
"""What is done by the note's own finger, and to the whole of its channel: a voice feels both as one.

`tuned_cents` is how far its key was tuned away since it was struck; a voice feels it as a bend.
"""
GLIDE_STEPS = 8  # 11 ms at 48 kHz: no zipper is heard, and no delay is felt

_NAMES = tuple(AT_REST)


def whole(values: Mapping[str, float]) -> dict[str, float]:
    """Of what is moved that which is done to the whole channel."""
    return {name: value for name, value in values.items() if name in _WHOLE}


class Hand:
    """What is done to one note. Whatever moves gets there within eight steps, softly."""

    def __init__(self, **values: float) -> None:
        """Begins where the hand already is, with what is not at rest."""
        self._to = np.array([(AT_REST | values)[name] for name in _NAMES])
        self._from = self._to.copy()
        self._since = np.full(len(_NAMES), -GLIDE_STEPS)
        self._still: Touch | None = None

    def move(self, step: int, **values: float) -> None:
        """Moves from an absolute step on."""
        now = self._over(step, 0)[:, 0]
        for name, value in values.items():
            place = _NAMES.index(name)
            self._from[place], self._to[place], self._since[place] = now[place], value, step
        self._still = None

    def touch(self, step: int, steps: int) -> Touch:
        """What the voice feels over some steps."""
        if step < self._since.max() + GLIDE_STEPS:
            return _felt(self._over(step, steps))
        if self._still is None:
            resting = _felt(self._to[:, None])
            self._still = Touch(*(np.full(MAX_STEPS + 1, curve[0]) for curve in resting.curves))
        return self._still.cut(slice(0, steps + 1))

    def _over(self, step: int, steps: int) -> F64:
        """Everything at the borders of some steps, (values, steps + 1)."""
        over = np.empty((len(_NAMES), steps + 1))
        glides(self._from, self._to, step - self._since, GLIDE_STEPS, over)
        return over


def _felt(over: F64) -> Touch:
    """Finger and whole channel as one. Source: RP-053, 2.4 to 2.6: combined for each note separately."""
    bend_cents, pressure, timbre, whole_bend_cents, whole_pressure, whole_timbre, tuned_cents = over
    bend_cents = _within(bend_cents + whole_bend_cents, -MOST_BEND_CENTS, MOST_BEND_CENTS)
    timbre = _within(timbre + (whole_timbre - _FINGER["timbre"]), 0.0, 1.0)
    return Touch(bend_cents + tuned_cents, np.maximum(pressure, whole_pressure), timbre)


def _within(values: F64, low: float, high: float) -> F64:
    """`np.clip`, which takes three times as long for as few."""
    return np.minimum(np.maximum(values, low), high)
