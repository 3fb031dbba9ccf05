"""What a score wants at every second: the arc, who plays and how loud, and every field of theirs."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resonance.score.curves import Curve
from resonance.score.hits import borders
from resonance.score.piece import LEAST_S, MOST_S, Scene, Score
from resonance.units import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

F64 = NDArray[np.float64]

BEATS_A_BREATH = 4.0
LEAD_S = 20.0
"""How long before its beginning a loop is played: what lasts has found itself by then."""
RINGS_S = 120.0
"""How long after its end a loop rings on, at most."""
_FADES = 1.0 / 3.0
_FADE_DB = 6.0
# A level that sinks by so much in the last third of the last scene, and rises again in the first third of
# the first, is a piece's end and beginning: every preset has one.
SEAM_S = 8.0
"""The least crossfade from a loop's last scene into its first."""

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


class Stretch(NamedTuple):
    """From when until when a track has one `value`; None where it moves."""

    from_s: float
    to_s: float
    value: float | None


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

    def stretch(self, time_s: float) -> Stretch:
        """The stretch around a time in which it rests, or on one line moves."""
        here = max(int(self.times_s.searchsorted(time_s, "right")) - 1, 0)
        others = np.flatnonzero(self.values != self.values[here])
        place = int(others.searchsorted(here))
        first = int(others[place - 1]) + 1 if place else 0
        last = int(others[place]) - 1 if place < len(others) else len(self.values) - 1
        from_s = float(self.times_s[first]) if place else -math.inf
        to_s = float(self.times_s[last]) if place < len(others) else math.inf
        if time_s > to_s:
            return Stretch(to_s, float(self.times_s[last + 1]), None)
        return Stretch(from_s, to_s, float(self.values[here]))


