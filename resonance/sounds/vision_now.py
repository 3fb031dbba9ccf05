"""And then you, here, now: the only path that matters. A pure chord, still, near, warm.

The root comes first, then the chord above it, four to five to six, tone by tone. Nothing wavers: every tone
is pure and just, and lies far enough from its neighbours to rub against none. Only their levels move, with a
breath of four beats and slowly by themselves; the heart beats under it.

What it follows: `clarity`, how far the vision has come true; energy lifts the level; valence brings the chord
forward over its root. Tension cannot touch its tuning: this is home.

Source: Plomp & Levelt 1965 (tones a critical band apart are consonant); Zwicker 1961 for how wide one is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels
from resonance.dsp.partials import sines
from resonance.units import count, db, metres, part, seconds

# Below 300 Hz the root and its octave stand alone, a critical band apart; the chord begins two octaves up.
_RATIO = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0])
_LEVEL = 0.033 * 10.0 ** (np.array([0.0, -13.0, -10.5, -22.0, -12.5, -40.0, -22.0, -50.0]) / 20.0)
"""By ear and by roughness: the third is soft between its neighbours, and sounds again an octave up."""
_ENTERS = np.array([0.0, 0.35, 0.7, 1.15, 1.6, 2.0, 2.0, 2.0]) / 2.0
_CHORD = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
_BREATHES = np.array([0.04, 0.12, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5])
"""How far each tone breathes: the lowest least, since there a breath's sidebands lie most cents away."""
_PAN = np.array([0.0, 0.0, -0.3, 0.32, 0.04, 0.4, -0.45, 0.2])
_LEAVES_S = 1.5


@dataclass(frozen=True)
class VisionNow(Patch):
    """The root chord, near, warm, in tune."""

    send_db: float = db(-20.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(1.0, 0.5, 2000.0, "how far away it is: softer, duller, wetter with distance")
    octave: int = count(1, 0, 4, "how many octaves above the root its lowest tone lies")
    clarity: float = part(1.0, "how far the vision has come true: at 0 it is not there")
    enters_s: float = seconds(2.0, 0.0, 60.0, "from the root's entry to the last tone's")
    warmth: float = part(0.5, "the octaves over the chord, from none to a glow")
    breath: float = part(0.5, "how far the tones swell and sink with the breath")


class VisionNowRule(Sustain):
    """It is there while the vision is."""

    def events(self, span: Span) -> Iterable[Event]:
        return super().events(replace(span, presence=span.presence * span["clarity"]))


class VisionNowVoice(Voice):
    """One chord."""

    voices: ClassVar[int] = 2

    def __init__(self, patch: VisionNow, setting: Setting) -> None:
        self._root_hz = setting.tuning.hz(0, patch.octave)
        self._rate_hz = setting.rate_hz
        self._phase = np.zeros(len(_RATIO))
        angle = np.pi / 4.0 * (1.0 + _PAN)
        self._left, self._right = np.cos(angle), np.sin(angle)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, len(_RATIO)), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._ends_s = math.inf
        self._held = not event.sustained
        self._cycles = (event.pitch_hz or self._root_hz) / self._rate_hz * _RATIO
        self._phase[:] = rng.random(len(_RATIO))
        self._curve_phase = 100.0 * rng.random(len(_RATIO))
        self._breath = 0.0
        return math.inf

    def release(self, velocity: float = 0.5) -> float:
        self._ends_s = self._age / self._rate_hz
        return _LEAVES_S

    def render(self, span: Span, out: F32) -> None:
        curve = self._curve[: span.steps + 1]
        drift(self._key, self._curve_phase, np.full_like(curve, 0.07 * span.step_s), curve)
        breath = self._breathing(span)[:, None] + 0.8 * curve
        level = _LEVEL * self._entered(span) * (1.0 + 2.0 * span["breath"][:, None] * _BREATHES * breath)
        level *= levels(7.0 * (span.energy - 0.5))[:, None]
        level *= levels(4.0 * (span.valence - 0.8)[:, None] * _CHORD)
        level[:, 5:] *= 2.0 * span["warmth"][:, None]
        if not self._held:
            level *= np.sin(0.5 * np.pi * span["clarity"])[:, None] ** 2
        cycles = np.broadcast_to(self._cycles, level.shape).copy()
        left = (level * self._left).astype(np.float32)
        right = (level * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)
        self._age += span.frames

    def _entered(self, span: Span) -> F64:
        """How much of each tone is there (steps + 1, n): one after the other, and all gone when let go."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        come = np.clip((age_s[:, None] - _ENTERS * span["enters_s"][:, None]) / 0.9, 0.0, 1.0)
        left = np.clip((age_s - self._ends_s) / _LEAVES_S, 0.0, 1.0)
        return np.sin(0.5 * np.pi * come) ** 2 * np.cos(0.5 * np.pi * left)[:, None] ** 2

    def _breathing(self, span: Span) -> F64:
        """In and out, once in four beats: -1 to 1."""
        turns = np.concatenate(([self._breath], span.bpm[:-1] / 240.0 * span.step_s)).cumsum()
        self._breath = float(turns[-1])
        return -np.cos(2.0 * np.pi * turns)
