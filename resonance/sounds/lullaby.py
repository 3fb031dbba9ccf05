"""The earth sings a lullaby of forgotten gods: a slow voice, rocking between three or four tones.

A phrase is sung every half minute or so, never the same twice, by three singers a few cents apart. Each is a
sum of harmonics under a throat's five formants, gliding between vowels and, a tenth of a second long, from
tone to tone; their vibrato sets in late and wanders. A little breath goes through the same throat.

What it follows: the heart sets the pace, two beats a tone; valence opens the vowels; tension leans the tones.

Source: vibrato of 4.5 to 5.5 a second and its late onset,
Sundberg 1987, The Science of the Singing Voice, ch. 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, glided, ratios
from resonance.dsp.filters import formants
from resonance.dsp.noise import evened, white
from resonance.dsp.partials import sines
from resonance.dsp.vowels import LOW, formants_at, sung
from resonance.generate import theme
from resonance.generate.onsets import Onsets
from resonance.tuning import strained_hz
from resonance.units import cents, count, hz, part, seconds

_TOP_HZ = 3600.0
_GLIDE_S = 0.16
_SINGERS = 3
_DIES_S = 1.6


@dataclass(frozen=True)
class Lullaby(Patch):
    """A deep, slow voice that rocks between a few tones, far off."""

    phrase_s: float = seconds(30.0, 10.0, 300.0, "from one phrase to the next, on average")
    tones: int = count(5, 3, 9, "tones in a phrase")
    octave: int = count(1, 0, 4, "how many octaves above the root it sings")
    openness: float = part(0.45, "the vowels: u, o, a")
    vibrato_hz: float = hz(4.8, 3.0, 7.0, "how fast the voices waver")
    vibrato_cents: float = cents(9.0, 0.0, 60.0, "how far they waver to each side")
    breath: float = part(0.25, "breath in the voices")


class LullabyRule(Rule):
    """A phrase now and then: its tones rock, and come to rest."""

    def __init__(self, patch: Lullaby, setting: Setting) -> None:
        self._patch = patch
        self._tuning = setting.tuning
        self._rng = setting.stream("phrases")
        self._phrases = Onsets(setting.stream("onsets"), regularity=14.0, ready=0.55)
        self._previous: tuple[int, ...] = ()

    def events(self, span: Span) -> Iterable[Event]:
        rate_hz = span.presence / span["phrase_s"]
        for frame in self._phrases.due(span.start, rate_hz, span.step_s):
            step = span.step_of(frame)
            beat_s = 60.0 / float(span.bpm[step])
            tones = theme.rocking(self._rng, self._patch.tones, self._previous)
            self._previous = tones
            stretch = self._rng.uniform(0.85, 1.2, len(tones))
            stretch[-1] *= 1.6
            lean = theme.lean(self._rng)
            lasts_s = 2.0 * beat_s * stretch
            begins_s = np.concatenate(([0.0], np.cumsum(lasts_s)[:-1]))
            pitches_hz = [
                strained_hz(self._tuning.hz(tone, self._patch.octave), float(span.tension[step]), lean)
                for tone in tones
            ]
            phrase = Event(
                frame,
                "phrase",
                pitch_hz=pitches_hz[0],
                level_db=-8.0 + 3.0 * float(span.energy[step]),
                duration_s=float(lasts_s.sum()),
                rule="rocking",
                detail={"begins_s": begins_s, "lasts_s": lasts_s, "pitches_hz": np.array(pitches_hz)},
            )
            yield phrase
            for begin_s, tone_s, pitch_hz in zip(begins_s, lasts_s, pitches_hz, strict=True):
                yield Event(
                    frame + round(float(begin_s) * span.rate_hz),
                    "tone",
                    pitch_hz=pitch_hz,
                    level_db=phrase.level_db,
                    duration_s=float(tone_s),
                    rule="rocking",
                    follows=phrase,
                    sounds=False,
                )


class LullabyVoice(Voice):
    """One phrase, or a player's note, sung by three."""

    voices: ClassVar[int] = 3

    def __init__(self, patch: Lullaby, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        lowest_hz = setting.tuning.hz(0, patch.octave)
        self._harmonic = np.arange(1.0, 1 + max(8, int(_TOP_HZ / lowest_hz)))
        n = len(self._harmonic) * _SINGERS
        self._phase = np.zeros(n)
        side = np.repeat(np.linspace(-0.5, 0.5, _SINGERS), len(self._harmonic))
        self._left = np.cos(np.pi / 4.0 * (1.0 + side))
        self._right = np.sin(np.pi / 4.0 * (1.0 + side))
        self._wander = setting.scratch("wander", (MAX_STEPS + 1, 2 * _SINGERS + 1), np.float64)
        self._throat = np.zeros((2, len(LOW.bandwidth_hz)))
        self._air = setting.scratch("air", (1, MAX_STEPS * GRID_FRAMES), np.float32)
        self._breath = setting.scratch("breath", MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._phase[:] = rng.random(len(self._phase))
        self._wander_phase = 100.0 * rng.random(self._wander.shape[1])
        self._vibrato_phase = rng.random(_SINGERS)
        self._throat.fill(0.0)
        held = "begins_s" not in event.detail
        self._begins_s = np.array([0.0]) if held else event.detail["begins_s"]
        self._pitches_hz = np.array([event.pitch_hz]) if held else event.detail["pitches_hz"]
        self._ends_s = np.inf if held else event.duration_s
        self._dies_s = _DIES_S
        self._vowels = np.clip(
            span["openness"][0]
            + 0.5 * (span.valence[0] - 0.5)
            + rng.uniform(-0.35, 0.35, len(self._begins_s)),
            0.0,
            1.0,
        )
        return self._ends_s + _DIES_S

    def release(self, velocity: float = 0.5) -> float:
        self._ends_s = min(self._ends_s, self._age / self._rate_hz)
        self._dies_s = _DIES_S * (1.4 - 0.8 * velocity)
        return self._dies_s

    def render(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        wander = self._wander[: span.steps + 1]
        increment = np.full_like(wander, 0.9 * span.step_s)
        drift(self._key, self._wander_phase, increment, wander)
        loud = self._loudness(age_s) * (1.0 + 0.12 * wander[:, -1])
        vowel = 2.0 * glided(age_s, self._begins_s, self._vowels, _GLIDE_S)
        pitch_hz = np.exp(glided(age_s, self._begins_s, np.log(self._pitches_hz), _GLIDE_S))
        if span.touch is not None:
            loud = loud * (1.0 + span.touch.pressure)
            vowel = np.clip(vowel + 2.0 * span.touch.timbre - 1.0, 0.0, 2.0)
            pitch_hz = pitch_hz * ratios(span.touch.bend_cents)
        centre_hz, level = formants_at(LOW, vowel)
        harmonics = len(self._harmonic)
        heard = sung(LOW, pitch_hz[:, None] * self._harmonic, centre_hz, level) * (loud * 0.12)[:, None]
        heard[:, self._harmonic * self._pitches_hz.max() > 0.45 * self._rate_hz] = 0.0
        if span.touch is not None:
            heard[self._harmonic * pitch_hz[:, None] > 0.45 * self._rate_hz] = 0.0
        cycles = np.empty((span.steps + 1, _SINGERS * harmonics))
        for singer in range(_SINGERS):
            ratio = ratios(self._wavering(singer, span, age_s, wander))
            lanes = slice(singer * harmonics, (singer + 1) * harmonics)
            cycles[:, lanes] = (pitch_hz * ratio / self._rate_hz)[:, None] * self._harmonic
        every = np.tile(heard, _SINGERS)
        sines(
            self._phase,
            cycles,
            (every * self._left).astype(np.float32),
            (every * self._right).astype(np.float32),
            out,
        )
        self._breathe(span, loud, centre_hz, level, out)
        self._age += span.frames

    def _loudness(self, age_s: F64) -> F64:
        """The phrase swells, each tone a little by itself, and dies away."""
        rise = np.clip(age_s / 0.7, 0.0, 1.0)
        fall = np.clip((age_s - self._ends_s) / self._dies_s, 0.0, 1.0)
        since = age_s - self._begins_s[np.searchsorted(self._begins_s, age_s, "right") - 1]
        tone = 0.72 + 0.28 * np.sin(0.5 * np.pi * np.clip(since / 0.5, 0.0, 1.0)) ** 2
        return np.sin(0.5 * np.pi * rise) ** 2 * np.cos(0.5 * np.pi * fall) ** 2 * tone

    def _wavering(self, singer: int, span: Span, age_s: F64, wander: F64) -> F64:
        """How far a singer is off the pitch, in cents: vibrato that comes in late, and unrest."""
        rate_hz = span["vibrato_hz"] * (1.0 + 0.12 * wander[:, singer]) * (0.94 + 0.06 * singer)
        turns = np.concatenate(([self._vibrato_phase[singer]], rate_hz[:-1] * span.step_s)).cumsum()
        self._vibrato_phase[singer] = turns[-1]
        depth = (
            span["vibrato_cents"] * np.clip((age_s - 0.6) / 1.2, 0.0, 1.0) * (1.0 + 0.4 * wander[:, singer])
        )
        spread = 3.0 * (singer - 1) + 2.5 * wander[:, _SINGERS + singer]
        return depth * np.sin(2.0 * np.pi * turns) + spread

    def _breathe(self, span: Span, loud: F64, centre_hz: F64, level: F64, out: F32) -> None:
        air = self._air[0, : span.frames].reshape(1, -1)
        white(self._key, self._age, air)
        breath = self._breath[: span.frames]
        breath.fill(0.0)
        width = np.broadcast_to(2.5 * LOW.bandwidth_hz / self._rate_hz, level.shape).copy()
        share = (0.05 * evened(self._rate_hz) * span["breath"] * loud)[:, None]
        formants(self._throat, centre_hz / self._rate_hz, width, level * share, air[0], breath)
        out += breath
