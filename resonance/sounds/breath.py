"""Each breath a vow: air drawn in through an open mouth, and let go through a throat that almost speaks.

Noise through a tract. Breathing in is bright and tight, and stops short; breathing out is darker, wider,
begins at once and runs out. Under strain the air flutters, and a little voice comes into the breath out.

What it follows: the heart's beats (the breath turns where the heart's does); energy is the effort; tension
tightens the throat and makes it flutter.

Source: tract resonances after Fant, Acoustic Theory of Speech Production, 1960; breaths in are brighter
than breaths out: Nakano et al., "Analysis and automatic detection of breath sounds", 2008.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels
from resonance.dsp.filters import formants
from resonance.dsp.mixing import mono_below
from resonance.dsp.noise import pink, pink_state, white
from resonance.dsp.oscillators import TAIL, saws
from resonance.generate.pace import Breathing
from resonance.units import db, metres, part

_IN_HZ = np.array([620.0, 1900.0, 2900.0, 4300.0, 6800.0])
_IN_WIDTH_HZ = np.array([220.0, 380.0, 520.0, 800.0, 1600.0])
_IN_DB = np.array([-10.0, 0.0, -3.0, -7.0, -12.0])
_OUT_HZ = np.array([540.0, 1050.0, 2250.0, 3200.0, 5200.0])
_OUT_WIDTH_HZ = np.array([160.0, 240.0, 420.0, 700.0, 1400.0])
_OUT_DB = np.array([0.0, -2.0, -12.0, -18.0, -24.0])
_MONO_HZ = 180.0
_VOICE_HZ = (98.0, 104.0)  # a low, tired voice; off the scale, since it does not sing


@dataclass(frozen=True)
class Breath(Patch):
    """Breathing, in time with the heart."""

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(-22.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(4.0, 0.5, 2000.0, "how far away: here, it is your own breath")
    flutter: float = part(0.5, "how the air trembles under tension")
    vow: float = part(0.35, "how much voice there is in a breath out at full energy")
    tightness: float = part(0.4, "how narrow the throat is")


class BreathRule(Rule):
    """A breath in where the heart's breath turns, and a breath out where it turns back."""

    def __init__(self, patch: Breath, setting: Setting) -> None:
        self._rng = setting.stream("breaths")
        self._breathing = Breathing()

    def events(self, span: Span) -> Iterable[Event]:
        for beat in span.beats:
            kind = self._breathing.turn(beat.breath)
            late, touch, long = self._rng.uniform(-1.0, 1.0, 3)
            step = span.step_of(beat.frame)
            if not kind or span.presence[step] == 0.0:
                continue
            energy = float(span.energy[step])
            beats = (1.45 if kind == "in" else 1.75 - 0.25 * energy) + 0.12 * float(long)
            yield Event(
                beat.frame + round((0.06 + 0.02 * float(late)) * beat.interval_s * span.rate_hz),
                kind,
                level_db=-7.0 + 6.0 * energy + 1.5 * float(touch) + (0.0 if kind == "in" else 2.5),
                duration_s=beats * beat.interval_s,
                rule="breath",
                detail={"beat": beat.number},
            )


