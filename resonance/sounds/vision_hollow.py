"""Another who kept climbing, only to find the summit empty: the theme, whole, and nobody there.

Glass with nothing inside: every tone has its odd partials only, which is what makes a stopped pipe sound
hollow. Struck, it sings up as a bowed glass does, and is damped when the next begins, so that the long
ringing is that of a vast empty place of its own. The theme climbs at two heartbeats a tone, each tone farther
off, and for once it reaches the octave: the thinnest of all, and nothing answers. Whoever stays there hears
single tones, seldom and far away.

What it follows: `clarity`, how far the vision has come; the heart sets the pace; energy strikes harder;
valence brightens the strike.

Source: Helmholtz 1863, On the Sensations of Tone, ch. 5: with uneven partials only, a tone is hollow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Visits, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels, ratios
from resonance.dsp.partials import sines
from resonance.generate import theme
from resonance.units import count, db, metres, part, seconds

_WHOLE = (*theme.CLIMB, theme.OCTAVE)
_ODD = np.arange(1.0, 16.0, 2.0)
_THERE = 0.3  # the clarity at which the vision is taken for true, and the climb begins
_DAMPED_S = 1.2
_FARTHER = 1.22  # each tone of the climb is so much farther off: the octave three times as far as the first


@dataclass(frozen=True)
class VisionHollow(Patch):
    """The theme, whole, in odd partials, in a vast empty place."""

    facts: ClassVar = {"partials": " ".join(f"{k:g}" for k in _ODD)}

    send_db: float = db(2.0, -120.0, 12.0, "level sent to its own place")
    distance_m: float = metres(6.0, 0.5, 2000.0, "how far away it is: softer, duller, wetter with distance")
    place_t60_s: float = seconds(14.0, 0.2, 60.0, "how long its own place rings")
    octave: int = count(2, 0, 4, "how many octaves above the root it climbs")
    clarity: float = part(1.0, "how far the vision has come true: at 0 it is not there")
    t60_s: float = seconds(6.0, 0.2, 20.0, "how long the lowest partial would ring, undamped")
    bowed: float = part(0.5, "how much a tone sings up after it was struck")
    hardness: float = part(0.35, "how many of the upper partials a strike wakes")


class VisionHollowRule(Rule):
    """The theme at every other heartbeat, once, up to the octave; then, seldom, a single tone far away."""

    def __init__(self, patch: VisionHollow, setting: Setting) -> None:
        self._patch = patch
        self._tuning = setting.tuning
        self._rng = setting.stream("tones")
        self._visits = Visits()
        self._place = self._wait = 0

    def events(self, span: Span) -> Iterable[Event]:
        if self._visits.begin(span):
            self._place = self._wait = 0
        for beat in span.beats:
            step = span.step_of(beat.frame)
            if span.presence[step] * span["clarity"][step] < _THERE:
                self._place = self._wait = 0
                continue
            self._wait -= 1
            if self._wait > 0:
                continue
            chance = self._rng.random(4)
            climbing = self._place < len(_WHOLE)
            place = self._place if climbing else int(chance[0] * len(theme.CLIMB))
            far = _FARTHER ** (place if climbing else len(_WHOLE) + 1)
            last = place == len(_WHOLE) - 1
            self._place += 1
            self._wait = 2 if self._place < len(_WHOLE) else 14 + int(8.0 * chance[1])
            yield Event(
                beat.frame + int(0.03 * chance[2] * span.rate_hz),
                "tone",
                pitch_hz=self._tuning.hz(_WHOLE[place], self._patch.octave),
                level_db=-6.0 + 6.0 * float(span.energy[step]) - (11.0 if last else 0.0),
                duration_s=(2.0 if climbing else 2.6) * beat.interval_s,
                rule="theme" if climbing else "echo",
                detail={
                    **({"place": place + 1} if climbing else {}),
                    "pan": 0.5 * float(chance[3]) - 0.25,
                    "distance_m": 4.0 * far,
                    "thinness": place / (len(_WHOLE) - 1.0),
                },
            )


class VisionHollowVoice(Voice):
    """One tone, struck and singing."""

    voices: ClassVar[int] = 3

    def __init__(self, patch: VisionHollow, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._phase = np.zeros(len(_ODD))
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, len(_ODD) + 1), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._phase[:] = 0.0
        self._pitch = (event.pitch_hz or 220.0) / self._rate_hz
        self._ends_s = event.duration_s if event.duration_s > 0.0 else math.inf
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        thin = float(event.detail.get("thinness", 0.0))
        bright = float(span["hardness"][0]) + 0.3 * (float(span.valence[0]) - 0.25)
        self._weight = 0.36 * _ODD ** -(1.2 - 0.9 * min(max(bright, 0.0), 1.0) + 0.3 * thin)
        self._bow = float(span["bowed"][0])
        self._fall = math.log(1000.0) / float(span["t60_s"][0]) * (1.0 + 0.22 * (_ODD - 1.0))
        angle = np.pi / 4.0 * (1.0 + float(event.detail.get("pan", 0.0)))
        self._left, self._right = math.cos(angle), math.sin(angle)
        return self._ends_s + _DAMPED_S

    def release(self, velocity: float = 0.5) -> float:
        self._ends_s = min(self._ends_s, self._age / self._rate_hz)
        return _DAMPED_S

    def render(self, span: Span, out: F32) -> None:
        curve = self._curve[: span.steps + 1]
        drift(self._key, self._curve_phase, np.full_like(curve, 0.8 * span.step_s), curve)
        level = self._weight * self._envelope(span) * levels(2.0 * curve[:, 1:])
        cycles = self._pitch * _ODD * ratios(2.0 * curve[:, :1])
        left = (level * self._left).astype(np.float32)
        right = (level * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)
        self._age += span.frames

    def _envelope(self, span: Span) -> F64:
        """A strike that dies away, highest partials first, and a bow that swells under the lowest."""
        age_s = ((self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz)[:, None]
        struck = np.exp(-self._fall * age_s) * np.sin(0.5 * np.pi * np.clip(age_s / 0.006, 0.0, 1.0)) ** 2
        swell = np.sin(0.5 * np.pi * np.clip(age_s / 0.9, 0.0, 1.0)) ** 2
        sung = 1.7 * self._bow * swell * np.exp(-0.5 * self._fall[0] * age_s) / _ODD**0.45
        damped = np.cos(0.5 * np.pi * np.clip((age_s - self._ends_s) / _DAMPED_S, 0.0, 1.0)) ** 2
        return (struck + sung) * damped
