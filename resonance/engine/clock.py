"""The clock: what every step of the piece asks of whoever sounds.

It turns the score's timeline into spans: the arc, the heart's beats, and each sound's own fields at the
borders of the steps, wherever its course leads. A hand on a control (`ride`) takes over from the score
within sixteen steps, and gives it back as softly.
"""

from __future__ import annotations

import copy
import functools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from resonance import rng
from resonance.contract import MAX_STEPS, Beat, Span
from resonance.dsp import F64, GRID_FRAMES
from resonance.engine.course import Landing, Passage
from resonance.generate.heart import BEATS_A_BREATH, Heart, Pulse
from resonance.score.timeline import RINGS_S, Timeline, Track

PULSE = "pulse"
"""What is let go of when the heart is led no more."""
RIDE_STEPS = 16  # 21 ms at 48 kHz, as often as a hand is asked: what moves all the time moves in one line


@dataclass(frozen=True, slots=True)
class Ride:
    """A value that a hand holds from an absolute step on; or None, where it was given back then."""

    value: float | None
    before: float
    step: int

    def over(self, step: int, steps: int, there: F64 | float) -> F64:
        """Where it is at the borders of some steps, shape (steps + 1,), on the way from before to `there`."""
        reached = np.clip((np.arange(step, step + steps + 1) - self.step) / RIDE_STEPS, 0.0, 1.0)
        return np.where(reached < 1.0, self.before + (there - self.before) * reached, there)


class Fields(dict[str, F64]):
    """An owner's controls over some steps; each is looked up when it is first asked for.

    `names` has the clock's name for each.
    """

    def __init__(self, clock: Clock, names: Mapping[str, str], steps: int) -> None:
        self._clock = clock
        self._names = names
        self._steps = steps

    def __missing__(self, name: str) -> F64:
        if name not in self._names:
            raise KeyError(f"no parameter '{name}' that follows curves: there are {', '.join(self._names)}")
        self[name] = values = self._clock.values(self._names[name], self._steps)
        return values


class Places(NamedTuple):
    """Where steps lie: their borders, and the seconds of the score at which these are."""

    step: int
    steps: int
    borders: F64
    times_s: F64


@functools.lru_cache(maxsize=1024)
def constant(value: float) -> F64:
    """A control that rests, for spans of any length; read only."""
    return np.full(MAX_STEPS + 1, value)


NOWHERE = Places(-1, 0, np.zeros(0), np.zeros(0))