class BreathVoice(Voice):
    """One breath in, or one out."""

    voices: ClassVar[int] = 3

    def __init__(self, patch: Breath, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        frames = MAX_STEPS * GRID_FRAMES
        self._air = setting.scratch("air", 2 * frames, np.float32)
        self._voiced = setting.scratch("voiced", 2 * frames, np.float32)
        self._breath = setting.scratch("breath", 2 * frames, np.float32)
        self._mono = np.zeros(2)
        self._tract = np.zeros((2, 2, len(_IN_HZ)))
        self._wander = setting.scratch("wander", (MAX_STEPS + 1, 5), np.float64)
        self._tail = np.zeros((2, TAIL), np.float32)
        self._phase = np.zeros(2)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._in = event.kind == "in"
        self._lasts_s = max(0.3, event.duration_s)
        self._pink = pink_state(2)
        self._tract.fill(0.0)
        self._tail.fill(0.0)
        self._mono.fill(0.0)
        self._phase[:] = rng.random(2)
        self._wander_phase = 100.0 * rng.random(5)
        self._size = float(rng.uniform(0.96, 1.05))
        self._voice_hz = float(rng.uniform(*_VOICE_HZ))
        self._rush = float(rng.uniform(0.8, 1.25))
        return self._lasts_s + 0.05

    def render(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        wander = self._wander[: span.steps + 1]
        pace = np.array([0.9, 1.3, 11.0, 23.0, 3.0]) * span.step_s
        drift(self._key, self._wander_phase, np.broadcast_to(pace, wander.shape).copy(), wander)
        tremble = 0.8 * wander[:, 2] + 0.6 * wander[:, 3]
        flow = self._flow(age_s) * (1.0 + span["flutter"] * span.tension * tremble)

        air = self._air[: 2 * span.frames].reshape(2, span.frames)
        pink(self._pink, self._key, self._age, air)
        if self._in:
            # Drawn through narrow lips: whiter than the air that leaves the chest.
            white(self._key, self._age, air)
        # A mouth is narrow: most of its air is the same on both sides.
        air[1] *= np.float32(0.42)
        air[1] += np.float32(0.9) * air[0]
        if not self._in:
            self._speak(span, wander, flow, air)

        throat = 1.0 + 0.1 * (span["tightness"] - 0.4) + 0.08 * span.tension
        opens = throat * self._size * (1.0 + 0.07 * wander[:, 0])
        # Air drawn in meets an ever narrower throat and rises; let go, it sinks.
        way = np.clip(age_s / self._lasts_s, 0.0, 1.0)
        opens = opens * (0.93 + 0.16 * way if self._in else 1.07 - 0.14 * way)
        centre_hz, width_hz, level_db = (
            (_IN_HZ, _IN_WIDTH_HZ, _IN_DB) if self._in else (_OUT_HZ, _OUT_WIDTH_HZ, _OUT_DB)
        )
        centre = np.minimum(opens[:, None] * centre_hz, 0.45 * self._rate_hz) / self._rate_hz
        width = np.broadcast_to(width_hz / self._rate_hz, centre.shape).copy()
        gain = (0.9 if self._in else 0.75) * levels(level_db) * flow[:, None]
        # White noise is as loud at every rate in its band only so; pink is by itself.
        gain *= np.sqrt(self._rate_hz / 48_000.0) if self._in else 1.0
        breath = self._breath[: 2 * span.frames].reshape(2, span.frames)
        breath.fill(0.0)
        for side in range(2):
            formants(self._tract[side], centre, width, gain, air[side], breath[side])
        mono_below(self._mono, _MONO_HZ / self._rate_hz, breath)
        out += breath
        self._age += span.frames

    def _flow(self, age_s: F64) -> F64:
        """How much air moves: in, it grows and is cut short; out, it bursts and runs out."""
        way = np.clip(age_s / self._lasts_s, 0.0, 1.0)
        if self._in:
            rise = np.sin(0.5 * np.pi * np.clip(way / 0.72, 0.0, 1.0)) ** (1.6 * self._rush)
            return rise * np.cos(0.5 * np.pi * np.clip((way - 0.78) / 0.22, 0.0, 1.0)) ** 2
        rise = np.sin(0.5 * np.pi * np.clip(age_s / 0.09, 0.0, 1.0)) ** 2
        return rise * (1.0 - way) ** (1.3 * self._rush)

    def _speak(self, span: Span, wander: F64, flow: F64, air: F32) -> None:
        """Adds a tired voice under the breath out: a low tone that sags, rough, and barely there."""
        voiced = self._voiced[: 2 * span.frames].reshape(2, span.frames)
        voiced.fill(0.0)
        sag = self._voice_hz * (1.0 + 0.05 * wander[:, 4] + 0.02 * wander[:, 3]) * (0.9 + 0.1 * flow)
        cycles = np.stack([sag, 1.011 * sag], axis=1) / self._rate_hz
        effort = 0.75 * span["vow"] * np.clip(span.energy, 0.0, 1.0) ** 2 * (0.7 + 0.3 * wander[:, 1])
        level = np.repeat(effort[:, None], 2, axis=1).astype(np.float32)
        saws(self._phase, self._tail, cycles, level, level, voiced)
        air += voiced
