"""A tree of living gold: its branches arc upward, a staircase to the sky.

The score lets it grow (`growth`, 0 to 1). Its trunk is the theme on low brass: at each new branch it is sung
one tone longer, over the fifth; at the height, once, the octave that was withheld all along is reached, and
held, and the fifth comes home to the root. From the trunk spring branches of bells: each a way up through a
tree that a grammar has grown (`generate/branching.py`), each tone a step higher than the one it grew from,
higher the more the tree has grown. The root is withheld from the bells too, until the height.

What it follows: the heart gives the pace; energy branches more and brightens bells and brass; valence lets
the bells ring longer.

Source: major-third bells, Lehr 1987; brass that brightens as it swells, Risset & Mathews 1969, "Analysis of
musical-instrument tones".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Beat, Event, Patch, Rule, Setting, Span, Visits, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, ratios
from resonance.dsp.partials import sines
from resonance.dsp.struck import Struck
from resonance.generate import branching, theme
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, part, seconds

_GENERATIONS = 15
_WITHHELD = (1, 2, 4, 5)  # the theme's tones without the root
_HOME = (0, 2, 4, 5)
_BELLS_OCTAVE = 2
_TRUNK_OCTAVES = (1, 1, 2, 2, 2)  # the first branches low, so that the trunk rises as well
_PATIENCE_BEATS = 22  # after so long the theme is sung again, if the tree has not grown since

_BELL_RATIO = np.array([0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.33, 6.67])
_BELL_WEIGHT = np.array([0.16, 1.0, 0.13, 0.12, 0.5, 0.1, 0.26, 0.2, 0.12, 0.07])
_BELL_PAIRS = np.array([*range(len(_BELL_RATIO)), 1, 4, 6, 7])  # the strongest partials beat, as bells' do
_HARMONICS = 16
_PLAYERS = 2
_HORN_HZ = 950.0  # brass is warm around here, whatever it plays. Source: Luce & Clark 1967, horn and trombone


@dataclass(frozen=True)
class Tree(Patch):
    """A tree of gold that grows: brass for its trunk, bells for its branches."""

    send_db: float = db(-9.0, -120.0, 12.0, "level sent to the shared space")
    growth: float = part(0.5, "how far the tree has grown")
    height: float = part(0.72, "the growth at which the octave is reached", 0.1, 1.0)
    branch_hz: float = hz(0.95, 0.0, 8.0, "how often a branch springs at full energy, on average")
    t60_s: float = seconds(4.2, 0.2, 20.0, "how long a bell at 440 Hz rings")
    hold_s: float = seconds(13.0, 1.0, 120.0, "how long the octave is held")
    brass: float = part(0.5, "how bright the brass is")
    scatter: float = part(0.8, "how wide the tree spreads")


class TreeRule(Rule):
    """The theme, longer by a tone at each branch, on the beat; and bells that climb, by chance."""

    def __init__(self, patch: Tree, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._tree = branching.twigs(branching.grown(setting.stream("grammar"), _GENERATIONS))
        self._top = max(twig.step for twig in self._tree)
        self._branches = Onsets(setting.stream("branches"), regularity=3.0)
        self._branch_rng = setting.stream("branch")
        self._theme_rng = setting.stream("theme")
        self._sung = 0
        self._home = False
        self._visits = Visits()
        self._free_frame = 0
        self._again_frame = 0

    def events(self, span: Span) -> Iterable[Event]:
        if self._visits.begin(span):
            self._sung, self._home = 0, False
        rate_hz = span["branch_hz"] * span.energy * span.presence
        branches = self._branches.due(span.start, rate_hz, span.step_s)
        moments = [*((beat.frame, beat) for beat in span.beats), *((frame, None) for frame in branches)]
        # In the order of time: what branches out after the octave is at home.
        for frame, beat in sorted(moments, key=lambda moment: moment[0]):
            yield from self._branch(frame, span) if beat is None else self._trunk(beat, span)

    def _trunk(self, beat: Beat, span: Span) -> Iterator[Event]:
        """A statement of the theme, where one is due."""
        step = span.step_of(beat.frame)
        if span.presence[step] < 0.5 or self._home or beat.frame < self._free_frame:
            return
        growth, height = float(span["growth"][step]), float(span["height"][step])
        reached = growth >= height
        tones = len(theme.CLIMB) if reached else 1 + int(len(theme.CLIMB) * growth / height)
        if not reached and tones <= self._sung and beat.frame < self._again_frame:
            return
        rubato = self._theme_rng.random(len(theme.CLIMB) + 1)
        self._sung, self._home = tones, reached
        melody = theme.CLIMB[:tones] + ((theme.OCTAVE,) if reached else ())
        octave = _TRUNK_OCTAVES[tones - 1]
        beat_s = 60.0 / float(span.bpm[step])
        frame = beat.frame
        for place, degree in enumerate(melody, start=1):
            last = place == len(melody)
            lasts_s = beat_s * (2.6 if last else 0.92 + 0.2 * float(rubato[place - 1]))
            if last and reached:
                lasts_s = span.at("hold_s", beat.frame)
            tone = Event(
                frame,
                "brass",
                pitch_hz=self._tuning.hz(degree, octave),
                level_db=-12.0 + 0.8 * place + 3.0 * float(span.energy[step]),
                duration_s=lasts_s,
                rule="theme",
                detail={
                    "velocity": 0.55 + 0.06 * place,
                    "place": place,
                    "pan": 0.0 if octave < 2 else 0.04 * place - 0.12,
                },
            )
            yield tone
            if last and reached:
                yield from self._come_home(tone)
            frame += round(lasts_s * span.rate_hz)
        sung_s = (frame - beat.frame) / span.rate_hz
        if not reached:
            yield self._pedal(beat.frame, self._tuning.hz(4), sung_s + beat_s)
        self._free_frame = frame + round(beat_s * span.rate_hz)
        self._again_frame = frame + round(_PATIENCE_BEATS * beat_s * span.rate_hz)

    def _come_home(self, octave: Event) -> Iterator[Event]:
        """The root opens under the octave, and its chord with it."""
        yield self._pedal(octave.frame, self._tuning.hz(0, 1), octave.duration_s, octave)
        for degree, place in ((4, -0.45), (9, 0.45)):
            yield Event(
                octave.frame,
                "brass",
                pitch_hz=self._tuning.hz(degree, 2),
                level_db=octave.level_db - 6.0,
                duration_s=octave.duration_s,
                rule="home",
                follows=octave,
                detail={"velocity": 0.6, "pan": place},
            )

    @staticmethod
    def _pedal(frame: int, pitch_hz: float, lasts_s: float, follows: Event | None = None) -> Event:
        return Event(
            frame,
            "brass",
            pitch_hz=pitch_hz,
            level_db=-15.0,
            duration_s=lasts_s,
            rule="pedal",
            follows=follows,
            detail={"velocity": 0.35, "pan": 0.0},
        )

    def _branch(self, frame: int, span: Span) -> Iterator[Event]:
        """A way up from where the tree now ends: two to five tones, each a step higher."""
        step = span.step_of(frame)
        chance = self._branch_rng.random(10)
        level = float(span["growth"][step]) * (self._top - 3) + 2.0 * float(chance[0]) - 1.0
        nearest = min(abs(twig.step - level) for twig in self._tree)
        frontier = [i for i, twig in enumerate(self._tree) if abs(twig.step - level) <= nearest + 0.01]
        way = branching.branch(
            self._tree,
            frontier[int(chance[1] * len(frontier))],
            chance[2 : 3 + int(4.0 * chance[7])].tolist(),
        )
        pace_s = 60.0 / float(span.bpm[step]) * (0.2 + 0.16 * float(chance[8]))
        follows = None
        begin = frame
        for place, index in enumerate(way):
            twig = self._tree[index]
            octave, tone = divmod(twig.step, len(_WITHHELD))
            degree = (_HOME if self._home else _WITHHELD)[tone]
            velocity = 0.35 + 0.35 * float(chance[9]) + 0.05 * place
            event = Event(
                begin,
                "bell",
                pitch_hz=self._tuning.hz(degree, _BELLS_OCTAVE + octave),
                level_db=-18.0 + 9.0 * velocity - 0.5 * twig.step,
                duration_s=span.at("t60_s", frame),
                rule="branch",
                follows=follows,
                detail={
                    "velocity": velocity,
                    "pan": span.at("scatter", frame) * twig.side,
                    "forks": twig.forks,
                    "distance_m": 3.5 + 0.35 * twig.step,
                },
            )
            yield event
            follows = event
            begin += round(pace_s * (1.0 + 0.07 * place) * span.rate_hz)


class TreeVoice(Voice):
    """One bell, or one tone of the brass; a player's note is a bell."""

    voices: ClassVar[int] = 28

    def __init__(self, patch: Tree, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * _PLAYERS + 1), np.float64)
        self._struck = Struck(_BELL_RATIO[_BELL_PAIRS], MAX_STEPS)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._pitch_hz = event.pitch_hz or 440.0
        self._velocity = float(event.detail.get("velocity", 0.6))
        self._pan = float(event.detail.get("pan", 0.0))
        self._brass = event.kind == "brass"
        if self._brass:
            return self._blown(event, span, rng)
        return self._strike(span, rng)

    def _sides(self, spread: float, lanes: int) -> tuple[F64, F64]:
        """Levels left and right of two groups of lanes, a little to either side of the tone's place."""
        side = np.repeat(np.clip(self._pan + np.array([-spread, spread]), -1.0, 1.0), lanes)
        return np.cos(np.pi / 4.0 * (1.0 + side)), np.sin(np.pi / 4.0 * (1.0 + side))

    def _strike(self, span: Span, rng: np.random.Generator) -> float:
        bright = 0.35 + 0.5 * self._velocity + 0.35 * float(span.energy[0])
        frequency_hz = self._pitch_hz * _BELL_RATIO[_BELL_PAIRS]
        frequency_hz[len(_BELL_RATIO) :] += rng.uniform(0.2, 0.8, len(_BELL_PAIRS) - len(_BELL_RATIO))
        weight = _BELL_WEIGHT * np.clip(bright, 0.2, 1.3) ** np.log2(np.maximum(_BELL_RATIO, 1.0))
        weight = 0.24 * (weight * rng.uniform(0.8, 1.2, len(weight)))[_BELL_PAIRS]
        weight[len(_BELL_RATIO) :] *= 0.6
        t60_s = float(span["t60_s"][0]) * (0.7 + 0.4 * float(span.valence[0]))
        t60_s *= (440.0 / self._pitch_hz) ** 0.35
        decay = -6.9078 / t60_s * (1.0 + 0.45 * np.maximum(_BELL_RATIO[_BELL_PAIRS] - 1.0, 0.0))
        left, right = self._sides(0.25, 1)
        group = (np.arange(len(_BELL_PAIRS)) >= len(_BELL_RATIO)).astype(int)
        self._struck.strike(frequency_hz / self._rate_hz, decay, weight * left[group], weight * right[group])
        return 0.85 * t60_s

    def _blown(self, event: Event, span: Span, rng: np.random.Generator) -> float:
        self._ends_s = event.duration_s or 2.0
        self._harmonic = np.arange(1.0, _HARMONICS + 1.0)
        horn = 0.35 + 1.0 / (1.0 + ((self._harmonic * self._pitch_hz / _HORN_HZ - 1.0) / 0.9) ** 2)
        weight = 0.11 * horn * self._harmonic**-0.75
        low = self._pitch_hz < 130.0
        left, right = self._sides(0.0 if low else 0.22, 1)
        players = np.array([1.0, 0.6])  # unequal, so that their beating never falls silent
        self._horn_left, self._horn_right = (
            np.outer(players * left, weight),
            np.outer(players * right, weight),
        )
        self._phase = rng.random(_PLAYERS * _HARMONICS)
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._vibrato = rng.random(_PLAYERS)
        self._attack_s = 0.11 - 0.05 * self._velocity + 0.04 * rng.random()
        return self._ends_s + 0.6

    def release(self, velocity: float = 0.5) -> float:
        if not self._brass:
            return np.inf
        self._ends_s = min(self._ends_s, self._age / self._rate_hz)
        return 0.6  # brass is stopped by the tongue, however fast the key goes up

    def render(self, span: Span, out: F32) -> None:
        if self._brass:
            self._blow(span, out)
        else:
            touch = None if span.touch is None else span.touch.curves
            self._struck.render(self._age, span.rate_hz, touch, out)
        self._age += span.frames

    def _blow(self, span: Span, out: F32) -> None:
        """Two players on one tone: the louder it is blown, the more harmonics speak."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        curve = self._curve[: span.steps + 1]
        drift(self._key, self._curve_phase, np.full_like(curve, 1.1 * span.step_s), curve)
        attack = np.clip(age_s / self._attack_s, 0.0, 1.0)
        leaving = np.clip((age_s - self._ends_s + 0.12) / 0.55, 0.0, 1.0)
        # A long tone swells toward its middle, as breath does; a short one speaks and yields.
        held = np.sin(np.pi * np.clip(age_s / max(self._ends_s, 0.5), 0.0, 1.0)) ** 0.7
        breath = 0.55 + 0.4 * held + 0.2 * np.exp(-age_s / 0.25) + 0.09 * curve[:, -1]
        blown = attack**1.5 * breath * np.cos(0.5 * np.pi * leaving) ** 2
        force = np.clip(blown * (0.45 + 0.5 * self._velocity + 0.25 * span.energy), 1e-6, 1.2)
        slope = 1.0 + 0.42 * (1.15 - 0.75 * span["brass"][:, None]) * (self._harmonic - 1.0)
        speaking = np.exp(np.log(force)[:, None] * slope)[:, None, :]

        cents = 2.5 * curve[:, _PLAYERS : 2 * _PLAYERS] - 22.0 * np.exp(-age_s / 0.05)[:, None]
        for player in range(_PLAYERS):
            rate_hz = 4.7 + 0.35 * player + 0.5 * curve[:, player]
            turns = np.concatenate(([self._vibrato[player]], rate_hz[:-1] * span.step_s)).cumsum()
            self._vibrato[player] = turns[-1]
            depth = 4.0 * np.clip((age_s - 0.7) / 1.5, 0.0, 1.0) * (1.0 + curve[:, player])
            cents[:, player] += depth * np.sin(2.0 * np.pi * turns) + 2.0 * (player - 0.5)
        cycles = (self._pitch_hz / self._rate_hz * ratios(cents))[:, :, None] * self._harmonic
        lanes = (span.steps + 1, _PLAYERS * _HARMONICS)
        left = (speaking * self._horn_left).astype(np.float32).reshape(lanes)
        right = (speaking * self._horn_right).astype(np.float32).reshape(lanes)
        sines(self._phase, cycles.reshape(lanes), left, right, out)
