"""The fall: not down, but out. All that the mountain was spreads wider and farther, until there is nothing.

It begins as one chord in the middle: harmonics of the root and pure triads over it. Each is two strands, one
on either side, at first the same tone. As it goes away the strands part: each drifts up by a few cents of
its own, or stays, none falls; what was one sound in front becomes unrelated sounds all around. The ground
goes first, so that there is no down; then the air takes the highest; what is left recedes into silence.

What it follows: energy is how loud it is, and how many of its upper tones are lit; tension hurries its
breathing. The score moves `away`, from 0, here, to 1, gone; and `distance_m` with it, so that the
reverberation outlasts what caused it.

Source: sides that share nothing are heard all around, not in a place: Blauert 1997, Spatial Hearing, ch. 3.
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
from resonance.units import cents, count, db, part

_CHORD = (0, 2, 4)
_OCTAVES = (2, 3, 4, 5, 6, 7)
_MONO_BELOW_HZ = 120.0
_FARTHEST_DB = 40.0  # how far it has sunk when it lets go for good
_LETS_GO = 0.88  # from where on the last of it fades out altogether
_MOST_OF_ROOT = 0.36  # no strand drifts up by more of the root's frequency
_BLOOM_S = 0.6  # by ear: it rises out of the impact, and does not blur it


@dataclass(frozen=True)
class Fall(Patch):
    """What the mountain was, spreading outwards until it is gone."""

    send_db: float = db(-10.0, -120.0, 12.0, "level sent to the shared space")
    partials: int = count(40, 12, 64, "harmonics of the root; chord tones come on top")
    away: float = part(0.0, "how far it has gone: 0 is here, in one piece; 1 is gone, in silence")
    widen_cents: float = cents(38.0, 0.0, 200.0, "how far up the farthest of it drifts on its way")
    breath_db: float = db(5.0, 0.0, 12.0, "how far each strand breathes, once it is on its own")


class FallVoice(Voice):
    """One cloud of strands; there is never more than one."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: Fall, setting: Setting) -> None:
        self._setting = setting
        self._key = setting.key("breath")
        root_hz = setting.tuning.root_hz
        harmonics = root_hz * np.arange(1.0, patch.partials + 1.0)
        chord = [setting.tuning.hz(degree, octave) for octave in _OCTAVES for degree in _CHORD]
        # A chord tone may be a harmonic already; it then sounds twice, and is the stronger for it.
        self._tone_hz = np.sort(np.concatenate((harmonics, chord)))
        self._n = len(self._tone_hz)
        height = np.log2(self._tone_hz / root_hz)
        self._height = height / height[-1]
        weight = 2.0 ** (-0.36 * height)
        self._weight = 0.26 * weight / np.sqrt(np.sum(weight**2))
        self._mono = self._tone_hz < _MONO_BELOW_HZ
        rng = setting.stream("strands")
        # How far up each strand drifts, the least far enough to be told from standing still; left and right
        # differ, the lowest have least far to go.
        out = rng.uniform(0.3, 1.0, (2, self._n))
        out[1] = np.where(np.abs(out[0] - out[1]) < 0.25, 0.3 + (out[0] + 0.05) % 0.7, out[1])
        self._out = np.where(self._mono, 0.0, out).reshape(-1)
        # Or it would come near the next harmonic's place, and be taken for that, sinking.
        self._most_cents = np.tile(1200.0 * np.log2(1.0 + _MOST_OF_ROOT * root_hz / self._tone_hz), 2)
        lean = rng.uniform(0.9, 1.0, self._n)
        angle = np.pi / 4.0 * (1.0 + np.where(self._mono, 0.0, lean))
        self._far, self._near = np.sin(angle), np.cos(angle)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * self._n), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.anew("phases", event)
        phase = rng.random(self._n)
        self._phase = np.concatenate((phase, phase))
        self._curve_phase = 100.0 * rng.random(2 * self._n)
        self._pace = rng.uniform(0.5, 1.5, 2 * self._n)
        self._age = 0
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        away = span["away"][:, None]
        age_s = (self._age + np.arange(span.steps + 1)) * span.step_s
        self._age += span.steps
        curve = self._curve[: span.steps + 1]
        hurry = 0.35 * (1.0 + span.tension) * span.step_s
        drift(self._key, self._curve_phase, hurry[:, None] * self._pace, curve)

        # It parts at once, then goes on ever more slowly: most of the way is gone within its first third.
        parted = 1.0 - (1.0 - away) ** 3
        widened_cents = np.minimum(span["widen_cents"][:, None] * self._out, self._most_cents)
        cycles = np.tile(self._tone_hz, 2) * np.exp2(parted * widened_cents / 1200.0)
        cycles /= span.rate_hz

        gone_db = -_FARTHEST_DB * away - 45.0 * np.maximum(away - 0.3, 0.0) * self._height
        gone_db -= np.where(self._mono, 160.0 * away, 0.0)
        lit = 10.0 * (span.energy[:, None] - 0.9) * (0.4 + 0.6 * self._height)
        bloom = np.sin(0.5 * np.pi * np.clip(age_s / _BLOOM_S, 0.0, 1.0)) ** 2
        held = np.cos(0.5 * np.pi * np.clip((away - _LETS_GO) / (1.0 - _LETS_GO), 0.0, 1.0)) ** 2
        level = self._weight * levels(gone_db + lit) * bloom[:, None] * held
        # In one piece both sides breathe as one; on their own each breathes for itself.
        n = self._n
        own, shared = curve, np.tile(curve[:, :n], 2)
        together = np.where(np.tile(self._mono, 2), 1.0, 1.0 - parted)
        breath = levels(span["breath_db"][:, None] * (shared * together + own * (1.0 - together)))
        strand = np.tile(level, 2) * breath

        # To the sides within the first eighth of the way: far is out before it is faint.
        aside = np.clip(8.0 * away, 0.0, 1.0)
        middle = math.sqrt(0.5)
        outer = middle + (self._far - middle) * aside
        inner = middle + (self._near - middle) * aside
        left = np.concatenate((strand[:, :n] * outer, strand[:, n:] * inner), axis=1).astype(np.float32)
        right = np.concatenate((strand[:, :n] * inner, strand[:, n:] * outer), axis=1).astype(np.float32)
        sines(self._phase, cycles, left, right, out)
