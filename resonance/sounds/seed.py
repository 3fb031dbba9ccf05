"""A seed in her palm, black as obsidian, humming with potential.

A small dark hum, so close and dry that it seems to be held to the ear. Its harmonics come one by one, and
each newcomer glints before it takes its place; every one is a pair that drifts apart by a cent or two. The
hum throbs a little, the faster the more is in it.

What it follows: `potential`, which the score lets grow, says how many harmonics there are; energy lifts the
level; tension frays the pairs and hurries the throb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Voice
from resonance.dsp import F32, F64
from resonance.dsp.curves import drift, levels, ratios
from resonance.dsp.partials import sines
from resonance.units import cents, count, db, metres, part

_LEVEL = 0.016  # brings it to -24 dBFS at half energy and half grown, at its own distance
_WIDE_FROM_HZ, _WIDE_BY_HZ = 300.0, 900.0  # the hum is a point; only its upper harmonics open a little


@dataclass(frozen=True)
class Seed(Patch):
    """A small dark hum that gathers harmonics."""

    send_db: float = db(-36.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(0.7, 0.5, 2000.0, "how far away it is: softer, duller, wetter with distance")
    harmonics: int = count(16, 9, 32, "harmonics it has when it is whole")
    octave: int = count(1, 0, 4, "how many octaves above the root it hums")
    potential: float = part(0.5, "how much of it has come to be: from its first harmonic to all of them")
    glint: float = part(0.5, "how much the newest harmonic stands out")
    throb: float = part(0.3, "how deep the hum throbs")
    detune_cents: float = cents(1.5, 0.0, 8.0, "how far the pairs drift apart")


class SeedVoice(Voice):
    """One seed; there is never more than one."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: Seed, setting: Setting) -> None:
        n = patch.harmonics
        self._setting = setting
        self._place = np.arange(1.0, n + 1.0)
        self._hum_hz = setting.tuning.hz(0, patch.octave)
        wide = 0.3 * np.clip((self._place * self._hum_hz - _WIDE_FROM_HZ) / _WIDE_BY_HZ, 0.0, 1.0)
        angle = np.pi / 4.0 * (1.0 + np.concatenate((-wide, wide)))
        # The second of a pair is softer, so that no harmonic goes out when they meet against each other.
        pair = np.repeat((1.0, 0.4), n)
        self._left, self._right = pair * np.cos(angle), pair * np.sin(angle)
        self._tilt = self._place**-0.85
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 3 * n + 1), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.anew("phases", event)
        self._phase = rng.random(2 * len(self._place))
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._pace = rng.uniform(0.7, 1.4, self._curve.shape[1])
        self._throb = 0.0
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        n = len(self._place)
        curve = self._curve[: span.steps + 1]
        hurry = (0.16 + 0.5 * span.tension) * span.step_s
        drift(self._setting.key("drift"), self._curve_phase, hurry[:, None] * self._pace, curve)
        loud = _LEVEL * levels(9.0 * (span.energy - 0.5)) * self._throbbing(span, curve[:, -1])
        breath = levels(3.0 * curve[:, :n])
        level = np.tile(self._grown(span) * breath * loud[:, None], 2)
        apart = (span["detune_cents"] * (1.0 + 1.5 * span.tension))[:, None] * curve[:, n : 3 * n]
        cycles = self._hum_hz / span.rate_hz * np.tile(self._place, 2) * ratios(apart)
        left = (level * self._left).astype(np.float32)
        right = (level * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)

    def _grown(self, span: Span) -> F64:
        """Each harmonic's level (steps + 1, n): there or not yet there, the newest glinting."""
        whole = 1.0 + span["potential"] * (len(self._place) - 1.0)
        come = whole[:, None] - self._place + 1.0
        x = np.clip(come, 0.0, 1.0)
        newest = np.exp(-(((come - 1.0) / 1.2) ** 2)) * (self._place > 1.0)
        return self._tilt * x * x * (3.0 - 2.0 * x) * (1.0 + 1.6 * span["glint"][:, None] * newest)

    def _throbbing(self, span: Span, wander: F64) -> F64:
        rate_hz = (1.4 + 3.6 * span["potential"] + 2.0 * span.tension) * (1.0 + 0.35 * wander)
        turns = np.concatenate(([self._throb], rate_hz[:-1] * span.step_s)).cumsum()
        self._throb = float(turns[-1])
        return 1.0 - span["throb"] * (0.5 - 0.5 * np.cos(2.0 * np.pi * turns)) * (0.7 + 0.6 * wander)
