"""A storm of light and shadow, chaos and clarity: what the mirror shows.

Lorenz's butterfly steers it. One wing is light: high, open tones of the root's chord and a spray of bright
noise. The other is shadow: low, close tones and a dark wind. How high it stands on a wing is chaos: it feeds
the tones back into themselves, from a pure sine through a saw to noise, and lets the wind in. It circles
one wing, once or ten times, and crosses over when no one can say; each crossing is a gust that sweeps
through all heights. All the while single things come to light in it and go: flashes, small and high, on the
wing of light, and knocks, low and short, on that of shadow. Strained, every tone has a double just so far
above it that the two rub the most.

What it follows: energy is its force, and how much flashes and knocks in it; tension turns it faster and lifts
chaos over clarity; valence leans it towards the light.

Source: Lorenz 1963; sines fed back into their own phase, Tomisawa 1981; where two tones rub the most, the
summit of Sethares' curve, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.chaos import feedback_fm, lorenz
from resonance.dsp.curves import drift, glide_coefficient, levels, ratios
from resonance.dsp.filters import BAND, HIGH, LOW, svf
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import evened, white
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, part

# Degrees above the root's octave 1, and above its octave 3: shadow rubs a second, light is a pure chord.
_SHADOW, _LIGHT = (0, 4, 7, 8), (0, 4, 7, 9, 14, 18)
_SHADOW_OCTAVE, _LIGHT_OCTAVE = 1, 3
_TURN = 0.75  # Lorenz's own time for a turn of a wing, see `dsp.chaos.lorenz`
_CROSSED = 0.1  # how far onto the other wing it must be to have crossed over: a near miss is none
_CROSSES_S = 0.16
_UNREST_HZ = 0.4  # how often its pace changes, so that no wing is circled like a clock
_SHADOW_WIND_HZ, _LIGHT_WIND_HZ = 210.0, 3900.0
_FLASH = np.array([1.0, 2.76, 5.4])  # a small bar's modes. Source: Rossing & Fletcher 1998, ch. 2
_KNOCK = np.array([1.0, 1.59, 2.14])  # a skin's modes. Source: the same, ch. 3
_SPARK_WEIGHT = np.array([1.0, 0.5, 0.25])
_MONO_BELOW_HZ = 190.0  # the side is 8 dB down at 120 Hz, and 12 dB an octave more below


@dataclass(frozen=True)
class Storm(Patch):
    """A storm that no one steers: light and shadow, chaos and clarity."""

    send_db: float = db(-12.0, -120.0, 12.0, "level sent to the shared space")
    turns_hz: float = hz(0.55, 0.02, 4.0, "turns of a wing a second: it crosses over every two or three")
    chaos: float = part(0.45, "how far the tones are torn, at most: 0 stays pure")
    wind: float = part(0.5, "the noise, bright on one wing and dark on the other")
    sparks_hz: float = hz(24.0, 0.0, 60.0, "how often something flashes or knocks at full energy, on average")


class Weather:
    """Where on the butterfly the storm is: the rule and the voice follow the same."""

    def __init__(self, setting: Setting, frame: int) -> None:
        rng = setting.stream("weather", frame)
        self._place = np.array([1.0, 1.0, 25.0]) + rng.uniform(-3.0, 3.0, 3)
        self._wing = np.array([1.0, 1.0]) * math.copysign(1.0, self._place[0])
        self._key = setting.key("unrest")
        self._unrest_phase = 100.0 * rng.random(1)
        self._unrest = setting.scratch("unrest", (MAX_STEPS + 1, 1), np.float64)
        self._path = setting.scratch("path", (MAX_STEPS + 1, 3), np.float64)
        self._wings = setting.scratch("wings", (MAX_STEPS + 1, 2), np.float64)

    def advance(self, span: Span) -> tuple[F64, F64, F64]:
        """On the steps' borders: which wing, -1 or 1; the same, crossed over smoothly; and chaos, 0 to 1."""
        path, wings = self._path[: span.steps + 1], self._wings[: span.steps + 1]
        unrest = self._unrest[: span.steps + 1]
        drift(self._key, self._unrest_phase, np.full_like(unrest, _UNREST_HZ * span.step_s), unrest)
        turns_hz = span["turns_hz"] * (0.6 + 0.6 * span.tension) * np.exp2(1.3 * unrest[:, 0])
        lorenz(self._place, _TURN * turns_hz * span.step_s, path)
        crossing = glide_coefficient(_CROSSES_S, span.rate_hz)
        crossings(self._wing, path[:, 0], 0.3 * (span.valence - 0.5), crossing, wings)
        chaos = np.clip(0.3 + 0.4 * span.tension + 0.8 * path[:, 2], 0.0, 1.0)
        return wings[:, 0], wings[:, 1], chaos