class Timeline:
    """A score laid out in time, `duration_s` long: its scenes are stretched alike, its crossfades are not.

    `hits` are scenes by name that begin at a time of their own, in seconds; between two of them the others
    are stretched alike. One that `loops` goes round: its last scene crosses over into its first, and all of
    it is told from `lead_s` before its beginning, which its end leads up to, to well after its end.

    No crossfade is longer than half of either scene that it joins. `valence`, `energy`, `tension`, `bpm` and
    `breath_hz` are tracks; the methods build one at each call, to be kept by whoever asks.
    """

    def __init__(
        self,
        score: Score,
        duration_s: float | None = None,
        *,
        hits: Mapping[str, float] | None = None,
        loops: bool = False,
    ) -> None:
        """Raises ValueError for a duration under a second or over a day, and for hits that cannot be met."""
        self.score = score
        self.loops = loops
        self.duration_s = score.duration_s if duration_s is None else float(duration_s)
        if not LEAST_S <= self.duration_s <= MOST_S:
            said = f"duration is {self.duration_s:g} s; it must be between {LEAST_S:g} and {MOST_S:g} s"
            raise ValueError(said)
        names = [scene.name for scene in score.scenes]
        at_s = borders(names, [scene.length_s for scene in score.scenes], self.duration_s, hits or {})
        self._placed = tuple(
            Placed(name, start_s, end_s)
            for name, start_s, end_s in zip(names, at_s[:-1], at_s[1:], strict=True)
        )
        self.scenes = tuple(
            Placed(placed.name, placed.start_s + self.lead_s, placed.end_s + self.lead_s)
            for placed in self._placed
        )
        lengths = np.diff(at_s)
        before = np.concatenate([lengths[-1:] if loops else [0.0], lengths[:-1]])
        self._crossfades_s = [
            min(max(scene.crossfade_s, SEAM_S if place == 0 else 0.0), float(shorter) / 2.0)
            for place, (scene, shorter) in enumerate(
                zip(score.scenes, np.minimum(before, lengths), strict=True)
            )
        ]
        self.valence = self._told(self._drawn([scene.valence for scene in score.scenes]))
        self.energy = self._told(self._drawn([scene.energy for scene in score.scenes]))
        self.tension = self._told(self._drawn([scene.tension for scene in score.scenes]))
        self.bpm = self._told(self._drawn([scene.bpm for scene in score.scenes]))
        self.breath_hz = self._told(self._drawn([_breath(scene) for scene in score.scenes]))

    @property
    def lead_s(self) -> float:
        """How long before its beginning it is told."""
        return LEAD_S if self.loops else 0.0

    def scene_at(self, time_s: float) -> Placed:
        """The scene at a time; before the piece its first, after it its last."""
        after = bisect.bisect_right(self.scenes, time_s, key=lambda placed: placed.start_s)
        return self.scenes[max(after - 1, 0)]

    def settled_s(self, placed: Placed) -> float:
        """When the crossfade into a scene is over."""
        return placed.start_s + self._crossfades_s[self.scenes.index(placed)]

    def presence(self, sound: str) -> Track:
        """How much the score wants a sound, 0 to 1: crossfaded where a scene with it meets one without."""
        track = _Breakpoints()
        before = float(sound in self.score.scenes[-1].sounds) if self.loops else None
        for placed, scene, crossfade_s in self._laid_out():
            now = 1.0 if sound in scene.sounds else 0.0
            if before is not None and before != now and crossfade_s > 0.0:
                track.add(placed.start_s + crossfade_s * _FADE, before + (now - before) * _COSINE)
            else:
                track.add(np.array([placed.start_s]), np.array([now]))
            track.add(np.array([placed.end_s]), np.array([now]))
            before = now
        return self._told(track.track())

    def field(self, sound: str, name: str) -> Track:
        """A sound's field: what the scene asks, else the sound's table, else its default.

        Where a scene does not have the sound, the field holds its last value, so that what rings on does
        not change; and takes the new one at once where the sound comes in again.
        """
        part = self.score.sounds[sound]
        rest = _rest(part.fields, part.definition.patch, name)
        asked = [scene.sounds.get(sound) for scene in self.score.scenes]
        track = self._drawn([None if fields is None else fields.get(name, rest) for fields in asked], rest)
        return self._told(self._bridged(track, sound) if name == "gain_db" else track)

    def effect(self, effect: str, name: str) -> Track:
        """An effect's field: what the scene asks, else the effect's table, else its default."""
        part = self.score.effects[effect]
        rest = _rest(part.fields, part.definition, name)
        return self._told(
            self._drawn([scene.effects.get(effect, {}).get(name, rest) for scene in self.score.scenes])
        )

    def _laid_out(self) -> zip[tuple[Placed, Scene, float]]:
        return zip(self._placed, self.score.scenes, self._crossfades_s, strict=True)

    def _drawn(self, curves: Sequence[Curve | None], rest: Curve | None = None) -> Track:
        """A curve for each scene, joined over the crossfades; None holds the value before."""
        first = next((curve for curve in curves if curve is not None), rest)
        assert first is not None
        held = first.points[0][1]
        track = _Breakpoints()
        joins = False
        if self.loops:
            held = [curve for curve in (first, *curves) if curve is not None][-1].points[-1][1]
            joins = curves[-1] is not None
        for (placed, _, crossfade_s), curve in zip(self._laid_out(), curves, strict=True):
            if curve is None:
                track.add(np.array([placed.start_s, placed.end_s]), np.array([held, held]))
            else:
                track.add(*_over(placed, curve, crossfade_s if joins else 0.0, held))
                held = curve.points[-1][1]
            joins = curve is not None
        return track.track()

    def _bridged(self, track: Track, sound: str) -> Track:
        """A sound's level without the fades that a piece ends and begins with, where the piece loops.

        What sinks towards the end and rises from the beginning goes straight from the one to the other; what
        is only there on one side stays as it is, and leaves or comes with the crossfade.
        """
        if not self.loops or track.constant is not None:
            return track
        first, last = self._placed[0], self._placed[-1]
        rises_s = max(_FADES * (first.end_s - first.start_s), self._crossfades_s[0])
        sinks_s = last.end_s - _FADES * (last.end_s - last.start_s)
        after, before, seam = track(np.array([rises_s, sinks_s, self.duration_s]))
        if sound not in self.score.scenes[0].sounds:
            after = before
        elif sound not in self.score.scenes[-1].sounds:
            before = after
        if seam > min(before, after) - _FADE_DB:
            return track
        way = (self.duration_s - sinks_s) / (self.duration_s - sinks_s + rises_s)
        middle = before + way * (after - before)
        kept = (track.times_s > rises_s) & (track.times_s < sinks_s)
        return Track(
            np.concatenate([[0.0, rises_s], track.times_s[kept], [sinks_s, self.duration_s]]),
            np.concatenate([[middle, after], track.values[kept], [before, middle]]),
        )

    def _told(self, track: Track) -> Track:
        """A track over all that is told: where the piece loops, round and round from its lead on."""
        if not self.loops or track.constant is not None:
            return track
        rounds = _Breakpoints()
        first = -math.ceil(self.lead_s / self.duration_s)
        last = math.ceil(RINGS_S / self.duration_s)
        for number in range(first, last + 1):
            rounds.add(track.times_s + (self.lead_s + number * self.duration_s), track.values)
        return rounds.track()


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
