"""The mountain roars in approval.

The hum's own root, driven until it breaks into overtones, through the throat of something very large. Each
roar swells for seconds: as it grows the saturation deepens and the throat opens from u to a, and closes
again. Under it a half of the root joins in and out, as in a lion's voice, with rough breath in the throat.

What it follows: energy drives it harder and brings roars more often; valence opens the vowel; tension lets
the voice break more.

Source: tract lengths and low formants of large animals, Fitch 1997; voices that break into a half of their
pitch, Fitch, Neubauer & Herzel 2002, "Calls out of chaos".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels, ratios, swell
from resonance.dsp.filters import HIGH, formants, svf
from resonance.dsp.mixing import mono_below
from resonance.dsp.noise import pink, pink_state
from resonance.dsp.partials import sines
from resonance.generate.onsets import Onsets
from resonance.units import db, part, seconds

# u, o, a of a low voice: formants in hertz and levels in decibels. Source: Peterson & Barney 1952, men; the
# upper ones raised by ear, as in a shout.
_VOWEL_HZ = np.array(
    [[300.0, 870, 2240, 3000, 3800], [480.0, 900, 2410, 3100, 3900], [730.0, 1090, 2440, 3200, 4000]]
)
_VOWEL_DB = np.array([[0.0, -6, -18, -22, -28], [0.0, -3, -13, -17, -23], [0.0, 1, -8, -12, -19]])
_BANDWIDTH_HZ = np.array([110.0, 130, 190, 240, 300])  # wider than a singer's: walls of rock that give
# Up to here the source goes, in harmonics: with the drives below, what the saturation makes of 8 · 55 Hz has
# fallen under -90 dB long before half of any rate, so nothing folds back.
_HARMONICS = 8
_MONO_BELOW_HZ = 120.0
_LIPS_HZ = 420.0


@dataclass(frozen=True)
class Roar(Patch):
    """The mountain's voice, when it approves."""

    send_db: float = db(-10.0, -120.0, 12.0, "level sent to the shared space")
    every_s: float = seconds(6.0, 2.0, 300.0, "from one roar to the next, on average, at full energy")
    swell_s: float = seconds(7.0, 1.0, 30.0, "how long a roar lasts")
    drive_db: float = db(17.0, 0.0, 18.0, "how hard the hum is driven at the height of a roar")
    openness: float = part(0.9, "how far the throat opens: u, o, a")
    growl: float = part(0.35, "the half of the root that breaks in")
    breath: float = part(0.3, "breath in the throat")
    size: float = part(0.3, "how much longer the throat is than a man's: half again at 1")


class RoarRule(Rule):
    """A roar now and then, never two alike."""

    def __init__(self, patch: Roar, setting: Setting) -> None:
        self._root_hz = setting.tuning.root_hz
        self._roars = Onsets(setting.stream("onsets"), regularity=14.0)
        self._rng = setting.stream("roars")

    def events(self, span: Span) -> Iterable[Event]:
        rate_hz = span.presence * (0.4 + 0.6 * span.energy) / span["every_s"]
        for frame in self._roars.due(span.start, rate_hz, span.step_s):
            chance = self._rng.random(4)
            yield Event(
                frame,
                "roar",
                pitch_hz=self._root_hz,
                level_db=-9.0 + 8.0 * float(span.energy[span.step_of(frame)]) + 3.0 * float(chance[0]),
                duration_s=span.at("swell_s", frame) * (0.75 + 0.5 * float(chance[1])),
                rule="roar",
                detail={"open": 0.7 + 0.3 * float(chance[2]), "rise": 0.25 + 0.25 * float(chance[3])},
            )


