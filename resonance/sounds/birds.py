"""Birds with wings of smoke: they soar past, and trail embers.

A bird is noise: a resonant band that its wings stroke, with a breath of smoke that lingers after each stroke.
It flies past in a straight line, so its level, side, brightness and Doppler shift are what its distance and
speed make them. Behind it, along the way it came, embers crackle: sparks read by grains from a small store,
thick at first, then fewer, softer and lower, and some still when it is gone.

What it follows: energy and valence bring birds, tension keeps them away. Their wings hum on the theme's
tones, as a swan's do.

Source: Doppler 1842, for a resting listener; sparks as short resonances, after Farnell 2010, Designing Sound,
ch. 31.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance import rng as chance_of
from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift
from resonance.dsp.filters import BAND, LOW, svf
from resonance.dsp.grains import grains, oversampled
from resonance.dsp.noise import evened, white
from resonance.generate import theme
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, metres, part, seconds

_SOUND_M_S = 343.0  # at 20 degrees Celsius
_LEAN = 1.5  # how much Doppler's shift is exaggerated, by ear: a bird that leans into its turn
_SPARKS = 110
_STORED, _STORED_S = 24, 0.03
_RAMP = (np.arange(GRID_FRAMES) / GRID_FRAMES).astype(np.float32)


@dataclass(frozen=True)
class Birds(Patch):
    """Birds of smoke that pass from side to side, embers crackling behind them."""

    send_db: float = db(-9.0, -120.0, 12.0, "level sent to the shared space")
    flight_hz: float = hz(0.1, 0.0, 1.0, "how often a bird comes at full energy and valence, on average")
    flight_s: float = seconds(7.0, 3.0, 20.0, "how long one is in hearing")
    near_m: float = metres(3.5, 1.0, 30.0, "how near it passes")
    stroke_hz: float = hz(2.6, 0.5, 8.0, "wing strokes a second")
    whistle: float = part(0.5, "how much the wings hum, from smoke to a tone")
    embers: float = part(0.75, "how thickly embers crackle behind it")


class BirdsRule(Rule):
    """A bird as soon as it is welcome, then from time to time, from either side; its embers follow it."""

    def __init__(self, patch: Birds, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._flights = Onsets(setting.stream("flights"), regularity=8.0)
        self._rng = setting.stream("flight")
        self._way = 1.0
        self._greeted = False

    def events(self, span: Span) -> Iterable[Event]:
        mood = (0.35 + 0.65 * span.energy) * span.valence * np.clip(1.6 - 2.0 * span.tension, 0.0, 1.0)
        rate_hz = span["flight_hz"] * mood * span.presence
        frames = self._flights.due(span.start, rate_hz, span.step_s)
        welcome = np.flatnonzero((rate_hz[:-1] > 0.0) & (span.presence[:-1] >= 0.5))
        if not self._greeted and welcome.size:
            self._greeted = True
            frames.append(span.start + int(welcome[0]) * GRID_FRAMES)
        for frame in sorted(frames):
            chance = self._rng.random(8)
            sparks = self._rng.random(_SPARKS)
            step = span.step_of(frame)
            lasts_s = span.at("flight_s", frame) * (0.8 + 0.5 * chance[0])
            # More often than not the next comes back from where the last one went.
            self._way *= -1.0 if chance[1] < 0.75 else 1.0
            near_m = span.at("near_m", frame) * (0.75 + 0.9 * chance[2])
            degree = theme.CLIMB[int(chance[3] * len(theme.CLIMB))]
            bird = Event(
                frame,
                "bird",
                pitch_hz=self._tuning.hz(degree, 3),
                level_db=-3.0 * float(chance[4]),
                duration_s=lasts_s,
                rule="flight",
                detail={
                    "way": self._way,
                    "near_m": near_m,
                    "speed_m_s": 10.0 + 5.0 * float(span.energy[step]) + 3.0 * float(chance[5]),
                    "stroke_hz": span.at("stroke_hz", frame) * (0.85 + 0.3 * chance[6]),
                    "pass_s": 0.5 * lasts_s,
                },
            )
            yield bird
            yield from self._trail(bird, sparks, span)

    @staticmethod
    def _trail(bird: Event, sparks: F64, span: Span) -> Iterable[Event]:
        """The embers behind a bird: a cloud, and each of its sparks for the log."""
        thick = span.at("embers", bird.frame)
        n = int(_SPARKS * thick)
        behind_s = 0.35 + 2.2 / bird.detail["speed_m_s"]
        lasts_s = 1.5 * bird.duration_s
        # Two in five before it has passed, the rest after, ever fewer.
        share = (np.arange(n) + sparks[:n]) / max(n, 1)
        before = bird.detail["pass_s"] * (0.3 + 0.7 * np.sqrt(share / 0.4))
        after = bird.detail["pass_s"] - 0.2 * lasts_s * np.log1p(-0.97 * np.maximum(share - 0.4, 0.0) / 0.6)
        at_s = np.where(share < 0.4, before, after)
        cloud = Event(
            bird.frame + int(behind_s * span.rate_hz),
            "embers",
            level_db=bird.level_db,
            duration_s=lasts_s + _STORED_S,
            rule="trail",
            follows=bird,
            detail={**bird.detail, "at_s": at_s, "behind_s": behind_s, "sparks": n},
        )
        yield cloud
        for delay_s in at_s:
            yield Event(
                cloud.frame + int(delay_s * span.rate_hz),
                "spark",
                level_db=cloud.level_db,
                duration_s=_STORED_S,
                rule="trail",
                follows=cloud,
                sounds=False,
            )


class BirdsVoice(Voice):
    """One bird, or the embers behind one."""

    voices: ClassVar[int] = 6

    def __init__(self, patch: Birds, setting: Setting) -> None:
        self._store = _store(setting.rate_hz, setting.seed)
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 3), np.float64)
        self._curve_phase = np.zeros(3)
        self._wings, self._veil = np.zeros((2, 2)), np.zeros((2, 2))
        self._begin = np.zeros(_SPARKS, np.int64)
        self._length = np.zeros(_SPARKS, np.int64)
        self._position = np.zeros(_SPARKS)
        self._ratio = np.ones(_SPARKS)
        self._attack = np.full(_SPARKS, np.float32(0.02))
        self._left = np.zeros(_SPARKS, np.float32)
        self._right = np.zeros(_SPARKS, np.float32)

    def start(self, event: Event, span: Span) -> float:
        self._event = event
        self._age = 0
        self._way = float(event.detail.get("way", 1.0))
        self._near_m = float(event.detail.get("near_m", span["near_m"][0]))
        self._speed_m_s = float(event.detail.get("speed_m_s", 12.0))
        self._lasts_s = event.duration_s or float(span["flight_s"][0])
        self._pass_s = float(event.detail.get("pass_s", 0.5 * self._lasts_s))
        rng = np.random.Generator(np.random.PCG64(event.key))
        if event.kind == "embers":
            self._scatter(event, rng, span.rate_hz)
        else:
            self._stroke_hz = float(event.detail.get("stroke_hz", span["stroke_hz"][0]))
            self._stroke = float(rng.random())
            self._curve_phase[:] = rng.random(3)
            self._wings[:] = 0.0
            self._veil[:] = 0.0
        return self._lasts_s

    def render(self, span: Span, out: F32) -> None:
        if self._event.kind == "embers":
            grains(
                self._begin,
                self._length,
                self._position,
                self._ratio,
                self._attack,
                self._left,
                self._right,
                self._store,
                self._age,
                out,
                2,
            )
        else:
            self._fly(span, out)
        self._age += span.frames

    def _path(self, age_s: F64) -> tuple[F64, F64, F64]:
        """Where it is: side -1 to 1, distance in metres, and the Doppler ratio of what is heard."""
        along_m = self._speed_m_s * (age_s - self._pass_s)
        distance_m = np.hypot(along_m, self._near_m)
        closing = -self._speed_m_s * along_m / distance_m / _SOUND_M_S
        return self._way * along_m / distance_m, distance_m, 1.0 / (1.0 - _LEAN * closing)

    def _fly(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        side, distance_m, doppler = self._path(age_s)
        curve = self._curve[: span.steps + 1]
        drift(self._event.key, self._curve_phase, np.full_like(curve, 0.7 * span.step_s), curve)

        beat = self._stroke + self._stroke_hz * (age_s + 0.12 * curve[:, 0])
        down = 0.5 - 0.5 * np.cos(2.0 * np.pi * beat)
        hum = down**3
        smoke = 0.35 + 0.65 * (0.5 - 0.5 * np.cos(2.0 * np.pi * (beat - 0.22)))
        # It glides for a while now and then: the strokes flatten out.
        gliding = np.clip(0.5 + 1.6 * curve[:, 1], 0.0, 1.0)
        hum = hum + gliding * (0.4 - hum)
        near = (self._near_m / distance_m) ** 1.2 * np.minimum(np.minimum(age_s, self._lasts_s - age_s), 1.0)
        near = np.maximum(near, 0.0)

        noise = self._noise[: 2 * span.frames].reshape(2, span.frames)
        white(int(self._event.key), self._age, noise)
        whistle = span["whistle"]
        hum_cycles = (self._event.pitch_hz or 440.0) * doppler * (1.0 + 0.05 * (hum - 0.4)) / span.rate_hz
        air_cycles = 2.4 * hum_cycles * (0.55 + 0.45 * (self._near_m / distance_m) ** 0.5)
        cutoff = np.stack((hum_cycles, np.minimum(air_cycles, 0.45)), axis=1)
        q = np.stack((3.0 + 14.0 * whistle, np.full(span.steps + 1, 0.8)), axis=1)
        svf(self._wings, cutoff, q, BAND, noise, noise)
        # Smoke has no edge: all above is veiled, the more the farther it is.
        veil = np.stack((2.2 * air_cycles, 2.2 * air_cycles), axis=1)
        svf(self._veil, np.minimum(veil, 0.45), np.full_like(veil, 0.6), LOW, noise, noise)

        # A narrower band is softer by its root, and so is white noise that is spread wider.
        near = near * math.sqrt(span.rate_hz / 48_000.0)
        hum_level = 4.2 * np.sqrt(q[:, 0] / 6.0) * hum * near
        air_level = 0.42 * smoke * near
        body = noise[0] * _along(hum_level) + noise[1] * _along(air_level)
        angle = np.pi / 4.0 * (1.0 + 0.95 * side)
        out[0] += body * _along(np.cos(angle))
        out[1] += body * _along(np.sin(angle))

    def _scatter(self, cloud: Event, rng: np.random.Generator, rate_hz: float) -> None:
        """Each spark where the bird was a moment ago: fewer, softer and lower as the trail goes out."""
        at_s = np.asarray(cloud.detail.get("at_s", np.sort(rng.random(60)) * self._lasts_s))
        n = min(len(at_s), _SPARKS)
        chance = rng.random((n, 5))
        # They hang in the air where it was up to two seconds ago.
        side, distance_m, _ = self._path(at_s[:n] - 2.0 * chance[:, 4] ** 2)
        old = np.minimum(at_s[:n] / self._lasts_s, 0.98)
        level = (self._near_m / distance_m) ** 0.6 * (1.0 - old) ** 0.7 * (0.15 + chance[:, 0] ** 3)
        angle = np.pi / 4.0 * (1.0 + np.clip(0.95 * side + 0.2 * (chance[:, 1] - 0.5), -1.0, 1.0))
        self._length.fill(0)
        self._begin[:n] = at_s[:n] * rate_hz
        self._length[:n] = _STORED_S * rate_hz
        self._position[:n] = np.floor(chance[:, 2] * _STORED) * int(_STORED_S * rate_hz)
        self._ratio[:n] = (0.8 + 0.5 * chance[:, 3]) * (1.1 - 0.4 * old)
        self._left[:n] = level * np.cos(angle)
        self._right[:n] = level * np.sin(angle)


def _along(values: F64) -> F32:
    """A control at every frame: (steps + 1,) becomes (64 · steps,)."""
    begin = values.astype(np.float32)
    return np.asarray(begin[:-1, None] + np.diff(begin)[:, None] * _RAMP).reshape(-1)


@functools.lru_cache(maxsize=2)  # of two nights: one that plays, and the next
def _store(rate_hz: float, seed: int) -> F32:
    """Sparks to choose from, one after the other, ready for grains: a tick, a short ring or two."""
    rng = chance_of.stream(seed, "birds", "sparks")
    length = int(_STORED_S * rate_hz)
    t = np.arange(length) / rate_hz
    sparks = np.zeros((_STORED, length))
    for spark in sparks:
        pitch_hz = 3000.0 * 2.3 ** rng.random(2)
        decay_s = 0.0008 * 6.0 ** rng.random(2)
        for k in range(2):
            spark += np.exp(-t / decay_s[k]) * np.sin(2.0 * np.pi * pitch_hz[k] * t)
        spark += 0.7 * np.exp(-t / 0.0004) * rng.standard_normal(length)
        spark *= np.minimum(t / 0.0003, 1.0) * (1.0 - t / _STORED_S) / math.sqrt(np.sum(spark**2))
    return oversampled(4.5 * evened(rate_hz) * sparks.reshape(1, -1).astype(np.float32))