@kernel
def crossings(wing: F64, x: F64, lean: F64, share: float, out: F64) -> None:
    """Writes which wing, -1 or 1, and the same, smooth, (steps + 1, 2); `wing` (2,), both, is state."""
    for step in range(x.shape[0]):
        out[step, 0], out[step, 1] = wing[0], wing[1]
        if step + 1 < x.shape[0]:
            if abs(x[step + 1] + lean[step + 1]) > _CROSSED:
                wing[0] = math.copysign(1.0, x[step + 1] + lean[step + 1])
            wing[1] += share * (wing[0] - wing[1])


class StormRule(Sustain):
    """The storm is there while its scene is; in flurries it flashes and knocks.

    Each crossing over is told, and starts nothing of its own.
    """

    def __init__(self, patch: Storm, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._setting = setting
        self._weather: Weather | None = None
        self._sparks = Onsets(setting.stream("sparks"), regularity=0.6)
        self._rng = setting.stream("spark")

    def events(self, span: Span) -> Iterable[Event]:
        first = 0
        for event in super().events(span):
            yield event
            step = span.step_of(event.frame)
            yield from self._weathered(span.cut(first, step))
            begins = event.kind == "begin"
            self._weather = Weather(self._setting, event.frame) if begins else None
            first = step
        yield from self._weathered(span.cut(first, span.steps))

    def _weathered(self, span: Span) -> Iterator[Event]:
        if self._weather is None:
            return
        wing, _, chaos = self._weather.advance(span)
        rate_hz = span["sparks_hz"] * span.energy * (0.6 + 0.8 * chaos) * span.presence
        for frame in self._sparks.due(span.start, rate_hz, span.step_s):
            yield self._spark(frame, wing[span.step_of(frame)] > 0.0)
        for step in np.flatnonzero(np.diff(wing)) + 1:
            yield Event(
                span.start + int(step) * GRID_FRAMES,
                "light" if wing[step] > 0.0 else "shadow",
                rule="lorenz",
                detail={"chaos": float(chaos[step])},
                sounds=False,
            )

    def _spark(self, frame: int, light: bool) -> Event:
        """A flash or a knock, on a tone of its wing; most are small."""
        chance = self._rng.random(5)
        tones, octave = (_LIGHT, _LIGHT_OCTAVE + 1) if light else (_SHADOW, _SHADOW_OCTAVE)
        return Event(
            frame,
            "flash" if light else "knock",
            pitch_hz=self._setting.tuning.hz(
                tones[int(chance[0] * len(tones))], octave + int(2.0 * chance[1])
            ),
            level_db=(-15.0 if light else -20.0) + 14.0 * float(chance[2]) ** 2,
            duration_s=(0.12 + 0.3 * float(chance[3])) * (1.0 if light else 0.7),
            rule="spark",
            detail={"pan": (1.8 if light else 0.5) * (float(chance[4]) - 0.5)},
        )


class StormVoice(Voice):
    """One storm, or one of its flashes and knocks."""

    voices: ClassVar[int] = 40

    def __init__(self, patch: Storm, setting: Setting) -> None:
        self._setting = setting
        self._keys = {name: setting.key(name) for name in ("curves", "wind")}
        shadow_hz = [setting.tuning.hz(degree, _SHADOW_OCTAVE) for degree in _SHADOW]
        light_hz = [setting.tuning.hz(degree, _LIGHT_OCTAVE) for degree in _LIGHT]
        self._tones = {
            "shadow": (np.array(shadow_hz), 0.20 * np.array([1.0, 0.8, 0.6, 0.4])),
            "light": (np.array(light_hz), 0.22 * np.array([0.5, 0.6, 0.8, 1.0, 1.0, 0.9])),
        }
        lanes = 2 * (len(_SHADOW) + len(_LIGHT)) + 1
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, lanes), np.float64)
        self._buffer = setting.scratch("buffer", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._state = np.zeros((2, len(_FLASH)))
        self._rotation = np.zeros((1, 2, len(_FLASH)))

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._spark = event.kind in ("flash", "knock")
        if self._spark:
            return self._strike(event)
        self._weather = Weather(self._setting, event.frame)
        rng = self._setting.stream("phases")
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._phase = {name: rng.random(2 * len(tones[0])) for name, tones in self._tones.items()}
        self._memory = {name: np.zeros((2, 2 * len(tones[0]))) for name, tones in self._tones.items()}
        self._filters = {name: np.zeros((2, 2)) for name in ("shadow", "light", "wind")}
        self._lids = {name: np.zeros((2, 2)) for name in self._filters}
        self._lows = np.zeros(2)
        return math.inf

    def _strike(self, event: Event) -> float:
        """One push into a few modes: a millisecond for a flash, some more for a knock."""
        ratio, push_s = (_FLASH, 0.0012) if event.kind == "flash" else (_KNOCK, 0.005)
        pitch_hz = event.pitch_hz or 220.0
        self._rotation[0] = mode_coefficients(
            pitch_hz * ratio, event.duration_s / ratio, self._setting.rate_hz
        )
        self._state.fill(0.0)
        angle = np.pi / 4.0 * (1.0 + float(event.detail.get("pan", 0.0)))
        self._left = np.full(len(ratio), np.cos(angle), np.float32)
        self._right = np.full(len(ratio), np.sin(angle), np.float32)
        frames = int(push_s * self._setting.rate_hz)
        push = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) ** 2
        self._push = (push / push.sum()).astype(np.float32)
        return 1.2 * event.duration_s

    def _struck(self, span: Span, out: F32) -> None:
        x = self._buffer[: span.frames]
        x.fill(0.0)
        push = self._push[self._age : self._age + span.frames]
        x[: len(push)] = push
        modes(self._state, self._rotation, _SPARK_WEIGHT, self._left, self._right, x, out)
        self._age += span.frames

    def render(self, span: Span, out: F32) -> None:
        if self._spark:
            self._struck(span, out)
            return
        _, wing, chaos = self._weather.advance(span)
        curve = self._curve[: span.steps + 1]
        pace = np.full_like(curve, 0.35 * span.step_s) * (0.6 + 0.8 * span.tension)[:, None]
        drift(self._keys["curves"], self._curve_phase, pace, curve)
        light, gust = 0.5 + 0.5 * wing, 1.0 - wing**2
        loud = levels(-12.5 + 12.0 * span.energy)
        n = len(_SHADOW)
        lid_hz = 360.0 * (1.0 + 1.5 * chaos)
        self._tone("shadow", span, chaos, (1.0 - light) * loud, curve[:, : 2 * n], (BAND, 170.0), lid_hz, out)
        lid_hz = np.full(span.steps + 1, 4600.0)
        self._tone("light", span, chaos, light * loud, curve[:, 2 * n : -1], (HIGH, 400.0), lid_hz, out)
        self._wind(span, light, chaos, gust, loud, curve[:, -1], out)
        mono_below(self._lows, _MONO_BELOW_HZ / span.rate_hz, out)

    def _tone(
        self,
        name: str,
        span: Span,
        chaos: F64,
        loud: F64,
        curve: F64,
        floor: tuple[int, float],
        lid_hz: F64,
        out: F32,
    ) -> None:
        """Adds one wing's tones, each breathing and leaning on its own, more torn the more chaos there is."""
        tone_hz, weight = self._tones[name]
        n = len(tone_hz)
        swell, lean = curve[:, :n], curve[:, n:]
        bend_cents = 24.0 * span.tension[:, None] * lean
        cycles = tone_hz / span.rate_hz * ratios(bend_cents)
        # The higher a tone the less of this turns it to noise.
        torn = span["chaos"] * chaos * (1.0 if name == "shadow" else 0.75)
        feedback = torn[:, None] * (1.0 + 0.5 * swell)
        # Torn tones fill the band and would drown the clear ones: what is purer is louder.
        level = (loud * (1.0 - 0.35 * chaos))[:, None] * weight * levels(7.0 * swell)
        angle = np.pi / 4.0 * (1.0 + 1.6 * np.clip(lean, -0.6, 0.6))
        rubs = np.clip((span.tension - 0.3) / 0.4, 0.0, 1.0)[:, None]
        apart = (17.4 + 0.019 * tone_hz) / tone_hz * (1.0 + 0.3 * swell)
        cycles = np.concatenate((cycles, cycles * (1.0 + rubs * apart)), axis=1)
        feedback = np.concatenate((feedback, feedback), axis=1)
        level = np.concatenate((level, 0.8 * rubs * level), axis=1)
        angle = np.concatenate((angle, angle), axis=1)
        x = self._silent(span.frames)
        feedback_fm(
            self._phase[name],
            self._memory[name],
            cycles,
            feedback,
            (level * np.cos(angle)).astype(np.float32),
            (level * np.sin(angle)).astype(np.float32),
            x,
        )
        # Fed back sines carry DC and all heights: a floor and a lid keep each wing in its own.
        mode, floor_hz = floor
        q = np.full((span.steps + 1, 2), 0.7)
        svf(self._filters[name], np.full_like(q, floor_hz / span.rate_hz), q, mode, x, x)
        svf(self._lids[name], (lid_hz / span.rate_hz)[:, None] * np.ones(2), q, LOW, x, x)
        out += x

    def _wind(self, span: Span, light: F64, chaos: F64, gust: F64, loud: F64, wander: F64, out: F32) -> None:
        """Noise in one wide band that lies low in shadow and high in light; each crossing sweeps it."""
        x = self._silent(span.frames)
        white(int(self._keys["wind"]), span.start, x)
        ratio = _LIGHT_WIND_HZ / _SHADOW_WIND_HZ
        centre = _SHADOW_WIND_HZ * ratio**light * np.exp2(0.5 * wander) / span.rate_hz
        both = np.ones(2)
        q = np.full((span.steps + 1, 2), 1.1)
        svf(self._filters["wind"], centre[:, None] * both, q, BAND, x, x)
        lid = np.minimum(centre * (2.4 - 0.4 * light), 0.45)
        svf(self._lids["wind"], lid[:, None] * both, 0.64 * q, LOW, x, x)
        # As loud wherever the band lies, tilted a little to the low.
        even = np.minimum(0.07 / np.sqrt(centre * span.rate_hz / 48_000.0), 1.2) * (1.3 - 0.8 * light)
        even *= evened(span.rate_hz)
        level = (
            span["wind"]
            * loud
            * even
            * (0.05 + 0.45 * light + (0.7 - 0.35 * light) * chaos**1.5 + 0.5 * gust)
        )
        ramped(x, 1.5 * level, out)

    def _silent(self, frames: int) -> F32:
        view = self._buffer[: 2 * frames].reshape(2, frames)
        view.fill(0.0)
        return view