class Clock:
    """Absolute time in steps of 64 frames, and everything the score says as a function of it."""

    def __init__(self, timeline: Timeline, rate_hz: float, seed: int) -> None:
        self.timeline = timeline
        self.rate_hz = rate_hz
        self.step = 0
        self._heart = Heart(rng.stream(seed, "heart"))
        self._beats = 0
        self._pulses: deque[Pulse] | None = None
        self._tracks: dict[str, Track] = {
            "valence": timeline.valence,
            "energy": timeline.energy,
            "tension": timeline.tension,
            "bpm": timeline.bpm,
            "breath_hz": timeline.breath_hz,
        }
        self._rides: dict[str, Ride] = {}
        self._rests: dict[str, tuple[float, float | None]] = {}
        self.course = Passage(timeline, rate_hz)
        self.landing: Landing | None = None
        self._at = NOWHERE
        if timeline.loops:
            self._pulses = self._whole_beats()

    def as_it_is(self) -> Clock:
        """A clock that stands here, for who asks later how things were; its heart is the same one."""
        standing = copy.copy(self)
        standing._rides, standing._rests = self._rides.copy(), self._rests.copy()
        return standing

    @property
    def frame(self) -> int:
        """The first frame that has not been asked for yet."""
        return self.step * GRID_FRAMES

    @property
    def time_s(self) -> float:
        return self.frame / self.rate_hz

    def track(self, name: str, track: Track) -> None:
        """Makes a track known under a name that can be ridden, such as `drone.glow`."""
        self._tracks[name] = track

    def land(self, landing: Landing) -> None:
        """Comes to rest."""
        self.landing = landing
        self._rests = {}

    @property
    def rides(self) -> dict[str, float]:
        """The controls that a hand holds, and where."""
        return {name: ride.value for name, ride in self._rides.items() if ride.value is not None}

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._tracks)

    def value(self, name: str) -> float:
        """What a control is right now, whoever holds it."""
        return float(self.values(name, 0)[0])

    def ride(self, name: str, value: float) -> None:
        """Holds a control at a value from now on."""
        self._take(name, Ride(value, self.value(name), self.step))

    def _take(self, name: str, ride: Ride) -> None:
        self._rides[name] = ride
        self._rests.pop(name, None)

    def holds(self, name: str, value: float) -> None:
        """Holds a control at a value as if it had been held all along."""
        self._take(name, Ride(value, value, self.step))

    def let_go(self, name: str) -> None:
        """Gives a control back to the score; `pulse` is the heart's beat, led from outside."""
        if name == PULSE:
            self._heart.free()
        if name in self._rides:
            self._take(name, Ride(None, self.value(name), self.step))

    def lead(self, frame: int, interval_s: float) -> None:
        """Leads the heart: a beat at an absolute frame not rendered yet, and one each `interval_s`."""
        # Its middle: a beat that is counted on from there falls into its own frame however it is rounded.
        self._heart.lead((frame + 0.5) / self.rate_hz, interval_s)
        self.ride("bpm", 60.0 / interval_s)

    def resting(self, name: str, steps: int) -> float | None:
        """A control's one value over the next steps, or None where it may move."""
        known = self._rests.get(name)
        if known is None or self.step > known[0]:
            self._rests[name] = known = self._rest(name)
        return known[1] if self.step + steps <= known[0] else None

    def _rest(self, name: str) -> tuple[float, float | None]:
        """Up to which step a control is sure to keep its value from now on, or to move, which is None."""
        ride = self._ride(name)
        if ride is not None:
            return (math.inf, ride.value) if self.step >= ride.step + RIDE_STEPS else (self.step, None)
        if self.course.moves(name, self.step) or (self.landing is not None and self.landing.moves(name)):
            return self.step, None
        track = self._tracks[name]
        if self.course.held is not None and track.constant is None:
            return self.step, None
        stretch = track.stretch(self.placed_s)
        return max(self.course.keeps(stretch), self.step), stretch.value

    def _ride(self, name: str) -> Ride | None:
        """The ride that a control is on; one that has given it back is none."""
        ride = self._rides.get(name)
        return ride if ride is None or ride.value is not None or self.step < ride.step + RIDE_STEPS else None

    def values(self, name: str, steps: int) -> F64:
        """A control at the borders of the next `steps` steps, shape (steps + 1,); read only."""
        rested = self.resting(name, steps)
        if rested is not None:
            return constant(rested)[: steps + 1]
        ride = self._ride(name)
        if ride is None:
            return self._written(name, steps)
        return ride.over(self.step, steps, self._written(name, steps) if ride.value is None else ride.value)

    def _written(self, name: str, steps: int) -> F64:
        """A control as the score wants it on this course."""
        if self.landing is None:
            return self._on_course(name, steps)
        return self.landing.taken(name, self._places(steps).borders, self._on_course(name, steps))

    def _on_course(self, name: str, steps: int) -> F64:
        places = self._places(steps)
        return self.course.taken(name, places.borders, self._tracks[name](places.times_s))

    def _places(self, steps: int) -> Places:
        # Kept whole in one place: several threads may ask at once.
        places = self._at
        if places.step != self.step or places.steps != steps:
            borders = np.arange(self.step, self.step + steps + 1, dtype=np.float64)
            self._at = places = Places(self.step, steps, borders, self.course.times_s(borders))
        return places

    def enter(self, passage: Passage, blend_s: float) -> None:
        """Goes on by another passage from this step on, taking over what is before within `blend_s`."""
        before = {}
        for name, track in self._tracks.items():
            presence = name.endswith(".presence")
            if track.constant is not None and not presence and not self.course.moves(name, self.step):
                continue
            value = float(self._on_course(name, 0)[0])
            wanted = presence and (value > 0.0 or self._is_wanted(name))
            if wanted or track.constant is None or track.constant != value:
                before[name] = value
        blend_steps = max(1, round(blend_s * self.rate_hz / GRID_FRAMES))
        self.begin(replace(passage, first=self.step, before=before, blend_steps=blend_steps))

    def begin(self, passage: Passage) -> None:
        """Follows a passage from now on as if there had been nothing before."""
        self.course = passage
        self._at = NOWHERE
        self._rests = {}

    def _is_wanted(self, name: str) -> bool:
        return any(begin <= self.step < end for begin, end in self.wanted(name))

    def wanted(self, name: str) -> list[tuple[int, int]]:
        """The stretches of absolute steps, first and one past the last, around which a track is not zero.

        Each ends with at least one step in which it is zero, if there is one.
        """
        return self.course.stretches(name, self._tracks[name])

    @property
    def placed_s(self) -> float:
        """The second of the score at which the clock is."""
        return self.placed_at_s(self.step)

    def placed_at_s(self, step: int) -> float:
        """The second of the score at which a step is."""
        return float(self.course.times_s(np.array([float(step)]))[0])

    def next_beat(self) -> tuple[int, bool]:
        """The step in which the heart beats next, and whether a breath begins there."""
        return max(self.step, int(self._heart.next_s * self.rate_hz / GRID_FRAMES)), self._heart.draws_breath

    def span(self, steps: int) -> Span:
        """The next `steps` steps with the arc and the heart in them, for every part to fill in its own."""
        bpm = self.values("bpm", steps)
        breath_hz = self.values("breath_hz", steps)
        beats = []
        end_s = (self.step + steps) * GRID_FRAMES / self.rate_hz
        while (pulse := self._pulse(end_s, bpm, breath_hz)) is not None:
            beats.append(Beat(int(pulse.time_s * self.rate_hz), self._beats, pulse.interval_s, pulse.breath))
            self._beats += 1
        return Span(
            start=self.frame,
            steps=steps,
            rate_hz=self.rate_hz,
            valence=self.values("valence", steps),
            energy=self.values("energy", steps),
            tension=self.values("tension", steps),
            bpm=bpm,
            presence=constant(1.0)[: steps + 1],
            fields={},
            beats=beats,
        )

    def _pulse(self, end_s: float, bpm: F64, breath_hz: F64) -> Pulse | None:
        """The next beat, if it comes before `end_s`; tempo and breath are given at the steps' borders."""
        if self._pulses is not None:
            return self._pulses.popleft() if self._pulses and self._pulses[0].time_s < end_s else None
        if self._heart.next_s >= end_s:
            return None
        place = max(0, int(self._heart.next_s * self.rate_hz / GRID_FRAMES) - self.step)
        return self._heart.beat(float(bpm[place]), float(breath_hz[place]))

    def _whole_beats(self) -> deque[Pulse]:
        """All beats of a loop, hurried or slowed by half a beat in all, so that one turn has a whole number.

        Where there are a hundred it has whole breaths of four beats as well.
        """
        timeline, heart = self.timeline, self._heart
        pulses: list[Pulse] = []
        while heart.next_s < timeline.lead_s + timeline.duration_s + RINGS_S:
            at_s = np.array([heart.next_s])
            pulses.append(heart.beat(float(timeline.bpm(at_s)[0]), float(timeline.breath_hz(at_s)[0])))
        times_s = np.array([pulse.time_s for pulse in pulses])
        first = int(np.searchsorted(times_s, timeline.lead_s))
        lengths_s = times_s[first:] - times_s[first]
        beats = int(np.argmin(np.abs(lengths_s - timeline.duration_s)))
        if beats >= 100:
            beats = BEATS_A_BREATH * round(beats / BEATS_A_BREATH)
        stretch = timeline.duration_s / float(lengths_s[beats]) if beats else 1.0
        return deque(
            Pulse(
                float(times_s[first] + (pulse.time_s - times_s[first]) * stretch),
                pulse.interval_s * stretch,
                pulse.breath,
            )
            for pulse in pulses
        )
