"""What a hand can reach: the arc, the heart, and every parameter of every sound and effect, by its name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from resonance import effects, sounds
from resonance.score.piece import WHOLE, SceneKeys, Score
from resonance.units import Parameter, parameters

QUIETEST_DB = -48.0
"""Where the travel of a level begins, unless a map says otherwise: all below is hardly heard."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a control can move, over a travel from `low` to `high` in its own unit."""

    name: str
    parameter: Parameter
    low: float
    high: float

    @property
    def by_octaves(self) -> bool:
        """Whether equal turns make equal ratios: frequencies."""
        return self.parameter.unit == "Hz" and self.low > 0.0

    def value(self, place: float) -> float:
        """What a place of the control, 0 to 1, means; always within the parameter's own range."""
        place = min(1.0, max(0.0, place))
        if self.by_octaves:
            found = self.low * (self.high / self.low) ** place
        else:
            found = self.low + (self.high - self.low) * place
        return min(self.parameter.high, max(self.parameter.low, found))

    def place(self, value: float) -> float:
        """Where the control would stand for a value, 0 to 1."""
        if self.high == self.low:
            return 0.0
        if self.by_octaves:
            found = math.log(max(value, 1e-9) / self.low) / math.log(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, found))


def target(name: str, parameter: Parameter, low: float | None = None, high: float | None = None) -> Target:
    """A target with the travel that a map asks, else its whole range; of a level what can be heard of it."""
    if low is None:
        low = max(parameter.low, QUIETEST_DB) if parameter.unit == "dB" else parameter.low
    return Target(name, parameter, low, parameter.high if high is None else high)


def arc() -> dict[str, Parameter]:
    """The arc's three curves and the heart's tempo."""
    scene = parameters(SceneKeys)
    return {name: scene[name] for name in ("valence", "energy", "tension")} | {"bpm": WHOLE["bpm"]}


def all_targets(own: Iterable[sounds.Sound] = ()) -> dict[str, Parameter]:
    """Every name a map can say, with its declaration: `tension`, `fog.density`, `drone.glow`."""
    found = arc()
    for name, patch in effects.catalogue().items():
        found |= _moving(name, parameters(patch))
    for sound in (*sounds.catalogue().values(), *own):
        found |= _moving(sound.name, sound.parameters)
    return found


def targets_of(score: Score) -> dict[str, Parameter]:
    """The same, as far as a score has them."""
    found = arc()
    for name, effect in score.effects.items():
        found |= _moving(name, parameters(effect.definition))
    for name, part in score.sounds.items():
        found |= _moving(name, part.definition.parameters)
    return found


def _moving(owner: str, declared: dict[str, Parameter]) -> dict[str, Parameter]:
    return {f"{owner}.{key}": found for key, found in declared.items() if found.follows_curves}
