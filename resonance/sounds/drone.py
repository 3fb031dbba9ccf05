"""The mountain hums: a low harmonic tone that breathes, and glows like molten glass.

Every harmonic of the root breathes on a slow random curve of its own, in a pair that leans left and right
and drifts a cent or two apart. A glow wanders along the upper harmonics, as in overtone singing. A stack of
saws under a resonant low-pass gives it body.

What it follows: energy opens the low-pass, lifts the level and lights the glow; valence favours the
harmonics that make pure triads; tension favours the seventh, eleventh and thirteenth, and breathes faster.

Source: the emphasis of single harmonics is that of Tuvan singing, Levin & Edgerton 1999.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Voice
from resonance.dsp import F32, F64
from resonance.dsp.curves import drift, levels, octaves, ratios
from resonance.dsp.filters import svf
from resonance.dsp.oscillators import TAIL, saws
from resonance.dsp.partials import sines
from resonance.units import cents, count, db, hz, part

_LOW_PASS = 0
_SAW_HARMONIC = np.array([1.0, 1.0, 2.0, 2.0, 3.0])
_SAW_PAN = np.array([0.0, 0.0, -0.5, 0.5, 0.0])
_MONO_BELOW_HZ = 120.0
_GLOW = -0.5 * math.log2(math.e) / 0.22**2  # a bell, 0.22 octaves to each side


@dataclass(frozen=True)
class Drone(Patch):
    """The mountain's hum, low and resonant, breathing."""

    partials: int = count(32, 8, 64, "harmonics of the root")
    breath_hz: float = hz(0.08, 0.01, 1.0, "how often each harmonic breathes, on average")
    breath_db: float = db(5.0, 0.0, 12.0, "how far each harmonic breathes up and down")
    detune_cents: float = cents(1.6, 0.0, 5.0, "how far the pairs and the saws drift apart")
    glow: float = part(0.4, "the light that wanders along the upper harmonics")
    body: float = part(0.5, "the saws under their low-pass")
    cutoff_hz: float = hz(220.0, 40.0, 4000.0, "where the saws' low-pass closes when all is still")
    resonance: float = part(0.35, "how much that low-pass sings")


class DroneVoice(Voice):
    """One long breath; there is never more than one."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: Drone, setting: Setting) -> None:
        n = patch.partials
        self._n = n
        self._harmonic = np.arange(1.0, n + 1.0)
        self._height = np.log2(self._harmonic)
        self._setting = setting
        self._root = setting.tuning.root_hz / setting.rate_hz
        wide = np.clip((self._harmonic * setting.tuning.root_hz - _MONO_BELOW_HZ) / 200.0, 0.0, 1.0)
        angle = np.pi / 4.0 * (1.0 + 0.62 * np.concatenate((-wide, wide)))
        self._left, self._right = np.cos(angle), np.sin(angle)
        angle = np.pi / 4.0 * (1.0 + _SAW_PAN)
        self._saw_left, self._saw_right = np.cos(angle), np.sin(angle)
        self._family = np.array([_kinship(k) for k in range(1, n + 1)])
        self._curves = {
            name: np.empty((MAX_STEPS + 1, lanes))
            for name, lanes in (("breath", 2 * n), ("detune", 2 * n + 5), ("wander", 3))
        }
        self._saw_out = np.zeros((2, MAX_STEPS * 64), np.float32)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.stream("phases")
        n = self._n
        self._phase = rng.random(2 * n)
        self._saw_phase = rng.random(5)
        self._tail = np.zeros((2, TAIL), np.float32)
        self._filter = np.zeros((2, 2))
        self._drift_phase = {name: 100.0 * rng.random(c.shape[1]) for name, c in self._curves.items()}
        self._pace = {name: rng.uniform(0.6, 1.4, c.shape[1]) for name, c in self._curves.items()}
        return math.inf

    def _drift(self, name: str, rate_hz: F64, span: Span) -> F64:
        """Slow random curves (steps + 1, lanes) in -1 to 1, at a rate that may move."""
        out = self._curves[name][: span.steps + 1]
        increment = (rate_hz * span.step_s)[:, None] * self._pace[name]
        drift(self._setting.key(name), self._drift_phase[name], increment, out)
        return out

    def render(self, span: Span, out: F32) -> None:
        hurry = 1.0 + 1.5 * span.tension
        breath = self._drift("breath", span["breath_hz"] * hurry, span)
        detune = self._drift("detune", 0.11 * hurry, span) * span["detune_cents"][:, None]
        wander = self._drift("wander", 0.045 * hurry, span)
        loud = levels(-9.0 + 13.0 * span.energy + 1.5 * wander[:, 2])

        cycles = self._root * np.tile(self._harmonic, 2) * ratios(detune[:, : 2 * self._n])
        level = np.tile(self._levels(span, wander), 2) * levels(span["breath_db"][:, None] * breath)
        level *= loud[:, None]
        left = (level * self._left).astype(np.float32)
        right = (level * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)

        self._saws(span, detune[:, 2 * self._n :], wander, loud, out)

    def _levels(self, span: Span, wander: F64) -> F64:
        """Each harmonic's level (steps + 1, n), before it breathes."""
        bright = span.energy[:, None]
        tilt = octaves((0.65 * bright - 1.9) * self._height)
        tilt[:, 0] *= 0.62  # the fundamental is felt more than heard: room for the heart
        centre = np.log2(9.0 + 7.0 * span.valence + 6.0 * wander[:, 0])[:, None]
        glow = octaves(_GLOW * (self._height - centre) ** 2 - 0.55 * self._height)
        glow *= (span["glow"] * (0.25 + 0.75 * span.energy) * (0.7 + 0.3 * wander[:, 1]))[:, None]
        pure = span.valence[:, None] * 0.9 - 0.45 - 0.6 * span.tension[:, None]
        return 0.11 * (tilt + 0.55 * glow) * octaves(1.587 * pure * self._family)

    def _saws(self, span: Span, detune: F64, wander: F64, loud: F64, out: F32) -> None:
        cycles = self._root * _SAW_HARMONIC * ratios(1.6 * detune)
        level = (0.085 * span["body"] * loud)[:, None] / _SAW_HARMONIC**0.5
        stack = self._saw_out.reshape(-1)[: 2 * span.frames].reshape(2, span.frames)
        stack.fill(0.0)
        saws(
            self._saw_phase,
            self._tail,
            cycles,
            (level * self._saw_left).astype(np.float32),
            (level * self._saw_right).astype(np.float32),
            stack,
        )
        opening = octaves(3.2 * span.energy + 0.7 * wander[:, 1])
        cutoff = np.minimum(span["cutoff_hz"] * opening, 9000.0) / span.rate_hz
        q = 0.6 + 4.0 * span["resonance"]
        both = np.ones(2)
        svf(self._filter, cutoff[:, None] * both, q[:, None] * both, _LOW_PASS, stack, stack)
        out += stack


def _kinship(harmonic: int) -> float:
    """How much a harmonic belongs to a pure triad: 1 for those of 2, 3 and 5 only, -1 for 7 and above."""
    for prime in (2, 3, 5):
        while harmonic % prime == 0:
            harmonic //= prime
    return 1.0 if harmonic == 1 else -1.0
