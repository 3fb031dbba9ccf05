"""A figure comes through the fog: a woman made of liquid moonlight, her eyes twin eclipses.

Her body is a choir that holds the chord of the fourth and glides from vowel to vowel. Out of it she sings
the theme turned over, 6 5 3 2 1, three heartbeats a tone. Her eyes are two pure tones, high and soft, that
circle one another left and right: they beat, slower and slower, come to one pitch, stay in eclipse, and part.

What it follows: valence opens the vowels; energy lifts and brightens; tension spreads the singers and leans
the tones; the heart sets the pace of the theme.

Source: singing by formants, Rodet 1984, "Time-domain formant-wave-function synthesis" (here its spectrum,
partial by partial); late and wandering vibrato, Sundberg 1987, The Science of the Singing Voice, ch. 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Beat, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, I64
from resonance.dsp.curves import drift, glided, levels, ratios
from resonance.dsp.filters import formants
from resonance.dsp.noise import evened, white
from resonance.dsp.partials import sines
from resonance.dsp.vowels import WOMAN, formants_at, sung
from resonance.generate import theme
from resonance.tuning import strained_hz
from resonance.units import cents, count, db, hz, metres, part, seconds

_CHORD = (3, 7, 10, 12)  # the fourth, its fifth, the fourth again and its third: wide apart, so clear
_SINGERS = 2
_ALONE = 3  # singers of the theme
_TOP_HZ = 3700.0
_GLIDE_S = 0.3
_DIES_S = 2.2
_BEATS = 12.0  # from the widest to the eclipse
_OPEN = 0.36  # the share of a cycle in which the eyes draw near, and again in which they part
_ROOM_FOR_EYES_HZ = 70.0  # so far from her eyes the choir stays away


@dataclass(frozen=True)
class Moonlight(Patch):
    """A choir of moonlight, the theme turned over, and two tones in eclipse."""

    send_db: float = db(-6.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(5.0, 0.5, 2000.0, "how far away it is: softer, duller, wetter with distance")
    octave: int = count(1, 0, 3, "how many octaves above the root the choir begins")
    openness: float = part(0.45, "the vowels: u, o, a, e")
    glide_hz: float = hz(0.2, 0.01, 2.0, "how often the vowels turn")
    vibrato_hz: float = hz(5.0, 3.0, 7.0, "how fast the voices waver")
    vibrato_cents: float = cents(8.0, 0.0, 60.0, "how far they waver to each side")
    breath: float = part(0.3, "breath in the choir")
    theme_db: float = db(0.0, -120.0, 12.0, "level of the theme before the choir")
    beats: int = count(3, 1, 32, "heartbeats to a tone of the theme")
    rest_beats: int = count(10, 0, 256, "heartbeats from one theme to the next")
    eyes_db: float = db(0.0, -120.0, 12.0, "level of the two circling tones")
    eclipse_s: float = seconds(28.0, 20.0, 600.0, "from one eclipse to the next")


class MoonlightRule(Sustain):
    """She is there while her scene is, and sings the theme turned over, with rests between."""

    def __init__(self, patch: Moonlight, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._patch = patch
        self._tuning = setting.tuning
        self._rng = setting.stream("theme")
        self._wait = 1

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        for beat in span.beats:
            if span.presence[span.step_of(beat.frame)] < 0.5:
                self._wait = 1
                continue
            self._wait -= 1
            if self._wait < 0:
                yield from self._theme(beat, span)

    def _theme(self, beat: Beat, span: Span) -> Iterator[Event]:
        tones = tuple(reversed(theme.CLIMB))
        rubato = self._rng.uniform(0.92, 1.08, len(tones))
        lean = theme.lean(self._rng)
        step = span.step_of(beat.frame)
        rubato[-1] *= 1.4
        lasts_s = self._patch.beats * 60.0 / float(span.bpm[step]) * rubato
        begins_s = np.concatenate(([0.0], np.cumsum(lasts_s)[:-1]))
        self._wait = round(float(lasts_s.sum()) * float(span.bpm[step]) / 60.0) + self._patch.rest_beats
        pitches_hz = [
            strained_hz(self._tuning.hz(tone, self._patch.octave + 1), float(span.tension[step]), lean)
            for tone in tones
        ]
        phrase = Event(
            beat.frame,
            "phrase",
            pitch_hz=pitches_hz[0],
            level_db=span.at("theme_db", beat.frame),
            duration_s=float(lasts_s.sum()),
            rule="turned over",
            detail={"begins_s": begins_s, "pitches_hz": np.array(pitches_hz)},
            sustained=True,
        )
        yield phrase
        for k, pitch_hz in enumerate(pitches_hz):
            yield Event(
                beat.frame + round(float(begins_s[k]) * span.rate_hz),
                "tone",
                pitch_hz=pitch_hz,
                level_db=phrase.level_db,
                duration_s=float(lasts_s[k]),
                rule="theme",
                follows=phrase,
                detail={"place": len(tones) - k},
                sounds=False,
            )


class MoonlightVoice(Voice):
    """The choir with her eyes; or the theme, or a player's note, sung before it."""

    voices: ClassVar[int] = 5

    def __init__(self, patch: Moonlight, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        tuning = setting.tuning
        self._chord_hz = np.array([tuning.hz(degree, patch.octave) for degree in _CHORD])
        self._eyes_hz = tuning.hz(0, patch.octave + 4)
        self._choir_lanes = _lanes(self._chord_hz)
        self._alone_lanes = _lanes(np.array([tuning.hz(0, patch.octave + 1)]))
        lanes = max(_SINGERS * len(self._choir_lanes[0]), _ALONE * len(self._alone_lanes[0]))
        self._phases = np.zeros(lanes)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 4 * len(_CHORD) * _SINGERS + 4), np.float64)
        self._eye_phase = np.zeros(2)
        self._air = setting.scratch("air", (1, MAX_STEPS * GRID_FRAMES), np.float32)
        self._breath = setting.scratch("breath", MAX_STEPS * GRID_FRAMES, np.float32)
        self._throat = np.zeros((2, len(WOMAN.bandwidth_hz)))

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._choir = event.kind == "begin"
        self._tone, self._harmonic = self._choir_lanes if self._choir else self._alone_lanes
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._pace = rng.uniform(0.75, 1.3, self._curve.shape[1])
        self._phases[:] = rng.random(len(self._phases))
        side = np.array([-0.55, 0.55]) if self._choir else np.linspace(-0.2, 0.2, _ALONE)
        self._vibrato = rng.random(len(side) * (len(_CHORD) if self._choir else 1))
        self._phase = self._phases[: len(side) * len(self._tone)]
        angle = np.pi / 4.0 * (1.0 + side[:, None])
        self._left, self._right = np.cos(angle), np.sin(angle)
        self._throat.fill(0.0)
        self._eye_phase[:] = rng.random()
        self._cycle = 0.0
        self._begins_s = event.detail.get("begins_s", np.zeros(1))
        self._pitches_hz = event.detail.get("pitches_hz", np.array([event.pitch_hz or self._chord_hz[-1]]))
        self._ends_s = event.duration_s if event.duration_s > 0.0 else math.inf
        self._dies_s = _DIES_S
        return self._ends_s + _DIES_S

    def release(self, velocity: float = 0.5) -> float:
        self._ends_s = min(self._ends_s, self._age / self._rate_hz)
        self._dies_s = _DIES_S * (1.4 - 0.8 * velocity)
        return self._dies_s

    def render(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        curve = self._curve[: span.steps + 1]
        increment = (0.35 * span.step_s * self._pace) * np.ones((span.steps + 1, 1))
        increment[:, -1] = span["glide_hz"] * span.step_s
        drift(self._key, self._curve_phase, increment, curve)
        loud = levels(10.0 * (span.energy - 0.5))
        vowel = 3.0 * span["openness"] + 2.2 * curve[:, -1] + 0.8 * (span.valence - 0.6)
        if span.touch is not None:
            loud = loud * (1.0 + span.touch.pressure)
            vowel = vowel + 3.0 * (span.touch.timbre - 0.5)
        # The fourth vowel is only touched: its second formant lies where moonlight would glare.
        throat = formants_at(WOMAN, np.clip(vowel, 0.0, 2.3))
        if self._choir:
            tones_hz = np.broadcast_to(self._chord_hz, (span.steps + 1, len(_CHORD)))
            each = 0.075 * levels(4.0 * curve[:, : len(_CHORD)]) * loud[:, None]
            self._sing(span, age_s, curve, tones_hz, each, throat, out)
            self._breathe(span, (0.8 + 0.4 * curve[:, -2]) * loud, throat, out)
            self._circle(span, loud, curve[:, -3], out)
        else:
            tone_hz = np.exp(glided(age_s, self._begins_s, np.log(self._pitches_hz), _GLIDE_S))[:, None]
            if span.touch is not None:
                tone_hz = tone_hz * ratios(span.touch.bend_cents)[:, None]
            each = (0.16 * self._phrased(age_s) * loud * (1.0 + 0.25 * curve[:, 0]))[:, None]
            self._sing(span, age_s, curve, tone_hz, each, throat, out)
        self._age += span.frames

    def _sing(
        self,
        span: Span,
        age_s: F64,
        curve: F64,
        tones_hz: F64,
        each: F64,
        throat: tuple[F64, F64],
        out: F32,
    ) -> None:
        """Tones (steps + 1, n) at their levels, each by its own singers, through one throat."""
        frequency_hz = tones_hz[:, self._tone] * self._harmonic
        heard = sung(WOMAN, frequency_hz, *throat) * each[:, self._tone]
        heard *= self._harmonic ** (0.8 * (span.energy - 0.6))[:, None]
        heard[np.abs(frequency_hz - self._eyes_hz) < _ROOM_FOR_EYES_HZ] = 0.0
        if span.touch is not None:
            heard[frequency_hz > 0.45 * self._rate_hz] = 0.0
        ratio = ratios(self._wavering(span, age_s, curve))
        singers = ratio.reshape(len(ratio), len(self._left), -1)[:, :, self._tone]
        cycles = singers * (frequency_hz / self._rate_hz)[:, None]
        left = (heard[:, None] * self._left).astype(np.float32, order="C")
        right = (heard[:, None] * self._right).astype(np.float32, order="C")
        shape = len(ratio), -1
        sines(self._phase, cycles.reshape(shape), left.reshape(shape), right.reshape(shape), out)

    def _wavering(self, span: Span, age_s: F64, curve: F64) -> F64:
        """How far each singer is off the pitch, in cents (steps + 1, singers)."""
        n = len(self._vibrato)
        unrest, spread, depth = curve[:, n : 2 * n], curve[:, 2 * n : 3 * n], curve[:, 3 * n : 4 * n]
        rate_hz = span["vibrato_hz"][:, None] * (1.0 + 0.14 * unrest) * self._pace[:n] ** 0.4
        turns = np.concatenate((self._vibrato[None], rate_hz[:-1] * span.step_s)).cumsum(axis=0)
        self._vibrato = turns[-1]
        late = np.clip((age_s - 0.8) / 1.6, 0.0, 1.0)[:, None]
        wide = span["vibrato_cents"][:, None] * late * np.maximum(0.55 + 0.9 * depth, 0.0)
        return wide * np.sin(2.0 * np.pi * turns) + (3.5 + 14.0 * span.tension)[:, None] * spread

    def _phrased(self, age_s: F64) -> F64:
        """She swells from silence, a little in every tone, and lets the last one go."""
        rise = np.sin(0.5 * np.pi * np.clip(age_s / 1.1, 0.0, 1.0)) ** 2
        since = age_s - self._begins_s[np.searchsorted(self._begins_s, age_s, "right") - 1]
        tone = 0.7 + 0.3 * np.sin(0.5 * np.pi * np.clip(since / 1.2, 0.0, 1.0)) ** 2
        fall = np.cos(0.5 * np.pi * np.clip((age_s - self._ends_s) / self._dies_s, 0.0, 1.0)) ** 2
        return rise * tone * fall

    def _breathe(self, span: Span, loud: F64, throat: tuple[F64, F64], out: F32) -> None:
        centre_hz, level = throat
        air = self._air[:, : span.frames]
        breath = self._breath[: span.frames]
        breath.fill(0.0)
        width = np.broadcast_to(2.0 * WOMAN.bandwidth_hz / self._rate_hz, level.shape).copy()
        share = level * (0.02 * evened(self._rate_hz) * span["breath"] * loud)[:, None]
        white(self._key, self._age, air)
        formants(self._throat, centre_hz / self._rate_hz, width, share, air[0], breath)
        out += breath

    def _circle(self, span: Span, loud: F64, wander: F64, out: F32) -> None:
        """Her eyes: two tones whose beats grow longer until they are one, and then shorter again."""
        pace = span.step_s / span["eclipse_s"] * (1.0 + 0.15 * wander)
        cycle = np.concatenate(([self._cycle], pace[:-1])).cumsum()
        self._cycle = float(cycle[-1])
        where = cycle % 1.0
        near = np.maximum(1.0 - where / _OPEN, 0.0)
        far = np.maximum(1.0 - (1.0 - where) / _OPEN, 0.0)
        # The phase between them goes by whole beats into the eclipse, and by whole beats out of it.
        apart = 2.0 * _BEATS / _OPEN * (near + far) * pace / GRID_FRAMES
        cycles = self._eyes_hz / self._rate_hz + 0.5 * np.stack((apart, -apart), axis=1)
        turn = 0.3 * np.cos(2.0 * np.pi * cycle)
        angle = np.pi / 4.0 * (1.0 + np.stack((turn, -turn), axis=1))
        level = (0.0045 * levels(span["eyes_db"]) * loud * (1.0 - 0.35 * (near + far)))[:, None]
        left = (level * np.cos(angle)).astype(np.float32)
        right = (level * np.sin(angle)).astype(np.float32)
        sines(self._eye_phase, cycles, left, right, out)


def _lanes(tones_hz: F64) -> tuple[I64, F64]:
    """All harmonics of some tones side by side: whose each is, and which."""
    counts = (_TOP_HZ / tones_hz).astype(np.int64)
    harmonic = np.concatenate([np.arange(1.0, count + 1.0) for count in counts])
    return np.repeat(np.arange(len(counts)), counts), harmonic
