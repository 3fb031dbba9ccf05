"""The course: where in the score the clock is. It runs on, goes to another scene, stays in one, or leaves.

A passage says for every step of the clock at which of the score's seconds it lies, from the step on at which
it was entered. What it finds there is taken over, within its blend, from what was before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from resonance import rng
from resonance.dsp import F64, GRID_FRAMES
from resonance.score.timeline import Placed, Stretch, Timeline, Track

FOREVER = 1 << 62
_SHORTEST_S = 30.0  # a scene shorter than this does not hurry to and fro
# A held scene keeps away from its ends, where scenes do what they do once: come in, collapse, fall silent.
_FROM, _TO = 0.12, 0.80
# Periods in lengths of the scene, without a common one; at their fastest the score's seconds pass as written.
_PERIODS = np.array([2.3, 3.72, 6.02])
_SHARES = np.array([0.5, 0.3, 0.2])
# How the arc itself wanders around what the scene asks, by ear: it is felt as life, not as another scene.
_MOOD = {"valence": 0.06, "energy": 0.05, "tension": 0.04}
_COMES_TO_REST = {"energy": 1.0, "tension": 1.0, "bpm": 0.4, "breath_hz": 0.4}
"""By how much of itself a control sinks on the way to rest."""
_MOOD_PERIODS_S = np.array([47.0, 83.0, 151.0])


@dataclass(frozen=True)
class Passage:
    """The score as it is written, from second `from_s` on, begun at step `first` of the clock.

    `settled_s` is when the crossfade into its first scene would be over: until then it rests on what is
    there, so that nothing of the scene before, which was not heard, is heard. What was `before` is left
    within `blend_steps`.
    """

    timeline: Timeline
    rate_hz: float
    first: int = 0
    from_s: float = 0.0
    settled_s: float = 0.0
    before: Mapping[str, float] = field(default_factory=dict)
    blend_steps: int = 0

    @property
    def step_s(self) -> float:
        return GRID_FRAMES / self.rate_hz

    @property
    def held(self) -> str | None:
        """The scene that it stays in, if it does."""
        return None

    @property
    def end(self) -> float:
        """The frame at which the score is over."""
        return self.first * GRID_FRAMES + round((self.timeline.duration_s - self.from_s) * self.rate_hz)

    def times_s(self, borders: F64) -> F64:
        """The score's seconds at these borders of steps."""
        return np.maximum(self.from_s + (borders - self.first) * self.step_s, self.settled_s)

    def keeps(self, stretch: Stretch) -> float:
        """The last step at which the score is still on a stretch of it for certain, once it is there."""
        if stretch.to_s == math.inf:
            return math.inf
        return self.first + math.floor((stretch.to_s - self.from_s) / self.step_s) - 1

    def moves(self, name: str, step: int) -> bool:
        """Whether a value can move, from a step on, that does not in the score."""
        return step < self.first + self.blend_steps and name in self.before

    def taken(self, name: str, borders: F64, values: F64) -> F64:
        """The score's values at these borders, as they are taken over from those before."""
        before = self.before.get(name)
        if before is None or borders[0] >= self.first + self.blend_steps:
            return values
        share = np.clip((borders - self.first) / self.blend_steps, 0.0, 1.0)
        taken = share * share * (3.0 - 2.0 * share)
        return np.where(share < 1.0, before + (values - before) * taken, values)

    def stretches(self, name: str, track: Track) -> list[tuple[int, int]]:
        """The stretches of steps, first and one past the last, around which a track is not zero.

        Each ends with at least one step in which it is zero, if there is one.
        """
        found = self._not_zero(track)
        if name in self.before:
            found.append((self.first, self.first + self.blend_steps + 2))
        return _joined(found)

    def _not_zero(self, track: Track) -> list[tuple[int, int]]:
        if track.constant is not None:
            return [(self.first, FOREVER)] if track.constant else []
        silent = np.concatenate(([True], (track.values[:-1] == 0.0) & (track.values[1:] == 0.0), [True]))
        turns = np.flatnonzero(silent[1:] != silent[:-1])
        found: list[tuple[int, int]] = []
        for begin_s, end_s in zip(track.times_s[turns[::2]], track.times_s[turns[1::2]], strict=True):
            if end_s < self.settled_s:
                continue
            begin = self.first + math.floor((begin_s - self.from_s) / self.step_s)
            end = self.first + math.ceil((end_s - self.from_s) / self.step_s) + 2
            found.append((begin if begin_s > self.settled_s else self.first, end))
        if track.values[-1] > 0.0:
            found[-1] = (found[-1][0], FOREVER)
        return found

    def begins(self, placed: Placed, share: float) -> int | None:
        """The frame at which a scene has come that far, if that is still to come."""
        at_s = placed.start_s + share * (placed.end_s - placed.start_s)
        if at_s < max(self.from_s, self.settled_s):
            return None
        return self.first * GRID_FRAMES + int((at_s - self.from_s) * self.rate_hz)


