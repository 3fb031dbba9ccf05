"""Doubt, a shadow with teeth: a low cluster that grinds against itself, and bites.

Under the ground of doubt, the seventh and the second, other tones stand 30 to 70 Hz apart, so close that the
ear can neither part nor join them: it beats, and it is rough. The throat it comes through opens and closes
slowly, and it prowls from side to side. Its bites come when they like: the jaw opens, and several teeth
close one after the other.

What it follows: tension is its size, its roughness and its hunger; energy is its force. It sags as tension
draws the degrees flat.

Source: roughness is greatest for partials about a quarter of a critical band apart: Plomp & Levelt 1965,
"Tonal consonance and critical bandwidth".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels, octaves
from resonance.dsp.filters import HIGH, LOW, svf
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.noise import impulses
from resonance.dsp.oscillators import TAIL, saws
from resonance.dsp.partials import sines
from resonance.generate.onsets import Onsets
from resonance.tuning import strained_hz
from resonance.units import db, hz, part

_SECOND, _SEVENTH = 1, 6
# The cluster: what each tone stands on (degree, octave), and how many beats it stands above that.
_GROUND = ((_SEVENTH, 0), (_SECOND, 1), (_SEVENTH, 1), (_SECOND, 2))
_STANDS_ON = np.array([0, 0, 1, 1, 2, 3])
_BEATS_ABOVE = np.array([0.0, 1.0, 0.0, 1.0, 0.3, 0.62])
_LEVEL = np.array([1.0, 0.95, 0.6, 0.55, 0.7, 0.45])
_SIDE = np.array([0.0, 0.0, -0.4, 0.4, 0.5, -0.5])
_SAG = 1.4  # it sinks further than what sings above it: 63 cents at full tension
_MONO_HZ = 150.0
_LOWEST_HZ = 72.0  # beats have differences of their own: below the cluster the room is the heart's
_JAW_S = 0.5


@dataclass(frozen=True)
class Shadow(Patch):
    """A shadow with teeth: low, rough, biting."""

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(-18.0, -120.0, 12.0, "level sent to the shared space")
    beat_hz: float = hz(44.0, 30.0, 70.0, "how fast it grinds, in the middle")
    cutoff_hz: float = hz(330.0, 80.0, 4000.0, "how dark it is when it lies still")
    growl: float = part(0.85, "how deep its throat rattles at that pace")
    prowl: float = part(0.6, "how far it moves from side to side")
    bite_hz: float = hz(1.2, 0.0, 8.0, "how often it bites at full tension, on average")
    teeth: float = part(0.6, "how sharp its bites are")


class ShadowRule(Sustain):
    """The shadow lies there while its scene does, and bites in fits."""

    def __init__(self, patch: Shadow, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._bites = Onsets(setting.stream("bites"), regularity=0.55)
        self._rng = setting.stream("bite")

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        hunger = np.clip((span.tension - 0.2) / 0.6, 0.0, 1.0)
        for frame in self._bites.due(span.start, span["bite_hz"] * hunger * span.presence, span.step_s):
            chance = self._rng.random(12)
            step = span.step_of(frame)
            teeth = 2 + int(4.0 * chance[0])
            # Irregular on purpose: a jaw, not a machine.
            delays_s = np.cumsum(np.concatenate(([0.0], 0.028 + 0.11 * chance[6 : 5 + teeth] ** 2)))
            bite = Event(
                frame,
                "bite",
                level_db=-10.0
                + 6.0 * float(span.energy[step])
                + 5.0 * float(span.tension[step])
                - 6.0 * float(chance[1]),
                duration_s=float(delays_s[-1]) + 0.2,
                rule="teeth",
                detail={
                    "teeth": teeth,
                    "pan": 1.3 * float(chance[2]) - 0.65,
                    "lift": 2.0 ** (1.1 * float(chance[3]) - 0.4),
                    "gape": float(chance[4]),
                    "delays_s": delays_s,
                },
            )
            yield bite
            for delay_s in delays_s:
                yield Event(
                    frame + int(float(delay_s) * span.rate_hz),
                    "tooth",
                    level_db=bite.level_db,
                    duration_s=0.06,
                    rule="teeth",
                    follows=bite,
                    sounds=False,
                )


class ShadowVoice(Voice):
    """The lying shadow, or one bite."""

    voices: ClassVar[int] = 16

    def __init__(self, patch: Shadow, setting: Setting) -> None:
        self._setting = setting
        self._rate_hz = setting.rate_hz
        self._prowl = setting.key("prowl")
        self._ground_hz = np.array([setting.tuning.hz(degree, octave) for degree, octave in _GROUND])
        lanes = len(_STANDS_ON)
        self._phase = np.zeros(lanes)
        self._tail = np.zeros((2, TAIL), np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * lanes + 5), np.float64)
        self._filter, self._floor = np.zeros((2, 2)), np.zeros((2, 2))
        self._mono = np.zeros(2)
        frames = MAX_STEPS * GRID_FRAMES
        self._sound = setting.scratch("sound", 2 * frames, np.float32)
        self._snaps = setting.scratch("snaps", frames, np.float32)
        self._blows = setting.scratch("blows", 2 * frames, np.float32)
        self._blow_phase = np.zeros(1)

    def start(self, event: Event, span: Span) -> float:
        self._bite = event if event.kind == "bite" else None
        rng = (
            np.random.Generator(np.random.PCG64(event.key))
            if self._bite
            else self._setting.anew("lying", event)
        )
        self._key = event.key
        self._sharp = float(span["teeth"][0])
        self._age = 0
        self._phase[:] = rng.random(len(self._phase))
        self._blow_phase[:] = rng.random(1)
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        for state in (self._tail, self._filter, self._floor, self._mono):
            state.fill(0.0)
        return self._bite.duration_s + _JAW_S if self._bite else math.inf

    def render(self, span: Span, out: F32) -> None:
        lanes = len(_STANDS_ON)
        curve = self._curve[: span.steps + 1]
        pace = np.concatenate((np.full(lanes, 0.31), np.full(lanes, 0.19), [0.13, 0.07, 0.5, 2.1, 0.6]))
        hurry = (0.6 + span.tension) * span.step_s
        drift(self._prowl, self._curve_phase, hurry[:, None] * pace, curve)
        sound = self._sound[: 2 * span.frames].reshape(2, span.frames)
        sound.fill(0.0)
        if self._bite is not None:
            self._close(self._bite, span, curve, sound)
        else:
            self._lie(span, curve, sound)
        mono_below(self._mono, _MONO_HZ / self._rate_hz, sound)
        out += sound
        self._age += span.frames

    def _cycles(self, span: Span, curve: F64, lift: float) -> F64:
        """The cluster's pitches (steps + 1, lanes): each stands on its ground, some beats above it."""
        lanes = len(_STANDS_ON)
        sag = strained_hz(1.0, 1.0, -_SAG) ** np.clip((span.tension - 0.4) / 0.6, 0.0, 1.0)
        beats_hz = span["beat_hz"][:, None] * octaves(0.75 * curve[:, :lanes]) * _BEATS_ABOVE
        ground_hz = self._ground_hz[_STANDS_ON] * octaves(0.02 * curve[:, lanes : 2 * lanes])
        return lift * sag[:, None] * (ground_hz + np.clip(beats_hz, 0.0, 70.0)) / self._rate_hz

    def _lie(self, span: Span, curve: F64, sound: F32) -> None:
        lanes = len(_STANDS_ON)
        breath, prowl, throat, shiver = curve[:, 2 * lanes : 2 * lanes + 4].T
        loud = levels(-12.0 + 9.0 * span.tension + 6.0 * span.energy + 9.0 * breath + 3.0 * shiver)
        swell = 1.0 + 0.7 * curve[:, lanes : 2 * lanes]
        side = np.clip(_SIDE + (1.5 * span["prowl"] * prowl)[:, None], -0.9, 0.9)
        level = 0.068 * loud[:, None] * _LEVEL * swell
        self._cluster(span, self._cycles(span, curve, 1.0), level, side, sound)
        self._rattle(span, curve[:, -1], sound)
        opening = 1.6 * throat + 1.2 * span.energy + 0.9 * span.tension
        self._throat(span, span["cutoff_hz"] * octaves(opening), 1.6 + 1.6 * span.tension, sound)

    def _close(self, bite: Event, span: Span, curve: F64, sound: F32) -> None:
        """The jaw opens once, and each tooth is a blow of the cluster and a snap of bone."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        teeth = np.zeros(span.steps + 1)
        snap = np.zeros(span.steps + 1)
        for number, delay_s in enumerate(bite.detail["delays_s"]):
            since = np.maximum(age_s - delay_s, 0.0)
            blow = np.clip(since / 0.004, 0.0, 1.0) * 0.82**number
            teeth += blow * np.exp(-since / 0.055)
            snap += blow * np.exp(-since / 0.009)
        side = np.full((span.steps + 1, len(_SIDE)), float(bite.detail["pan"])) + 0.3 * _SIDE
        level = 0.22 * teeth[:, None] * _LEVEL
        self._cluster(span, self._cycles(span, curve, float(bite.detail["lift"])), level, side, sound)
        self._rattle(span, curve[:, -1], sound)
        snaps = self._snaps[: span.frames]
        impulses(self._key, self._age, 2200.0 * self._sharp * snap / self._rate_hz, snaps)
        snaps *= np.float32(0.5 * self._rate_hz / 48_000.0)
        angle = math.pi / 4.0 * (1.0 + float(bite.detail["pan"]))
        sound[0] += np.float32(math.cos(angle)) * snaps
        sound[1] += np.float32(math.sin(angle)) * snaps
        jaw = 250.0 * np.exp2((2.4 + 1.3 * self._sharp * bite.detail["gape"]) * np.minimum(teeth, 1.0))
        self._throat(span, jaw, np.full(span.steps + 1, 1.8), sound)

    def _cluster(self, span: Span, cycles: F64, level: F64, side: F64, sound: F32) -> None:
        angle = np.pi / 4.0 * (1.0 + side)
        left = (level * np.cos(angle)).astype(np.float32)
        right = (level * np.sin(angle)).astype(np.float32)
        saws(self._phase, self._tail, cycles, left, right, sound)

    def _rattle(self, span: Span, wander: F64, sound: F32) -> None:
        """The throat opens in single blows, so close that they are roughness and not rhythm."""
        blows = self._blows[: 2 * span.frames].reshape(2, span.frames)
        blows.fill(0.0)
        pace_hz = np.clip(span["beat_hz"] * octaves(0.6 * wander), 30.0, 70.0)
        level = np.full((span.steps + 1, 1), np.float32(0.5))
        sines(self._blow_phase, (pace_hz / self._rate_hz)[:, None], level, level, blows)
        blows += np.float32(0.5)
        blows *= blows
        blows *= blows
        # The mean power of a blow, cos^16 over half a turn, is 6435/32768.
        blows *= np.float32(math.sqrt(32768.0 / 6435.0))
        blows -= np.float32(1.0)
        blows *= sound
        ramped(blows, span["growl"], sound)

    def _throat(self, span: Span, cutoff_hz: F64, q: F64, sound: F32) -> None:
        two = np.ones(2)
        cutoff = (np.minimum(cutoff_hz, 6000.0) / self._rate_hz)[:, None] * two
        svf(self._filter, cutoff, q[:, None] * two, LOW, sound, sound)
        lowest = np.full_like(cutoff, _LOWEST_HZ / self._rate_hz)
        svf(self._floor, lowest, np.full_like(cutoff, 0.7), HIGH, sound, sound)
