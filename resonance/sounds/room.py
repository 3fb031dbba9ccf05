"""Your bed, the scent of ozone, hands trembling, dew.

A quiet room tone; high above it a thin ionised hiss; over both a tremble of six to nine times a second that
wanders; and a few single drops, each a bubble's rising note. Once, so quietly that one may miss it, somebody
hums the theme, whole, up to its octave.

What it follows: energy, a little, in the tone's level; tension deepens the tremble.

Source: drops as bubbles, Minnaert 1933; van den Doel 2005, "Physically based models for liquid sounds".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift
from resonance.dsp.filters import svf
from resonance.dsp.mixing import ramped
from resonance.dsp.noise import evened, pink, pink_state, white
from resonance.dsp.partials import sines
from resonance.generate import theme
from resonance.generate.onsets import Onsets
from resonance.units import hz, part, seconds

_LOW, _BAND = 0, 1
_THEME = (*theme.CLIMB, theme.OCTAVE)
_HUM_FADES_S = 0.8
_OZONE_HZ = 10_600.0  # the middle of 8 to 14 kHz
_OZONE = 0.02  # what lingers as a scent is heard from the first hundredth of it on: a square, as faders have


@dataclass(frozen=True)
class Room(Patch):
    """A quiet room at waking: its tone, ozone, a tremble, a few drops."""

    warmth_hz: float = hz(420.0, 60.0, 4000.0, "where the room tone rolls off")
    ozone: float = part(0.2, "the thin hiss from 8 to 14 kHz")
    tremble: float = part(0.4, "how deep everything trembles")
    tremble_hz: float = hz(7.4, 6.0, 9.0, "how fast it trembles")
    drops_hz: float = hz(0.2, 0.0, 4.0, "how often a drop falls, on average")
    hum_s: float = seconds(14.0, 0.0, 600.0, "how long after waking the theme is hummed, once")
    hum: float = part(0.5, "how much of it can be heard")


class RoomRule(Sustain):
    """The room is there while its scene is; drops fall by chance."""

    def __init__(self, patch: Room, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._drops = Onsets(setting.stream("drops"), regularity=1.6)
        self._rng = setting.stream("drop")
        self._tuning = setting.tuning
        self._rubato = setting.stream("hum").uniform(0.92, 1.12, len(_THEME))

    def events(self, span: Span) -> Iterable[Event]:
        for event in super().events(span):
            yield event
            if event.kind == "begin":
                yield from self._hummed(event.frame, span)
        for frame in self._drops.due(span.start, span["drops_hz"] * span.presence, span.step_s):
            chance = self._rng.random(4)
            yield Event(
                frame,
                "drop",
                pitch_hz=900.0 * 2.6 ** float(chance[0]),
                level_db=-23.0 - 9.0 * float(chance[1]),
                duration_s=0.05 + 0.09 * float(chance[2]),
                rule="dew",
                detail={"pan": 1.4 * float(chance[3]) - 0.7},
            )

    def _hummed(self, waking: int, span: Span) -> Iterable[Event]:
        """The theme, a tone every one and a half beats, and the octave held."""
        step = span.step_of(waking)
        pace_s = 1.5 * 60.0 / float(span.bpm[step])
        at_s = float(span["hum_s"][step]) + pace_s * np.concatenate(([0.0], np.cumsum(self._rubato[:-1])))
        for place, (degree, later_s) in enumerate(zip(_THEME, at_s, strict=True), 1):
            yield Event(
                waking + round(float(later_s) * span.rate_hz),
                "tone",
                pitch_hz=self._tuning.hz(degree, 3),
                level_db=-40.0,
                duration_s=2.2 if degree == theme.OCTAVE else 1.7,
                rule="theme",
                detail={"pan": 0.0, "place": place},
            )


class RoomVoice(Voice):
    """The room's tone, one drop, or one hummed tone."""

    voices: ClassVar[int] = 8

    def __init__(self, patch: Room, setting: Setting) -> None:
        self._key, self._ozone_key = setting.key("air"), setting.key("ozone")
        self._phase = np.zeros(1)
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 3), np.float64)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._drop = event if event.kind == "drop" else None
        self._tone = event if event.kind in ("tone", "note") else None
        self._phase[:] = 0.0
        self._pink = pink_state(2)
        self._tone_filter = np.zeros((2, 2))
        self._ozone_filter = np.zeros((2, 2))
        self._curve_phase = np.array([3.0, 50.0, 90.0])
        self._tremble_phase = 0.0
        if self._tone is not None:
            return max(event.duration_s, 1.0) + _HUM_FADES_S
        return 3.0 * event.duration_s if self._drop else math.inf

    def render(self, span: Span, out: F32) -> None:
        if self._drop is not None:
            self._falling(self._drop, span, out)
        elif self._tone is not None:
            self._humming(self._tone, span, out)
        else:
            self._air(span, out)

    def _falling(self, drop: Event, span: Span, out: F32) -> None:
        """A bubble closes: a sine that decays and rises by a third as it shrinks."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        decay_s = drop.duration_s / 4.0
        level = np.exp(-age_s / decay_s) * np.minimum(age_s / 0.0013, 1.0)
        cycles = (
            (drop.pitch_hz or 1.0) * (1.0 + 0.3 * np.minimum(age_s / drop.duration_s, 2.0)) / span.rate_hz
        )
        angle = np.pi / 4.0 * (1.0 + float(drop.detail["pan"]))
        left = (level * np.cos(angle)).astype(np.float32)[:, None]
        right = (level * np.sin(angle)).astype(np.float32)[:, None]
        sines(self._phase, cycles[:, None], left, right, out)
        self._age += span.frames

    def _humming(self, tone: Event, span: Span, out: F32) -> None:
        """A closed mouth: nearly a pure tone, that swells and fades, and trembles as the hands do."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        lasts_s = max(tone.duration_s, 1.0)
        level = span["hum"] * np.sin(0.5 * np.pi * np.clip(age_s / 0.35, 0.0, 1.0)) ** 2
        level = level * np.cos(0.5 * np.pi * np.clip((age_s - lasts_s) / _HUM_FADES_S, 0.0, 1.0)) ** 2
        level = level * self._trembling(span, np.zeros(span.steps + 1))
        cycles = np.full((span.steps + 1, 1), (tone.pitch_hz or 440.0) / span.rate_hz)
        both = level.astype(np.float32)[:, None]
        sines(self._phase, cycles, both, both, out)
        self._age += span.frames

    def _air(self, span: Span, out: F32) -> None:
        frames = span.frames
        start = span.start
        noise = self._noise[: 2 * frames].reshape(2, frames)
        pink(self._pink, self._key, start, noise)
        curve = self._curve[: span.steps + 1]
        drift(self._key, self._curve_phase, np.full_like(curve, 0.3 * span.step_s), curve)
        trembling = self._trembling(span, curve[:, 0])

        two = np.ones(2)
        cutoff = (span["warmth_hz"] * (1.0 + 0.2 * curve[:, 1]) / span.rate_hz)[:, None]
        svf(self._tone_filter, cutoff * two, np.full((span.steps + 1, 2), 0.6), _LOW, noise, noise)
        ramped(noise, 0.013 * (0.8 + 0.6 * span.energy) * trembling, out)

        white(self._ozone_key, start, noise)
        ozone = np.full((span.steps + 1, 2), _OZONE_HZ / span.rate_hz)
        q = np.full((span.steps + 1, 2), 2.0)
        svf(self._ozone_filter, ozone, q, _BAND, noise, noise)
        ozone_level = _OZONE * span["ozone"] ** 2 * (1.0 + 0.3 * curve[:, 2]) * trembling
        ramped(noise, evened(span.rate_hz) * ozone_level, out)

    def _trembling(self, span: Span, wander: F64) -> F64:
        """Hands that tremble: a rate that wanders by a tenth, deeper under tension."""
        turns = span["tremble_hz"] * (1.0 + 0.1 * wander) * span.step_s
        phase = np.concatenate(([self._tremble_phase], turns[:-1])).cumsum()
        self._tremble_phase = float(phase[-1])
        depth = np.minimum(span["tremble"] * (1.0 + span.tension), 0.95)
        return 1.0 - depth * (0.5 - 0.5 * np.sin(2.0 * np.pi * phase))
