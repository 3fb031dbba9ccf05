"""A staircase to the sky: tones that rise and rise, and never arrive.

A Shepard-Risset glide: partials an octave apart climb together at one steady pace under a bell that rests,
each fading in far below and out far above (`generate/stair.py`), and each with a fainter one a fifth over it,
as voices in organum climb. Where the climb passes a tone of the tuning
it glows, and dims on the way to the next: the treads. Each partial wanders by itself between left and right.

What it follows: energy lifts its level; valence makes the treads clearer. Its pace and its bell stay: the
brightness of an endless stair must not move.

Source: Shepard 1964; Risset 1986.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Voice
from resonance.dsp import F32
from resonance.dsp.curves import drift, levels
from resonance.dsp.partials import sines
from resonance.generate import stair
from resonance.units import count, db, part, seconds

_MONO_BELOW_HZ = 120.0
_FIFTH = np.log2(1.5)
_FIFTH_LEVEL = 0.3  # by ear: it gilds the octaves, and is not told from them


@dataclass(frozen=True)
class Stair(Patch):
    """A stair that rises for ever."""

    send_db: float = db(-9.0, -120.0, 12.0, "level sent to the shared space")
    partials: int = count(8, 6, 9, "tones an octave apart, from the root up")
    octave_s: float = seconds(26.0, 4.0, 600.0, "how long it climbs for an octave")
    treads: float = part(0.6, "how much the tones of the tuning stand out as it passes them")
    width: float = part(0.7, "how far it spreads between left and right")


class StairVoice(Voice):
    """One stair, for as long as it is wanted."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: Stair, setting: Setting) -> None:
        self._n = patch.partials
        self._setting = setting
        self._bottom_hz = setting.tuning.root_hz
        self._centre = 0.5 * self._n - 0.3  # by ear: 720 Hz, where a stair is warm and still clear
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * self._n + 1), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.anew("start", event)
        self._phase = rng.random(2 * self._n)
        self._risen = float(rng.random())
        self._curve_phase = 100.0 * rng.random(2 * self._n + 1)
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        curve = self._curve[: span.steps + 1]
        drift(self._setting.key("drift"), self._curve_phase, np.full_like(curve, 0.23 * span.step_s), curve)
        climbed = np.concatenate(([self._risen], span.step_s / span["octave_s"][:-1])).cumsum()
        self._risen = float(climbed[-1])

        octaves = stair.places(climbed, self._n)
        place = np.concatenate((octaves, (octaves + _FIFTH) % self._n), axis=1)
        frequency_hz = self._bottom_hz * 2.0**place
        tuning = self._setting.tuning
        tread = stair.treads(climbed, tuning.ratios, tuning.period)
        clear = span["treads"] * (0.4 + 0.6 * span.valence)
        loud_db = -6.0 + 9.0 * span.energy + 1.2 * curve[:, -1] - 11.0 * clear * (1.0 - tread)
        level = stair.levels(place, self._n, self._centre, 1.35) * (0.075 * levels(loud_db))[:, None]
        level[:, self._n :] *= _FIFTH_LEVEL

        spread = span["width"][:, None] * np.clip((frequency_hz - _MONO_BELOW_HZ) / 300.0, 0.0, 1.0)
        angle = np.pi / 4.0 * (1.0 + spread * np.clip(1.8 * curve[:, :-1], -1.0, 1.0))
        left = (level * np.cos(angle)).astype(np.float32)
        right = (level * np.sin(angle)).astype(np.float32)
        sines(self._phase, frequency_hz / span.rate_hz, left, right, out)
