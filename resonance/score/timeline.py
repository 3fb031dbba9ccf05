"""What a score wants at every second: the arc, who plays and how loud, and every field of theirs."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from resonance.score.curves import Curve
from resonance.score.piece import LEAST_S, MOST_S, Scene, Score
from resonance.units import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

F64 = NDArray[np.float64]

BEATS_A_BREATH = 4.0

# Straight lines that draw a crossfade: closer to it than 0.05 % of its height.
_FADE = np.linspace(0.0, 1.0, 65)
_SMOOTH = _FADE * _FADE * (3.0 - 2.0 * _FADE)
_COSINE = 0.5 - 0.5 * np.cos(np.pi * _FADE)


@dataclass(frozen=True, slots=True)
class Placed:
    """A scene where it lies in the piece."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Track:
    """A value over time: breakpoints joined by straight lines, resting before the first and after the last.

    A time has the same value to the bit, whichever other times are asked for along with it.
    """

    times_s: F64
    values: F64

    @property
    def constant(self) -> float | None:
        """Its one value, where it never moves."""
        return float(self.values[0]) if len(self.values) == 1 else None

    def __call__(self, times_s: F64) -> F64:
        """The values at these seconds."""
        return np.interp(times_s, self.times_s, self.values)


class Timeline:
    """A score laid out in time, `duration_s` long: its scenes are stretched alike, its crossfades are not.

    No crossfade is longer than half of either scene that it joins. `valence`, `energy`, `tension`, `bpm` and
    `breath_hz` are tracks; the methods build one at each call, to be kept by whoever asks.
    """

    def __init__(self, score: Score, duration_s: float | None = None) -> None:
        """Raises ValueError for a duration under a second or over a day."""
        self.score = score
        self.duration_s = score.duration_s if duration_s is None else float(duration_s)
        if not LEAST_S <= self.duration_s <= MOST_S:
            said = f"duration is {self.duration_s:g} s; it must be between {LEAST_S:g} and {MOST_S:g} s"
            raise ValueError(said)
        ends = np.cumsum([scene.length_s for scene in score.scenes])
        borders = [0.0, *(float(end) for end in ends / ends[-1] * self.duration_s)]
        self.scenes = tuple(
            Placed(scene.name, start_s, end_s)
            for scene, start_s, end_s in zip(score.scenes, borders[:-1], borders[1:], strict=True)
        )
        lengths = np.diff(borders)
        self._crossfades_s = [0.0] + [
            min(scene.crossfade_s, float(shorter) / 2.0)
            for scene, shorter in zip(score.scenes[1:], np.minimum(lengths[:-1], lengths[1:]), strict=True)
        ]
        self.valence = self._drawn([scene.valence for scene in score.scenes])
        self.energy = self._drawn([scene.energy for scene in score.scenes])
        self.tension = self._drawn([scene.tension for scene in score.scenes])
        self.bpm = self._drawn([scene.bpm for scene in score.scenes])
        self.breath_hz = self._drawn([_breath(scene) for scene in score.scenes])

    def scene_at(self, time_s: float) -> Placed:
        """The scene at a time; before the piece its first, after it its last."""
        after = bisect.bisect_right(self.scenes, time_s, key=lambda placed: placed.start_s)
        return self.scenes[max(after - 1, 0)]

    def presence(self, sound: str) -> Track:
        """How much the score wants a sound, 0 to 1: crossfaded where a scene with it meets one without."""
        track = _Breakpoints()
        before = None
        for placed, scene, crossfade_s in self._laid_out():
            now = 1.0 if sound in scene.sounds else 0.0
            if before is not None and before != now and crossfade_s > 0.0:
                track.add(placed.start_s + crossfade_s * _FADE, before + (now - before) * _COSINE)
            else:
                track.add(np.array([placed.start_s]), np.array([now]))
            track.add(np.array([placed.end_s]), np.array([now]))
            before = now
        return track.track()

    def field(self, sound: str, name: str) -> Track:
        """A sound's field: what the scene asks, else the sound's table, else its default.

        Where a scene does not have the sound, the field holds its last value, so that what rings on does
        not change; and takes the new one at once where the sound comes in again.
        """
        part = self.score.sounds[sound]
        rest = _rest(part.fields, part.definition.patch, name)
        asked = [scene.sounds.get(sound) for scene in self.score.scenes]
        return self._drawn([None if fields is None else fields.get(name, rest) for fields in asked], rest)

    def effect(self, effect: str, name: str) -> Track:
        """An effect's field: what the scene asks, else the effect's table, else its default."""
        part = self.score.effects[effect]
        rest = _rest(part.fields, part.definition, name)
        return self._drawn([scene.effects.get(effect, {}).get(name, rest) for scene in self.score.scenes])

    def _laid_out(self) -> zip[tuple[Placed, Scene, float]]:
        return zip(self.scenes, self.score.scenes, self._crossfades_s, strict=True)

    def _drawn(self, curves: Sequence[Curve | None], rest: Curve | None = None) -> Track:
        """A curve for each scene, joined over the crossfades; None holds the value before."""
        first = next((curve for curve in curves if curve is not None), rest)
        assert first is not None
        held = first.points[0][1]
        track = _Breakpoints()
        joins = False
        for (placed, _, crossfade_s), curve in zip(self._laid_out(), curves, strict=True):
            if curve is None:
                track.add(np.array([placed.start_s, placed.end_s]), np.array([held, held]))
            else:
                track.add(*_over(placed, curve, crossfade_s if joins else 0.0, held))
                held = curve.points[-1][1]
            joins = curve is not None
        return track.track()


def _rest(fields: Mapping[str, Any], patch: type, name: str) -> Curve:
    """What a field is where no scene says otherwise."""
    return Curve.of(float(fields.get(name, parameters(patch)[name].default)))


def _breath(scene: Scene) -> Curve:
    """How fast a scene breathes: a constant 0 stands for once every four beats of its heart."""
    if scene.breath_hz.constant != 0.0:
        return scene.breath_hz
    return Curve(tuple((position, beats / 60.0 / BEATS_A_BREATH) for position, beats in scene.bpm.points))


def _over(placed: Placed, curve: Curve, crossfade_s: float, before: float) -> tuple[F64, F64]:
    """A scene's curve over its time, coming from the value before over the crossfade."""
    positions, values = curve.breakpoints()
    knots = placed.start_s + positions * (placed.end_s - placed.start_s)
    fade = placed.start_s + crossfade_s * _FADE
    bends = crossfade_s > 0.0 and curve.constant != before
    times = np.unique(np.concatenate([[placed.start_s, placed.end_s], knots, fade if bends else []]))
    times = times[times <= placed.end_s]
    drawn = np.interp(times, knots, values)
    if bends:
        taken = np.interp(times, fade, _SMOOTH)
        drawn = before + (drawn - before) * taken
    return times, drawn


class _Breakpoints:
    """Breakpoints as they gather. Where a value jumps, it jumps between two neighbouring doubles."""

    def __init__(self) -> None:
        self.times: list[F64] = []
        self.values: list[F64] = []

    def add(self, times: F64, values: F64) -> None:
        if self.times and self.times[-1][-1] >= times[0]:
            if self.values[-1][-1] == values[0]:
                times, values = times[1:], values[1:]
            else:
                last = self.times[-1].copy()
                last[-1] = np.nextafter(times[0], -np.inf)
                self.times[-1] = last
        if len(times):
            self.times.append(times)
            self.values.append(values)

    def track(self) -> Track:
        times, values = np.concatenate(self.times), np.concatenate(self.values)
        if np.all(values == values[0]):
            return Track(times[:1], values[:1])
        return Track(times, values)