class RoarVoice(Voice):
    """One roar."""

    voices: ClassVar[int] = 4

    def __init__(self, patch: Roar, setting: Setting) -> None:
        self._root = setting.tuning.root_hz
        # Harmonics, and between them those of half the root.
        self._ratio = np.concatenate((np.arange(1.0, _HARMONICS + 1.0), np.arange(_HARMONICS) + 0.5))
        self._source = setting.scratch("source", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._air = setting.scratch("air", MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 8), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._air_key = int(event.key)
        self._age = 0
        self._event = event
        self._phase = rng.random(len(self._ratio))
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._throats = np.zeros((2, 2, _VOWEL_HZ.shape[1]))
        self._pink = pink_state(1)
        self._lows = np.zeros(2)
        self._lips = np.zeros((2, 1))
        self._duration_s = event.duration_s or float(span["swell_s"][0])
        return self._duration_s + 0.1

    def render(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        detail = self._event.detail
        rise_s = self._duration_s * float(detail.get("rise", 0.35))
        loud = swell(age_s, rise_s, 0.1 * self._duration_s, 0.9 * self._duration_s - rise_s)
        curve = self._curve[: span.steps + 1]
        # The first three lanes waver as a throat does, the others wander.
        pace_hz = np.array([9.0, 13.0, 5.0, 0.7, 0.6, 0.6, 0.5, 0.5])
        drift(
            self._key,
            self._curve_phase,
            np.broadcast_to(pace_hz * span.step_s, curve.shape).copy(),
            curve,
        )
        driven = self._driven(span, loud, curve)
        vowel = 2.0 * np.clip(span["openness"] * (0.7 + 0.3 * span.valence) * detail.get("open", 1.0), 0, 1)
        vowel = vowel * loud**0.5
        lower = np.minimum(vowel.astype(int), 1)
        share = (vowel - lower)[:, None]
        longer = 1.0 + 0.5 * span["size"]
        centre_hz = (_VOWEL_HZ[lower] + share * (_VOWEL_HZ[lower + 1] - _VOWEL_HZ[lower])) / longer[:, None]
        level_db = _VOWEL_DB[lower] + share * (_VOWEL_DB[lower + 1] - _VOWEL_DB[lower])
        level = levels(level_db) * (0.8 * loud * (1.0 + 0.2 * curve[:, 0]))[:, None]
        width = np.broadcast_to(_BANDWIDTH_HZ / span.rate_hz, centre_hz.shape).copy()
        for channel in range(2):
            # Two throats side by side that agree below and differ above.
            wander = 1.0 + 0.06 * curve[:, 3 + channel, None] * np.array([0.0, 1.0, 1.0, 1.0, 1.0])
            centre = centre_hz * wander / span.rate_hz
            formants(self._throats[channel], centre, width, level, driven, out[channel])
        mono_below(self._lows, _MONO_BELOW_HZ / span.rate_hz, out)
        self._age += span.frames

    def _driven(self, span: Span, loud: F64, curve: F64) -> F32:
        """The root's harmonics, saturated, with breath: mono, (frames,)."""
        source = self._source[: 2 * span.frames].reshape(2, span.frames)
        source.fill(0.0)
        wavering = ratios(5.0 * curve[:, 0] + 4.0 * curve[:, 1])
        cycles = (self._root * wavering / span.rate_hz)[:, None] * self._ratio
        breaking = np.clip(
            span["growl"] * (0.6 + 0.8 * span.tension) * (0.5 + 1.2 * curve[:, 2]) * loud, 0.0, 1.0
        )
        level = np.empty((span.steps + 1, 2 * _HARMONICS))
        level[:, :_HARMONICS] = 1.0 / np.arange(1, _HARMONICS + 1) ** 0.9
        level[:, _HARMONICS:] = 0.5 * breaking[:, None] / np.arange(1, _HARMONICS + 1) ** 0.9
        drive_db = span["drive_db"] * (0.45 + 0.55 * loud) * (0.75 + 0.25 * span.energy)
        level *= 0.7 * levels(drive_db[:, None])
        both = level.astype(np.float32)
        sines(self._phase, cycles, both, both, source)
        driven = source[0]
        # A smooth limit whose overtones fall off exponentially, since it is analytic: x / sqrt(1 + x²).
        driven /= np.sqrt(np.float32(1.0) + driven * driven)
        air = self._air[: span.frames]
        pink(self._pink, self._air_key, self._age, air.reshape(1, -1))
        rough = span["breath"] * (0.6 + 0.5 * curve[:, 1]) * loud
        driven += air * np.repeat(rough[:-1], GRID_FRAMES).astype(np.float32)
        # A mouth gives its highs away more easily than its lows, and leaves those to the drone.
        cutoff = np.full((span.steps + 1, 1), _LIPS_HZ / span.rate_hz)
        svf(self._lips, cutoff, np.full_like(cutoff, 0.6), HIGH, source[:1], source[:1])
        return driven
