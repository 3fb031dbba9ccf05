"""A hand on one note: how it bends, presses and colours it, from one step of the grid to the next."""

from __future__ import annotations

from resonance.contract import Touch
from resonance.engine.clock import Ride

AT_REST = {"bend_cents": 0.0, "tuned_cents": 0.0, "pressure": 0.0, "timbre": 0.5}
"""`tuned_cents` is how far its key was tuned away since it was struck; a voice feels it as a bend."""


class Hand:
    """What is done to one note. Whatever moves gets there within eight steps, as every control does."""

    def __init__(self, **values: float) -> None:
        """Begins where the hand already is, with what is not at rest."""
        self._rides = {name: Ride(value, value, 0) for name, value in (AT_REST | values).items()}

    def move(self, step: int, **values: float) -> None:
        """Moves from an absolute step on."""
        for name, value in values.items():
            before = float(self._rides[name].over(step, 0)[0])
            self._rides[name] = Ride(value, before, step)

    def touch(self, step: int, steps: int) -> Touch:
        """What the voice feels over some steps."""
        over = {name: ride.over(step, steps) for name, ride in self._rides.items()}
        return Touch(over["bend_cents"] + over["tuned_cents"], over["pressure"], over["timbre"])
