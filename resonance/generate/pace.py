"""Walking and breathing in time with the heart: a step a beat, a breath that turns where the heart's does.

Neither is on the beat itself: a foot falls where the heart is silent, a little early or late, and a tired
one limps. The steps have weight, and the weight has a pitch: the theme's climb, on to the seventh that
leans on the octave, and never there.
"""

from __future__ import annotations

import numpy as np

UNDER_FOOT = (0, 1, 2, 4, 5, 6)
"""1 2 3 5 6 7: the theme's climb and the seventh after it. The octave is not for feet."""
_SLIP = 0.16
_ROUNDING = 1e-6


class Stride:
    """When each foot falls, as a share of the beat, and which foot it is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._limp = float(rng.uniform(0.5, 1.0)) * (1.0 if rng.random() < 0.5 else -1.0)

    def fall(self, beat: int, limp: float) -> tuple[float, int]:
        """The share of beat number `beat` at which a foot falls, and the foot: -1 left, 1 right.

        `limp` (0 to 1) delays one foot and hurries the other, by up to 3.5 % of a beat each.
        """
        foot = 1 if beat % 2 else -1
        chance = float(np.clip(self._rng.standard_normal(), -2.0, 2.0))
        # Dub is over by half the beat; a foot that falls here leaves room for both.
        return 0.62 + 0.035 * limp * self._limp * foot + 0.012 * chance, foot


class Weight:
    """The degrees under the feet: a climb that slips now and then, stops on the seventh, and gives way."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._place = -1
        self._stays = 0

    def place(self) -> int:
        """The next step's place in `UNDER_FOOT`."""
        slip, stay, fall = self._rng.random(3)
        top = len(UNDER_FOOT) - 1
        if self._place < top:
            back = self._place > 1 and slip < _SLIP
            self._place += -1 if back else 1
            self._stays = 1 + int(3.0 * stay)
        elif self._stays > 0:
            self._stays -= 1
        else:
            # It gives way to the second or third, and so is never led home to the first.
            self._place = 1 + int(2.0 * fall)
        return self._place


class Breathing:
    """Finds the beats at which the breath turns, from where in the breath each beat lies."""

    def __init__(self) -> None:
        self._before: float | None = None

    def turn(self, breath: float) -> str:
        """ "in" or "out" at a beat on which the breath turns, "" at any other; `breath` is 0 to 1."""
        # A breath counted in quarters comes a rounding short of its turn as often as not.
        breath = (breath + _ROUNDING) % 1.0
        before, self._before = self._before, breath
        if before is None:
            return "in" if breath < 0.25 else ""
        if breath < before:
            return "in"
        return "out" if before < 0.5 <= breath else ""
