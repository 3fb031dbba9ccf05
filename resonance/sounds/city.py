"""A city of floating islands, far above: the chord of a promise that is not kept.

Every island is a tone of one suspended chord, the theme's first two tones and the fifth, over three octaves;
there is no third in it, so it is neither glad nor sad, and does not close. Each drifts and swells by itself;
around it hangs a halo, the wind singing at its pitch; and a light goes to and fro between the theme's two
tones. Nothing of it is low, and little of it comes straight: it is heard by its own vast reverberation.

What it follows: energy brings it nearer, valence lights its upper islands, tension draws it off its pitch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels, ratios
from resonance.dsp.filters import BAND, HIGH, svf
from resonance.dsp.noise import white
from resonance.dsp.partials import sines
from resonance.dsp.placing import placed
from resonance.generate import theme
from resonance.tuning import strained_hz
from resonance.units import cents, db, hz, metres, part, seconds

_FIFTH = 4
_CHORD = (theme.CLIMB[0], theme.CLIMB[1], _FIFTH)
_OCTAVES = (3, 4, 5)
_OCTAVE_DB = np.array([0.0, -3.0, -13.0])
_PARTIALS = np.array([1.0, 2.0, 4.0])  # of each island: octaves, which add no tone to the chord
_PARTIAL_LEVEL = np.array([1.0, 0.2, 0.06])
_ISLANDS = len(_CHORD) * len(_OCTAVES)
_HALO_LANES = 2 * len(_CHORD)  # of the lower two octaves: above, the lights are fine enough by themselves
_HALO_Q = 70.0  # a halo about 24 cents wide: still the tone, no longer a line
_CURVES = ("swell", "side", "near", "apart")


@dataclass(frozen=True)
class City(Patch):
    """The city of floating islands, promised, far above."""

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(8.0, -120.0, 12.0, "level sent to its own reverberation")
    distance_m: float = metres(60.0, 0.5, 2000.0, "how far away it is")
    place_t60_s: float = seconds(11.0, 0.5, 60.0, "how long the sky around it rings")
    cutoff_hz: float = hz(520.0, 100.0, 4000.0, "nothing of it is heard below")
    swell_db: float = db(18.0, 0.0, 24.0, "how far each island swells and fades")
    swell_hz: float = hz(0.06, 0.005, 1.0, "how often it does, on average")
    detune_cents: float = cents(3.0, 0.0, 20.0, "how far the two lights of an island drift apart")
    halo: float = part(0.4, "the wind that sings around each island")
    beacon: float = part(0.6, "the light that goes to and fro between the theme's first two tones")


class CityVoice(Voice):
    """The whole city; there is only one."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: City, setting: Setting) -> None:
        self._setting = setting
        self._keys = {name: setting.key(name) for name in (*_CURVES, "beacon")}
        self._wind_key = setting.key("wind")
        degrees = np.tile(_CHORD, len(_OCTAVES))
        octaves = np.repeat(_OCTAVES, len(_CHORD))
        self._hz = np.array(
            [setting.tuning.hz(int(d), int(o)) for d, o in zip(degrees, octaves, strict=True)]
        )
        self._octave_db = np.repeat(_OCTAVE_DB, len(_CHORD))
        self._height = octaves - _OCTAVES[0]
        # The beacon lights the first tone while it leaves the second, and never touches the fifth.
        self._lit = np.tile((1.0, -1.0, 0.0), len(_OCTAVES))
        self._curve = {name: setting.scratch(name, (MAX_STEPS + 1, _ISLANDS), np.float64) for name in _CURVES}
        self._beacon = setting.scratch("beacon", (MAX_STEPS + 1, 2), np.float64)
        frames = MAX_STEPS * GRID_FRAMES
        self._sound = setting.scratch("sound", 2 * frames, np.float32)
        self._wind = setting.scratch("wind", _HALO_LANES * frames, np.float32)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.anew("islands", event)
        self._phase = rng.random(2 * _ISLANDS * len(_PARTIALS))
        self._curve_phase = {name: 100.0 * rng.random(_ISLANDS) for name in _CURVES}
        self._pace = {name: rng.uniform(0.6, 1.5, _ISLANDS) for name in _CURVES}
        self._beacon_phase = 100.0 * rng.random(2)
        self._lean = rng.uniform(-1.0, 0.4, _ISLANDS)
        self._halo = np.zeros((2, _HALO_LANES))
        self._high = np.zeros((2, 2))
        self._higher = np.zeros((2, 2))
        return math.inf

    def _drift(self, name: str, rate_hz: F64, step_s: float) -> F64:
        out = self._curve[name][: len(rate_hz)]
        drift(
            self._keys[name],
            self._curve_phase[name],
            (rate_hz * step_s)[:, None] * self._pace[name],
            out,
        )
        return out

    def render(self, span: Span, out: F32) -> None:
        hurry = 1.0 + 1.5 * span.tension
        swell = self._drift("swell", 2.0 * span["swell_hz"] * hurry, span.step_s)
        side = self._drift("side", 0.03 * hurry, span.step_s)
        near = self._drift("near", 0.13 * hurry, span.step_s)
        apart = self._drift("apart", 0.07 * hurry, span.step_s)
        beacon = self._beacon[: span.steps + 1]
        pace = np.full((span.steps + 1, 2), 0.11 * span.step_s)
        drift(self._keys["beacon"], self._beacon_phase, pace, beacon)

        loud_db = -7.0 + 12.0 * span.energy[:, None] + self._octave_db
        loud_db = loud_db + 7.0 * (span.valence[:, None] - 0.6) * self._height
        loud_db = loud_db + span["swell_db"][:, None] * (swell - 0.3)
        loud_db = loud_db + 14.0 * span["beacon"][:, None] * np.tanh(3.0 * beacon[:, :1]) * self._lit
        level = 0.065 * levels(loud_db)
        angle = np.pi / 4.0 * (1.0 + np.clip(1.7 * side, -0.95, 0.95))
        left, right = level * np.cos(angle), level * np.sin(angle)
        strain = strained_hz(1.0, 1.0, 1.0) ** (np.clip(span.tension - 0.4, 0.0, 0.6) / 0.6)
        pitch = self._hz * strain[:, None] ** self._lean / span.rate_hz

        sound = self._sound[: 2 * span.frames].reshape(2, span.frames)
        sound.fill(0.0)
        self._lights(span, pitch, left, right, 0.75 + 0.5 * near, apart, sound)
        self._wind_sings(span, pitch, left, right, sound)
        cutoff = np.repeat((span["cutoff_hz"] / span.rate_hz)[:, None], 2, axis=1)
        flat = np.full_like(cutoff, 0.62)
        svf(self._high, cutoff, flat, HIGH, sound, sound)
        svf(self._higher, 0.7 * cutoff, flat, HIGH, sound, sound)
        out += sound

    def _lights(
        self, span: Span, pitch: F64, left: F64, right: F64, near: F64, apart: F64, sound: F32
    ) -> None:
        """Each island's two lights, a little apart, and their overtones, which come and go."""
        half = ratios(span["detune_cents"][:, None] * (0.25 + 0.5 * np.abs(apart)))
        pair = np.concatenate((pitch * half, pitch / half), axis=1)
        cycles = (pair[:, :, None] * _PARTIALS).reshape(span.steps + 1, -1)
        lift = np.ones((span.steps + 1, _ISLANDS, len(_PARTIALS)))
        lift[:, :, 1:] = (near * (0.4 + 1.2 * span.valence[:, None]))[:, :, None]
        lift *= _PARTIAL_LEVEL
        both = [
            np.tile((side[:, :, None] * lift).reshape(span.steps + 1, -1), 2).astype(np.float32)
            for side in (left, right)
        ]
        sines(self._phase, cycles, both[0], both[1], sound)

    def _wind_sings(self, span: Span, pitch: F64, left: F64, right: F64, sound: F32) -> None:
        """The lower islands' halos: noise at their pitch."""
        wind = self._wind[: _HALO_LANES * span.frames].reshape(_HALO_LANES, span.frames)
        white(self._wind_key, span.start, wind)
        centre = np.ascontiguousarray(pitch[:, :_HALO_LANES])
        svf(self._halo, centre, np.full_like(centre, _HALO_Q), BAND, wind, wind)
        # A band of white noise holds sqrt(pi / 2 * its width) of the whole: made as loud as a light of 1.
        share = span["halo"][:, None] * np.sqrt(_HALO_Q / (np.pi * centre)) * 1.2
        placed(wind, left[:, :_HALO_LANES] * share, right[:, :_HALO_LANES] * share, sound)
