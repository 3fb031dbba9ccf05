"""The fire is carried: one ember, that outlasts all else.

A warm glow breathes, four heartbeats to a breath: soft tones over the root that light up one after another,
and a breath of air through them. Now and then it ticks, as coals do when they settle: small, round, low.

What it follows: the heart gives its breath; energy and valence warm the glow; energy brings the ticks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, octaves, ratios
from resonance.dsp.filters import BAND, svf
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import pink, pink_state
from resonance.dsp.partials import sines
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, metres, part

_HARMONIC = np.array([3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0])  # a pure chord over the root, without the root
_BREATH_BEATS = 4.0
_TICK_MODES = 3
_MONO_BELOW_HZ = 120.0


@dataclass(frozen=True)
class Ember(Patch):
    """One ember, glowing."""

    send_db: float = db(-24.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(2.0, 0.5, 2000.0, "how far away it is")
    glow: float = part(0.5, "the warm tones")
    air: float = part(0.4, "the breath through them")
    depth: float = part(0.6, "how far it dims between two breaths")
    warmth_hz: float = hz(330.0, 100.0, 2000.0, "where the glow is warmest")
    tick_hz: float = hz(0.55, 0.0, 8.0, "how often it ticks, on average")


class EmberRule(Sustain):
    """It glows while it is wanted, and ticks by chance."""

    def __init__(self, patch: Ember, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._ticks = Onsets(setting.stream("ticks"), regularity=0.8)
        self._rng = setting.stream("tick")

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        rate_hz = span["tick_hz"] * (0.8 + 2.0 * span.energy) * span.presence
        for frame in self._ticks.due(span.start, rate_hz, span.step_s):
            chance = self._rng.random(4)
            yield Event(
                frame,
                "tick",
                level_db=-38.0 + 12.0 * float(chance[0]) ** 2,
                duration_s=0.05 + 0.12 * float(chance[1]),
                rule="settling",
                detail={"pan": 0.8 * float(chance[2]) - 0.4},
            )


class EmberVoice(Voice):
    """The glow, or one tick."""

    voices: ClassVar[int] = 8

    def __init__(self, patch: Ember, setting: Setting) -> None:
        self._setting = setting
        self._harmonic_hz = _HARMONIC * setting.tuning.root_hz
        angle = np.pi / 4.0 * (1.0 + 0.5 * np.array([0.0, -0.4, 0.5, -0.7, 0.8, -1.0, 1.0]))
        self._left, self._right = np.cos(angle), np.sin(angle)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * len(_HARMONIC) + 2), np.float64)
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._excitation = setting.scratch("excitation", MAX_STEPS * GRID_FRAMES, np.float32)
        self._state = np.zeros((2, _TICK_MODES))
        self._rotation = np.zeros((1, 2, _TICK_MODES))

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._tick = event.kind == "tick"
        if self._tick:
            return self._settle(event)
        rng = self._setting.anew("glow", event)
        self._phase = rng.random(len(_HARMONIC))
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._breath = 0.75
        self._pink = pink_state(2)
        self._filter = np.zeros((2, 2))
        self._lows = np.zeros(2)
        return math.inf

    def _settle(self, event: Event) -> float:
        """A coal settles: a round push of some milliseconds into a few low, short resonances."""
        rng = np.random.Generator(np.random.PCG64(event.key))
        frequency_hz = rng.uniform(320.0, 620.0) * np.array([1.0, 2.1, 3.7]) * rng.uniform(0.95, 1.05, 3)
        t60_s = event.duration_s / np.array([1.0, 1.6, 2.5])
        self._rotation[0] = mode_coefficients(frequency_hz, t60_s, self._setting.rate_hz)
        self._state.fill(0.0)
        self._strike = np.array([1.0, 0.5, 0.3])
        angle = np.pi / 4.0 * (1.0 + float(event.detail.get("pan", 0.0)))
        self._tick_left = np.full(_TICK_MODES, np.cos(angle), np.float32)
        self._tick_right = np.full(_TICK_MODES, np.sin(angle), np.float32)
        frames = int(rng.uniform(0.002, 0.004) * self._setting.rate_hz)
        push = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) ** 2
        self._push = (push / push.sum()).astype(np.float32)
        return 1.2 * event.duration_s

    def render(self, span: Span, out: F32) -> None:
        if self._tick:
            excitation = self._excitation[: span.frames]
            excitation.fill(0.0)
            push = self._push[self._age : self._age + span.frames]
            excitation[: len(push)] = push
            modes(
                self._state,
                self._rotation,
                self._strike,
                self._tick_left,
                self._tick_right,
                excitation,
                out,
            )
        else:
            self._glowing(span, out)
        self._age += span.frames

    def _glowing(self, span: Span, out: F32) -> None:
        curve = self._curve[: span.steps + 1]
        drift(self._setting.key("glow"), self._curve_phase, np.full_like(curve, 0.19 * span.step_s), curve)
        n = len(_HARMONIC)
        breath = self._breathing(span, curve[:, -1])
        warm = 0.6 + 0.5 * span.valence + 0.8 * span.energy
        away = np.log2(self._harmonic_hz / span["warmth_hz"][:, None])
        lit = np.exp(-0.7 * away * away + 1.2 * curve[:, :n] - 0.9 * np.abs(away) * (1.0 - breath[:, None]))
        level = 0.0048 * lit * (span["glow"] * warm * breath)[:, None]
        cycles = self._harmonic_hz * ratios(2.5 * curve[:, n : 2 * n]) / span.rate_hz
        left = (level * self._left).astype(np.float32)
        right = (level * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)

        noise = self._noise[: 2 * span.frames].reshape(2, span.frames)
        pink(self._pink, int(self._setting.key("air")), span.start, noise)
        cutoff = span["warmth_hz"] * octaves(1.2 * breath + 0.5 * curve[:, -2])
        cutoff = (cutoff / span.rate_hz)[:, None] * np.ones(2)
        svf(self._filter, cutoff, np.full_like(cutoff, 1.1), BAND, noise, noise)
        mono_below(self._lows, _MONO_BELOW_HZ / span.rate_hz, noise)
        ramped(noise, 0.012 * span["air"] * warm * breath * breath, out)

    def _breathing(self, span: Span, wander: F64) -> F64:
        """One breath in four beats, in faster than out, never to nothing: level at the borders."""
        turns = span.bpm / 60.0 / _BREATH_BEATS * (1.0 + 0.15 * wander) * span.step_s
        phase = np.concatenate(([self._breath], turns[:-1])).cumsum()
        self._breath = float(phase[-1])
        x = phase % 1.0
        bent = np.where(x < 0.4, x / 0.8, 0.5 + (x - 0.4) / 1.2)
        return 1.0 - span["depth"] * (0.5 + 0.5 * np.cos(2.0 * np.pi * bent))
