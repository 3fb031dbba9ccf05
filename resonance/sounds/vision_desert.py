"""One who gave up, adrift in a desert of regrets: dry wind over nothing, and a lullaby that breaks off.

The wind is pink noise through two bands that wander, one that rushes and one that whistles, with sand hissing
in its gusts. Nothing lies under 200 Hz, and no wall answers. Now and then a small voice begins the theme; it
has two tones, and on the second it breaks: the pitch gives way, the tone stops, some breath is left. The
longer one stays, the more seldom it tries.

What it follows: `clarity`, how far the vision has come true; energy drives the wind; tension sharpens the
whistle and leans the voice off its pitch; the heart sets the voice's pace.

Source: wind's whistling bands, Farnell 2010, Designing Sound, ch. 41.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Beat, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, ratios
from resonance.dsp.filters import BAND, HIGH, formants, svf
from resonance.dsp.mixing import ramped
from resonance.dsp.noise import evened, pink, pink_state, white
from resonance.dsp.partials import sines
from resonance.dsp.vowels import WOMAN, formants_at, sung
from resonance.generate import theme
from resonance.tuning import strained_hz
from resonance.units import count, db, hz, metres, part

_GROUNDLESS_HZ = 210.0  # what lies under it is cut off, twice
_SAND_HZ = 6200.0
_THERE = 0.3  # the clarity at which the vision is taken for true, and the voice begins
_BREAKS_S = 0.11
_BREATH_S = 0.45
_GLIDE_S = 0.14
_TOP_HZ = 4400.0
_WANDERS_HZ = np.array([0.24, 0.85, 0.3, 0.4, 0.3, 0.5])
"""How often each curve of the wind turns: long gusts, short gusts, and the bands."""


@dataclass(frozen=True)
class VisionDesert(Patch):
    """Dry wind, and a lullaby that breaks off after two tones."""

    send_db: float = db(-120.0, -120.0, 12.0, "level sent to the shared space: the desert has no walls")
    distance_m: float = metres(4.0, 0.5, 2000.0, "how far away it is: softer, duller, wetter with distance")
    clarity: float = part(1.0, "how far the vision has come true: at 0 it is not there")
    octave: int = count(2, 1, 4, "how many octaves above the root the voice lies")
    wind_db: float = db(0.0, -120.0, 12.0, "level of the wind")
    wind_hz: float = hz(760.0, 300.0, 4000.0, "where the wind rushes")
    whistle: float = part(0.5, "the second, narrow band, high above")
    sand: float = part(0.4, "sand that hisses in the gusts")
    gusts: float = part(0.6, "how unequal the wind is")
    voice_db: float = db(0.0, -120.0, 12.0, "level of the voice in the wind")
    breath: float = part(0.6, "breath in the voice")


class VisionDesertRule(Sustain):
    """The wind is there while the vision is; in it, now and then, two tones of the theme."""

    def __init__(self, patch: VisionDesert, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._octave = patch.octave
        self._tuning = setting.tuning
        self._rng = setting.stream("phrases")
        self._wait = 2
        self._tries = 0

    def events(self, span: Span) -> Iterable[Event]:
        here = span.presence * span["clarity"]
        yield from super().events(replace(span, presence=here))
        for beat in span.beats:
            if here[span.step_of(beat.frame)] < _THERE:
                self._wait, self._tries = 2, 0
                continue
            self._wait -= 1
            if self._wait <= 0:
                yield from self._phrase(beat, span)

    def _phrase(self, beat: Beat, span: Span) -> Iterator[Event]:
        chance = self._rng.random(5)
        lean = theme.lean(self._rng)
        step = span.step_of(beat.frame)
        self._wait = 5 + min(self._tries, 8) + int(3.0 * chance[0])
        first = 0 if self._tries == 0 else int(chance[1] * (len(theme.CLIMB) - 1))
        self._tries += 1
        holds_s = np.array([1.5 + 0.3 * chance[2], 0.5 + 0.6 * chance[3]]) * beat.interval_s
        pitches_hz = [
            strained_hz(self._tuning.hz(theme.CLIMB[place], self._octave), float(span.tension[step]), lean)
            for place in (first, first + 1)
        ]
        phrase = Event(
            beat.frame,
            "phrase",
            pitch_hz=pitches_hz[0],
            level_db=span.at("voice_db", beat.frame) - min(1.5 * (self._tries - 1), 9.0),
            duration_s=float(holds_s.sum()),
            rule="broken",
            detail={
                "turns_s": float(holds_s[0]),
                "second_hz": pitches_hz[1],
                "pan": 0.9 * float(chance[4]) - 0.45,
            },
        )
        yield phrase
        for k in (0, 1):
            yield Event(
                beat.frame + round(k * float(holds_s[0]) * span.rate_hz),
                "tone",
                pitch_hz=pitches_hz[k],
                level_db=phrase.level_db,
                duration_s=float(holds_s[k]),
                rule="theme",
                follows=phrase,
                detail={"place": first + k + 1},
                sounds=False,
            )


class VisionDesertVoice(Voice):
    """The wind; or one phrase of the voice in it."""

    voices: ClassVar[int] = 3

    def __init__(self, patch: VisionDesert, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        lowest_hz = setting.tuning.hz(0, patch.octave)
        self._harmonic = np.arange(1.0, 1.0 + max(4, int(_TOP_HZ / lowest_hz)))
        self._phase = np.zeros(len(self._harmonic))
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 6), np.float64)
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._band = setting.scratch("band", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._throat = np.zeros((2, len(WOMAN.bandwidth_hz)))
        self._pink = pink_state(2)
        self._filters = np.zeros((5, 2, 2))

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._wind = event.sustained
        if self._wind:
            self._pink.fill(0.0)
            self._filters.fill(0.0)
            return math.inf
        self._phase[:] = rng.random(len(self._phase))
        self._throat.fill(0.0)
        self._ends_s = event.duration_s or math.inf
        self._turns_s = float(event.detail.get("turns_s", math.inf))
        self._pitches_hz = (event.pitch_hz or 220.0, float(event.detail.get("second_hz", 220.0)))
        self._vowels = rng.uniform(0.5, 1.3, 2)
        angle = np.pi / 4.0 * (1.0 + float(event.detail.get("pan", 0.0)))
        self._left, self._right = math.cos(angle), math.sin(angle)
        return self._ends_s + _BREATH_S

    def release(self, velocity: float = 0.5) -> float:
        self._ends_s = min(self._ends_s, self._age / self._rate_hz)
        return _BREATH_S

    def render(self, span: Span, out: F32) -> None:
        curve = self._curve[: span.steps + 1]
        pace_hz = _WANDERS_HZ if self._wind else 4.0 * _WANDERS_HZ
        increment = np.broadcast_to(pace_hz * span.step_s, curve.shape).copy()
        drift(self._key, self._curve_phase, increment, curve)
        if self._wind:
            self._blow(span, curve, out)
        else:
            self._sing(span, curve, out)
        self._age += span.frames

    def _blow(self, span: Span, curve: F64, out: F32) -> None:
        """Wind: a rushing band, a whistling one, and sand, all moved by the same gusts."""
        frames = span.frames
        noise = self._noise[: 2 * frames].reshape(2, frames)
        band = self._band[: 2 * frames].reshape(2, frames)
        two = np.ones(2)
        flat = np.full((span.steps + 1, 2), math.sqrt(0.5))
        ground = np.full((span.steps + 1, 2), _GROUNDLESS_HZ / span.rate_hz)
        gust = np.exp(span["gusts"] * (1.5 * curve[:, 0] + 1.1 * curve[:, 1]))
        loud = np.sin(0.5 * np.pi * span["clarity"]) ** 2 * 10.0 ** (
            (span["wind_db"] + 11.0 * (span.energy - 0.5)) / 20.0
        )
        pink(self._pink, self._key, self._age, noise)
        svf(self._filters[0], ground, flat, HIGH, noise, noise)
        svf(self._filters[1], ground, flat, HIGH, noise, noise)

        # Each ear hears the band a little higher or lower, so that the wind has a width of its own.
        ears = 1.0 + 0.1 * np.stack((curve[:, 2], -curve[:, 2]), axis=1)
        rush = (span["wind_hz"] * gust**0.45 * 2.0 ** (0.5 * curve[:, 3]) / span.rate_hz)[:, None] * ears
        svf(self._filters[2], rush, 2.0 * flat, BAND, noise, band)
        ramped(band, 0.22 * loud * gust, out)

        high = (3.1 * span["wind_hz"] * 2.0 ** (0.45 * curve[:, 4]) / span.rate_hz)[:, None] * ears
        q = (7.0 + 14.0 * span.tension)[:, None] * two
        svf(self._filters[3], high, q, BAND, noise, band)
        ramped(band, 0.6 * span["whistle"] * loud * gust * np.maximum(0.25 + curve[:, 5], 0.0), out)

        sand = np.full((span.steps + 1, 2), _SAND_HZ / span.rate_hz)
        svf(self._filters[4], sand, flat, BAND, noise, band)
        ramped(band, 0.13 * span["sand"] * loud * gust * gust, out)

    def _sing(self, span: Span, curve: F64, out: F32) -> None:
        """One small voice: from its first tone to its second, on which it breaks."""
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        broken = np.clip((age_s - self._ends_s + _BREAKS_S) / _BREAKS_S, 0.0, 1.0)
        x = np.clip((age_s - self._turns_s) / _GLIDE_S, 0.0, 1.0)
        second = x * x * (3.0 - 2.0 * x)
        first_hz, second_hz = self._pitches_hz
        pitch_hz = first_hz * (second_hz / first_hz) ** second
        # A third of a tone down as it breaks, and the unrest of a throat that has not sung for long.
        off_cents = 7.0 * curve[:, 0] + 5.0 * curve[:, 1] * second - 70.0 * broken * broken
        vowel = self._vowels[0] + (self._vowels[1] - self._vowels[0]) * second
        centre_hz, level = formants_at(WOMAN, vowel)
        loud = np.sin(0.5 * np.pi * np.clip(age_s / 0.5, 0.0, 1.0)) ** 2 * (0.8 + 0.35 * curve[:, 2])
        tone = loud * (1.0 - 0.3 * second) * np.cos(0.5 * np.pi * broken) ** 2

        heard = sung(WOMAN, pitch_hz[:, None] * self._harmonic, centre_hz, level) * (0.27 * tone)[:, None]
        cycles = (pitch_hz * ratios(off_cents) / self._rate_hz)[:, None] * self._harmonic
        left = (heard * self._left).astype(np.float32)
        right = (heard * self._right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)
        self._sigh(span, age_s, loud, centre_hz, level, out)

    def _sigh(self, span: Span, age_s: F64, loud: F64, centre_hz: F64, level: F64, out: F32) -> None:
        """Breath in the tone; when the tone has broken, it is what is left."""
        left = np.clip((age_s - self._ends_s) / _BREATH_S, 0.0, 1.0)
        air = self._noise[: span.frames].reshape(1, -1)
        white(self._key, self._age, air)
        breath = self._band[: span.frames]
        breath.fill(0.0)
        width = np.broadcast_to(2.5 * WOMAN.bandwidth_hz / span.rate_hz, level.shape).copy()
        share = 0.05 * evened(span.rate_hz) * span["breath"] * loud * np.cos(0.5 * np.pi * left) ** 2
        formants(self._throat, centre_hz / span.rate_hz, width, level * share[:, None], air[0], breath)
        out[0] += np.float32(self._left) * breath
        out[1] += np.float32(self._right) * breath
