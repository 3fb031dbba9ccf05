"""A hand on one note: how it bends, presses and colours it, from one step of the grid to the next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resonance.contract import MAX_STEPS, Touch
from resonance.dsp import F64, I64, kernel
from resonance.engine.commands import MOST_BEND_CENTS, TOUCHED, WHOLE

_MIDDLE = 0.5
_FINGER = dict(zip(TOUCHED, (0.0, 0.0, _MIDDLE), strict=True))
_WHOLE = {WHOLE + name: value for name, value in _FINGER.items()}
AT_REST = _FINGER | _WHOLE | {"tuned_cents": 0.0}
"""What is done by the note's own finger, and to the whole of its channel: a voice feels both as one.

`tuned_cents` is how far its key was tuned away since it was struck; a voice feels it as a bend.
"""
GLIDE_STEPS = 8  # 11 ms at 48 kHz: no zipper is heard, and no delay is felt

_NAMES = tuple(AT_REST)
_PLACES = {name: place for place, name in enumerate(_NAMES)}


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
        self._last = -GLIDE_STEPS  # when it was moved
        self._still: Touch | None = None

    def move(self, step: int, **values: float) -> None:
        """Moves from an absolute step on."""
        for name, value in values.items():
            place = _PLACES[name]
            self._from[place] = _gone(self._from, self._to, self._since, step, place)
            self._to[place], self._since[place] = value, step
        self._still, self._last = None, step

    def touch(self, step: int, steps: int) -> Touch:
        """What the voice feels over some steps."""
        if step < self._last + GLIDE_STEPS:
            return self._felt(step, steps)
        if self._still is None:
            resting = self._felt(step, 0)
            self._still = Touch(*(np.full(MAX_STEPS + 1, curve[0]) for curve in resting.curves))
        return self._still.cut(slice(0, steps + 1))

    def _felt(self, step: int, steps: int) -> Touch:
        felt = np.empty((3, steps + 1))
        _feel(self._from, self._to, self._since, step, felt)
        return Touch(felt[0], felt[1], felt[2])


@kernel
def _gone(begin: F64, end: F64, since: I64, step: int, k: int) -> float:
    """Where one of the values is at a step."""
    share = min(max((step - since[k]) / GLIDE_STEPS, 0.0), 1.0)
    # There it is exactly there, as it is when nothing is computed any more.
    return end[k] if share == 1.0 else begin[k] + (end[k] - begin[k]) * share


@kernel
def _feel(begin: F64, end: F64, since: I64, step: int, felt: F64) -> None:
    """Writes bend, pressure and timbre from a step on, (3, borders): finger and whole channel as one.

    All others are (7,), in the order of `AT_REST`. Source: RP-053, 2.4 to 2.6: combined for each note
    separately.
    """
    for border in range(felt.shape[1]):
        now = step + border
        bend_cents = _gone(begin, end, since, now, 0) + _gone(begin, end, since, now, 3)
        tuned_cents = _gone(begin, end, since, now, 6)
        felt[0, border] = min(max(bend_cents, -MOST_BEND_CENTS), MOST_BEND_CENTS) + tuned_cents
        felt[1, border] = max(_gone(begin, end, since, now, 1), _gone(begin, end, since, now, 4))
        timbre = _gone(begin, end, since, now, 2) + (_gone(begin, end, since, now, 5) - _MIDDLE)
        felt[2, border] = min(max(timbre, 0.0), 1.0)