@dataclass(frozen=True)
class Held(Passage):
    """A scene for ever: its time wanders to and fro in it, and the arc about what it finds there."""

    scene: Placed = field(default_factory=lambda: Placed("", 0.0, 1.0))
    seed: int = 0

    @property
    def held(self) -> str | None:
        return self.scene.name

    @property
    def end(self) -> float:
        return math.inf

    def times_s(self, borders: F64) -> F64:
        length_s = self.scene.end_s - self.scene.start_s
        low_s = max(self.scene.start_s + _FROM * length_s, self.settled_s)
        high_s = max(self.scene.start_s + _TO * length_s, low_s)
        periods_s = max(length_s, _SHORTEST_S) * _PERIODS
        wander = _wander(self._elapsed_s(borders), periods_s, _phases(self.seed, "place"))
        return low_s + (high_s - low_s) * (0.5 + 0.5 * wander)

    def moves(self, name: str, step: int) -> bool:
        return name in _MOOD or super().moves(name, step)

    def taken(self, name: str, borders: F64, values: F64) -> F64:
        if name in _MOOD:
            wander = _wander(self._elapsed_s(borders), _MOOD_PERIODS_S, _phases(self.seed, name))
            values = np.clip(values + _MOOD[name] * wander, 0.0, 1.0)
        return super().taken(name, borders, values)

    def _elapsed_s(self, borders: F64) -> F64:
        return (borders - self.first) * self.step_s

    def _not_zero(self, track: Track) -> list[tuple[int, int]]:
        middle_s = 0.5 * (self.scene.start_s + self.scene.end_s)
        return [(self.first, FOREVER)] if track(np.array([middle_s]))[0] > 0.0 else []

    def begins(self, placed: Placed, share: float) -> int | None:
        if placed.name != self.scene.name:
            return None
        return self.first * GRID_FRAMES + int(30.0 * self.rate_hz)


@dataclass(frozen=True)
class Leaving(Passage):
    """The piece is left where it is: nobody is wanted any more, and what sounds rings on."""

    @property
    def end(self) -> float:
        return math.inf

    def times_s(self, borders: F64) -> F64:
        return np.full(len(borders), self.from_s)

    def moves(self, name: str, step: int) -> bool:
        return True

    def taken(self, name: str, borders: F64, values: F64) -> F64:
        if name.endswith(".presence"):
            return super().taken(name, borders, np.zeros(len(borders)))
        return np.full(len(borders), self.before[name]) if name in self.before else values

    def _not_zero(self, track: Track) -> list[tuple[int, int]]:
        return []

    def begins(self, placed: Placed, share: float) -> int | None:
        return None


@dataclass(frozen=True)
class Landing:
    """The way to rest from step `first` to step `last`: the arc sinks, the heart slows, all fades.

    `begun` is how much of the way another landing has come already.
    """

    first: int
    last: int
    begun: float = 0.0

    def shifted(self, steps: int) -> Landing:
        """The same, for a clock that began this many steps later."""
        return Landing(self.first - steps, self.last - steps, self.begun)

    def come(self, borders: F64) -> F64:
        """How much of the way has been come at these borders, 0 to 1."""
        share = np.clip((borders - self.first) / max(self.last - self.first, 1), 0.0, 1.0)
        return self.begun + (1.0 - self.begun) * share

    def moves(self, name: str) -> bool:
        """Whether a control moves on the way that does not in the score."""
        return name in _COMES_TO_REST or name.endswith(".presence")

    def taken(self, name: str, borders: F64, values: F64) -> F64:
        """A control's values on the way."""
        if name in _COMES_TO_REST:
            return values * (1.0 - _COMES_TO_REST[name] * self.come(borders))
        if name.endswith(".presence"):
            return values * _falls(self.come(borders), 0.6, 0.9)
        return values

    def level(self, borders: F64) -> F64:
        """The level of the whole on the way; 0 from its last step on."""
        return _falls(self.come(borders), 0.5, 1.0)


def _falls(x: F64, begin: float, end: float) -> F64:
    """From 1 to exactly 0 on a raised cosine."""
    return np.cos(0.5 * np.pi * np.clip((x - begin) / (end - begin), 0.0, 1.0)) ** 2 * (x < end)


@functools.lru_cache(maxsize=64)
def _phases(seed: int, name: str) -> F64:
    return rng.stream(seed, "hold", name).random(3)


def _wander(elapsed_s: F64, periods_s: F64, phases: F64) -> F64:
    """A slow way between -1 and 1 that does not come back to where it was."""
    turns = elapsed_s[:, None] / periods_s + phases
    return np.sin(2.0 * np.pi * turns) @ _SHARES


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches in their order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(stretches):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
