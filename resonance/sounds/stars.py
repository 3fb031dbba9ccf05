"""A churning sea of liquid stars, far below: glitter over a soft swell; it drowns, and it screams.

Some hundred partials over 3 kHz lie in swarms about the tones of the theme, close enough that neighbours beat
like light on water. Each glints when it will; waves of six to fourteen seconds pass through them all from one
side to the other. Under them a few low tones and a wash of noise ride on the same waves.

What it follows: energy lifts and lights it, valence draws the swarms together on their pure tones. As valence
falls and tension grows the stars drown in their own light: partials smear into noise, sink in pitch, lose
their glints and dim to gray. Where energy and tension are both high they scream: the same partials leave
their places for swarming glissandi, torn by deep frequency modulation; and claws, trains of grains, seize on
after the heart's beats and drag downward.

Source: roughness from 30 to 150 Hz is what makes a scream, Arnal et al. 2015, "Human screams occupy a
privileged niche in the communication soundscape"; swarms of glissandi, Xenakis 1971, Formalized Music, ch. 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel
from resonance.dsp.curves import A_DECIBEL, drift, hashed, mixed, power_of_two
from resonance.dsp.filters import BAND, LOW, svf
from resonance.dsp.mixing import ramped
from resonance.dsp.noise import white
from resonance.dsp.partials import cosine, sines
from resonance.generate import theme
from resonance.tuning import Tuning, tones_between
from resonance.units import count, db, metres, part, seconds

_LOWEST_HZ, _HIGHEST_HZ = 3300.0, 12_800.0  # where swarms may have their middles
_NEIGHBOUR_HZ = 10.0  # from a star to the next of its swarm, about: the beating that glitters
_FLOCKS = 8
_SEA_DEGREES = (0, 4, 7, 9, 11, 14, 18, 21)  # root, fifth, octave, third above ...: the sea's own tones
_SEA_OCTAVE = 2
_FINGERS, _TINES = 4, 5
_DIMMED = 1.3  # how much later the light dims than it smears, as a power: first it blooms, then it goes


@dataclass(frozen=True)
class Stars(Patch):
    """A sea of liquid stars: glitter on slow waves, that drowns in doubt and screams in agony."""

    send_db: float = db(-10.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(
        7.0, 0.5, 2000.0, "how far away it is: softer, duller and wetter with distance"
    )
    partials: int = count(232, 220, 512, "stars, each a partial over 3 kHz")
    swell_s: float = seconds(9.5, 6.0, 14.0, "from one wave to the next")
    swell_db: float = db(9.0, 0.0, 30.0, "from a wave's trough to its crest")
    glitter: float = part(0.6, "how brightly single stars glint")
    sea: float = part(0.5, "the low tones and the wash under the stars")
    drowning: float = part(1.0, "how far dark and strain drown them in noise")
    dimming_db: float = db(16.0, 0.0, 60.0, "how much softer they are when drowned")
    screaming: float = part(1.0, "how far strain and energy make them scream")
    claws: float = part(0.8, "how likely a claw seizes on after a beat, when they scream")


@kernel
def smooth(x: float) -> float:
    """0 below 0, 1 above 1, and an S between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


@kernel
def scream(energy: float, tension: float) -> float:
    """How much the stars scream, 0 to 1: where energy and tension are both high."""
    return smooth((energy - 0.5) / 0.25) * smooth((tension - 0.5) / 0.3)


@kernel
def drowned(valence: float, tension: float) -> float:
    """How far the stars are drowned, 0 to 1: where it is dark and strained."""
    return smooth((0.58 - valence) / 0.45) * smooth((tension - 0.32) / 0.34)


class StarsRule(Sustain):
    """The stars are there while their scene is; claws seize on after beats where they scream."""

    def __init__(self, patch: Stars, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._rng = setting.stream("claws")

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        if not span.beats:
            return
        likely = span["claws"] * span["screaming"] * span.presence
        for beat in span.beats:
            chance = self._rng.random(6)
            step = span.step_of(beat.frame)
            if chance[0] >= likely[step] * scream(float(span.energy[step]), float(span.tension[step])):
                continue
            delay_s = beat.interval_s * (0.08 + 0.6 * chance[1])
            yield Event(
                beat.frame + int(delay_s * span.rate_hz),
                "claw",
                pitch_hz=2900.0 * 2.0 ** float(chance[2]),
                level_db=-5.0 - 8.0 * float(chance[3]),
                duration_s=0.8 + 1.5 * float(chance[4]),
                rule="claw",
                detail={"pan": 1.8 * float(chance[5]) - 0.9, "beat": beat.number},
            )


class StarsVoice(Voice):
    """The sea of stars, or one claw."""

    voices: ClassVar[int] = 12

    def __init__(self, patch: Stars, setting: Setting) -> None:
        self._setting = setting
        self._rate_hz = setting.rate_hz
        self._key = setting.key("stars")
        self._surf_key = setting.key("surf")
        self._n = patch.partials
        rows = MAX_STEPS + 1
        self._lifted, self._light = np.empty((2, self._n))
        self._cycles = setting.scratch("cycles", rows * self._n, np.float64)
        self._left, self._right = setting.scratch("levels", (2, rows * self._n), np.float32)
        self._flock_cycles = setting.scratch("flock_cycles", (rows, _FLOCKS), np.float64)
        self._flock_level = setting.scratch("flock_level", (rows, _FLOCKS), np.float64)
        self._curve = setting.scratch("curve", (rows, 3), np.float64)
        self._curve_pace = np.full((rows, 3), 0.06 * GRID_FRAMES / setting.rate_hz)
        self._turned = setting.scratch("turned", 4 * rows, np.float64)
        self._weather = setting.scratch("weather", 10 * rows, np.float64)
        tones, tines = len(_SEA_DEGREES), _FINGERS * _TINES
        self._sea_cycles = setting.scratch("sea_cycles", (rows, tones), np.float64)
        self._sea_levels = setting.scratch("sea_levels", (2, rows, tones), np.float32)
        self._claw_cycles = setting.scratch("claw_cycles", (rows, tines), np.float64)
        self._claw_levels = setting.scratch("claw_levels", (2, rows, tines), np.float32)
        self._surf = setting.scratch("surf", (4, rows, 2), np.float64)
        self._wash = setting.scratch("wash", rows, np.float64)
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._scatter(setting.stream("sky"), setting.tuning)

    def _scatter(self, rng: np.random.Generator, tuning: Tuning) -> None:
        """Where each star lies: its swarm, its place in it, its side, and to which flock it will belong."""
        n = self._n
        tones = np.array(tones_between(tuning, theme.CLIMB, _LOWEST_HZ, _HIGHEST_HZ))
        place = np.arange(n) // len(tones)
        self._home = tones[np.arange(n) % len(tones)] / self._rate_hz
        out = (place + 1) // 2 * np.where(place % 2, 1.0, -1.0)
        self._stray = _NEIGHBOUR_HZ / self._rate_hz * (out + rng.uniform(-0.3, 0.3, n))
        height = np.log2(self._home * self._rate_hz / _LOWEST_HZ) / 2.0
        self._weight = 1.0 / (1.0 + 0.25 * np.abs(out))
        self._weight *= 0.27 / math.sqrt(np.sum(self._weight**2))
        self._height = np.clip(height, 0.0, 1.0)
        side = rng.uniform(-0.95, 0.95, n)
        angle = np.pi / 4.0 * (1.0 + side)
        self._side_left, self._side_right = np.cos(angle), np.sin(angle)
        # Waves roll from side to side and from low to high, slowly enough that all still rise together.
        self._lag = 0.06 * side + 0.1 * (self._height - 0.5) + rng.uniform(-0.03, 0.03, n)
        self._pace = rng.uniform(0.12, 0.5, n)
        self._flock = rng.permutation(n) % _FLOCKS
        # A flock is close, some 40 Hz from one to the next, where it is roughest; a third fly a fifth above.
        self._apart = rng.uniform(-0.06, 0.06, n)
        self._apart += np.where(np.arange(n) % 3 == 0, 0.5, 0.0)
        self._tear_hz = rng.uniform(42.0, 105.0, _FLOCKS)
        sea_hz = np.array([tuning.hz(degree, _SEA_OCTAVE) for degree in _SEA_DEGREES])
        weight = 0.045 * (sea_hz[0] / sea_hz) ** 0.6
        side = rng.permutation(np.linspace(-0.7, 0.7, len(_SEA_DEGREES)))
        angle = np.pi / 4.0 * (1.0 + side)
        self._sea = sea_hz / self._rate_hz, 0.08 * side, weight * np.cos(angle), weight * np.sin(angle)

    def start(self, event: Event, span: Span) -> float:
        self._claw = event if event.kind == "claw" else None
        self._age = 0
        if self._claw is not None:
            return self._seize(self._claw)
        rng = self._setting.anew("phases", event)
        self._phase = rng.random(self._n)
        self._begin = rng.random(self._n)
        self._glints = np.full(self._n, -1.0), np.zeros(self._n)
        self._sea_phase = rng.random(len(_SEA_DEGREES))
        self._curve_phase = 100.0 * rng.random(3)
        self._turns = np.array([rng.random(), 0.0, 0.0, 0.0])
        self._surf_filters = np.zeros((2, 2, 2))
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        if self._claw is not None:
            self._drag(span, self._claw, out)
        else:
            self._shine(span, out)

    def _shine(self, span: Span, out: F32) -> None:
        n, rows = self._n, span.steps + 1
        curve = self._curve[:rows]
        turned = self._turned[: 4 * rows].reshape(4, rows)
        weather = self._weather[: 10 * rows].reshape(10, rows)
        drift(self._key, self._curve_phase, self._curve_pace[:rows], curve)
        forecast(
            self._turns,
            span.step_s,
            (span.valence, span.energy, span.tension),
            (span["screaming"], span["drowning"], span["dimming_db"], span["glitter"]),
            (span["swell_s"], span["swell_db"]),
            curve,
            turned,
            weather,
        )
        wave, glints, cries, tears = turned
        loud, trough, glitter, spread, bright, smear, sink, screaming, torn, _ = weather
        flock_cycles, flock_level = self._flock_cycles[:rows], self._flock_level[:rows]
        if screaming.any():
            flocks(self._key, self._rate_hz, cries, flock_cycles, flock_level)
        cycles = self._cycles[: rows * n].reshape(rows, n)
        left, right = self._left[: rows * n].reshape(rows, n), self._right[: rows * n].reshape(rows, n)
        sky(
            self._key,
            span.start // GRID_FRAMES,
            self._glints,
            (self._home, self._stray, self._height, self._weight, self._lag, self._pace, self._begin),
            (self._side_left, self._side_right),
            (self._flock, self._apart, self._tear_hz),
            (flock_cycles, flock_level),
            (wave, trough, glints, tears),
            (loud, glitter, spread),
            bright,
            (smear, sink),
            (screaming, torn),
            self._lifted,
            self._light,
            cycles,
            left,
            right,
        )
        sines(self._phase, cycles, left, right, out)
        self._swell(span, wave, weather, curve, out)

    def _swell(self, span: Span, wave: F64, weather: F64, curve: F64, out: F32) -> None:
        """The sea under the stars: low tones and a wash, on the same waves."""
        rows = span.steps + 1
        cycles, (left, right) = self._sea_cycles[:rows], self._sea_levels[:, :rows]
        centre, q, cutoff, flat = self._surf[:, :rows]
        wash = self._wash[:rows]
        sea(
            span.rate_hz,
            self._sea,
            (wave, span["sea"]),
            weather,
            curve,
            (cycles, left, right),
            (centre, q, cutoff, flat),
            wash,
        )
        sines(self._sea_phase, cycles, left, right, out)
        noise = self._noise[: 2 * span.frames].reshape(2, span.frames)
        white(int(self._surf_key), span.start, noise)
        svf(self._surf_filters[0], centre, q, BAND, noise, noise)
        svf(self._surf_filters[1], cutoff, flat, LOW, noise, noise)
        ramped(noise, wash, out)

    def _seize(self, claw: Event) -> float:
        """Four fingers of five tines, each a torn cluster, drawn down together."""
        rng = np.random.Generator(np.random.PCG64(claw.key))
        self._tine_phase = rng.random(_FINGERS * _TINES)
        finger = np.repeat(np.cumprod(rng.uniform(1.08, 1.22, _FINGERS)), _TINES)
        self._tine = finger * rng.uniform(0.985, 1.02, finger.size)
        self._late_s = np.repeat(np.cumsum(rng.uniform(0.012, 0.05, _FINGERS)), _TINES)
        self._grain_hz = np.repeat(rng.uniform(24.0, 38.0, _FINGERS), _TINES)
        self._depth = rng.uniform(1.3, 2.3)
        self._side = rng.uniform(-0.18, 0.18, finger.size)
        return float(claw.duration_s + self._late_s[-1])

    def _drag(self, span: Span, claw: Event, out: F32) -> None:
        """Grains that seize on, and slow down as they drag: each starts sharp and is pulled flat."""
        rows = span.steps + 1
        cycles, (left, right) = self._claw_cycles[:rows], self._claw_levels[:, :rows]
        claw_at(
            self._age,
            span.rate_hz,
            claw.duration_s,
            (self._late_s, self._grain_hz, self._tine * (claw.pitch_hz or 4000.0) / span.rate_hz, self._side),
            self._depth,
            float(claw.detail.get("pan", 0.0)),
            cycles,
            left,
            right,
        )
        sines(self._tine_phase, cycles, left, right, out)
        self._age += span.frames


@kernel
def claw_at(
    age: int,
    rate_hz: float,
    duration_s: float,
    tines: tuple[F64, F64, F64, F64],
    depth: float,
    pan: float,
    cycles: F64,
    left: F32,
    right: F32,
) -> None:
    """Writes where a claw's tines are, and how loud, (steps + 1, tines) each, from its frame `age` on."""
    late_s, grain_hz, pitch, side = tines
    for step in range(cycles.shape[0]):
        for i in range(late_s.size):
            since_s = (age + step * GRID_FRAMES) / rate_hz - late_s[i]
            x = min(max(since_s / duration_s, 0.0), 1.0)
            grain = grain_hz[i] * since_s * (1.0 - 0.3 * x)
            within = grain - np.floor(grain)
            gate = min(within / 0.1, 1.0) * (1.0 - within) ** 1.5
            level = 0.075 * gate * min(max(since_s, 0.0) / 0.004, 1.0) * (1.0 - x) ** 0.8
            cycles[step, i] = pitch[i] * (1.05 - 0.07 * within) * power_of_two(-depth * x**1.6)
            # They pull towards the middle, where the abyss is.
            turn = 0.125 * (1.0 + min(max(pan * (1.0 - 0.8 * x) + side[i], -1.0), 1.0))
            left[step, i] = level * cosine(np.float32(turn))
            right[step, i] = level * cosine(np.float32(0.25 - turn))


@kernel
def crest(turns: float) -> float:
    """A wave's height at so many turns, 0 to 1."""
    return 0.5 + 0.5 * np.float64(cosine(np.float32(turns - np.floor(turns + 0.5))))


@kernel
def forecast(
    turns: F64,
    step_s: float,
    arc: tuple[F64, F64, F64],
    fates: tuple[F64, F64, F64, F64],
    swell: tuple[F64, F64],
    curve: F64,
    turned: F64,
    weather: F64,
) -> None:
    """Writes how far waves, glints, cries and tears have turned, (4, steps + 1), and the weather.

    `turns` (4,) is state. The weather (10, steps + 1) is, in this order: how loud all is, a wave's trough,
    how stars glint, how far they stray, how bright the highest are; how far they are smeared, and sunk; how
    much they scream, and how deeply they are torn; and how gray it is.
    """
    valence, energy, tension = arc
    screaming, drowning, dimming_db, glitter = fates
    swell_s, swell_db = swell
    steps = turned.shape[1] - 1
    for step in range(steps + 1):
        cry = screaming[step] * scream(energy[step], tension[step])
        gray = drowning[step] * drowned(valence[step], tension[step]) * (1.0 - cry)
        dimmed_db = dimming_db[step] * gray**_DIMMED
        weather[0, step] = power_of_two(A_DECIBEL * (-4.0 + 9.0 * energy[step] - dimmed_db))
        weather[1, step] = power_of_two(-A_DECIBEL * swell_db[step] * (1.0 - 0.6 * cry))
        weather[2, step] = glitter[step] * (1.0 - gray)
        weather[3, step] = (1.35 - 0.7 * valence[step]) * (1.0 + 0.35 * curve[step, 2])
        weather[4, step] = (0.35 + 0.4 * energy[step] + 0.25 * valence[step]) * (1.0 - 0.5 * gray)
        weather[5, step] = 0.4 * gray
        weather[6, step] = power_of_two(-1.1 * gray)
        weather[7, step] = cry
        weather[8, step] = 0.025 + 0.085 * smooth((tension[step] - 0.6) / 0.4)
        weather[9, step] = gray
        for k in range(turns.size):
            turned[k, step] = turns[k]
        if step < steps:
            turns[0] += step_s * (1.0 + 0.12 * curve[step, 0]) / swell_s[step]
            turns[1] += step_s * (0.5 + 1.2 * energy[step])
            turns[2] += step_s * (0.35 + 0.5 * tension[step])
            turns[3] += step_s * (0.8 + 0.4 * tension[step])


@kernel
def sea(
    rate_hz: float,
    tones: tuple[F64, F64, F64, F64],
    tide: tuple[F64, F64],
    weather: F64,
    curve: F64,
    partials: tuple[F64, F32, F32],
    surf: tuple[F64, F64, F64, F64],
    wash: F64,
) -> None:
    """Writes the sea's tones and the wash's two filters, (steps + 1, lanes) each, and the wash's level.

    Drowning, the wash opens into the hiss of overexposed light: wide enough to pierce any fog.
    """
    pitch, lag, left, right = tones
    wave, fullness = tide
    wide = 0.16 * math.sqrt(rate_hz / 48_000.0)  # white noise is as loud in a band at any rate
    for step in range(wash.size):
        trough, gray = weather[1, step], weather[9, step]
        loud = weather[0, step] * fullness[step] * (1.0 - 0.9 * weather[7, step])
        sunk = power_of_two(-0.4 * gray)
        for i in range(pitch.size):
            level = trough + (1.0 - trough) * crest(wave[step] - lag[i])
            level *= loud * (1.0 - 0.95 * gray)
            partials[0][step, i] = pitch[i] * sunk
            partials[1][step, i] = level * left[i]
            partials[2][step, i] = level * right[i]
        high = crest(wave[step] + 0.04)
        centre = (480.0 + 500.0 * high + 120.0 * curve[step, 1]) * 3.0**gray / rate_hz
        surf[0][step, :] = centre
        surf[1][step, :] = 0.7 - 0.5 * gray
        surf[2][step, :] = min(2.0 * centre * 5.0**gray, 0.45)
        surf[3][step, :] = 0.6
        wash[step] = wide * (1.0 - 0.6 * gray) * loud * (trough + (1.0 - trough) * high)


@kernel
def flocks(key: np.uint64, rate_hz: float, turns: F64, cycles: F64, level: F64) -> None:
    """Writes where each flock's scream is, in cycles a frame, and how loud: (steps + 1, flocks) each.

    A scream leaps up, holds, and slides down an octave or more; then its flock draws breath for another,
    elsewhere. `turns` (steps + 1,) counts screams.
    """
    for f in range(cycles.shape[1]):
        lane = mixed(key, 1_000_000 + f)
        begin = hashed(lane, -1)
        pace = 0.7 + 0.8 * hashed(lane, -2)
        for step in range(turns.shape[0]):
            turn = begin + pace * turns[step]
            cry = int(np.floor(turn))
            x = turn - cry
            top_hz = 5000.0 * 1.8 ** hashed(lane, 4 * cry)
            turning = 0.3 + 0.3 * hashed(lane, 4 * cry + 1)
            depth = 0.5 + 1.0 * hashed(lane, 4 * cry + 2)
            x = min(1.0, x * (1.15 + 0.9 * hashed(lane, 4 * cry + 3)))
            if x < turning:
                up = 1.0 - x / turning
                bend = -0.8 * up * up * up
            else:
                down = (x - turning) / (1.0 - turning)
                bend = -depth * down * down
            cycles[step, f] = top_hz * 2.0**bend / rate_hz
            level[step, f] = min(1.0, x / 0.06) * min(1.0, (1.0 - x) / 0.3)


@kernel
def sky(
    key: np.uint64,
    first: int,
    drawn: tuple[F64, F64],
    stars: tuple[F64, F64, F64, F64, F64, F64, F64],
    sides: tuple[F64, F64],
    flocking: tuple[I64, F64, F64],
    cries: tuple[F64, F64],
    turns: tuple[F64, F64, F64, F64],
    light: tuple[F64, F64, F64],
    bright: F64,
    gray: tuple[F64, F64],
    torn: tuple[F64, F64],
    lifted: F64,
    level: F64,
    cycles: F64,
    left: F32,
    right: F32,
) -> None:
    """Writes every star's pitch and levels, (steps + 1, stars) each, from absolute step `first` on.

    `drawn`, state, remembers each star's glint by its number, so that its chance is drawn once. Calm, a star
    lies at home plus its stray; it glints once a turn, each time as brightly as chance will, and the waves
    lift it. Gray, its pitch is shaken at every step, which smears it into noise, and sinks. Torn, it flies
    with its flock, its pitch and level modulated at the flock's own rate. `lifted` and `level` (stars,) are
    scratch.
    """
    glint_number, glint_level = drawn
    home, stray, height, weight, lag, pace, begin = stars
    wave, trough, glints, tears = turns
    loud, glitter, spread = light
    smear, sink = gray
    for step in range(cycles.shape[0]):
        pitch = cycles[step]
        _lift(wave[step], trough[step], lag, lifted)
        _draw(key, begin, pace, glints[step], glint_number, glint_level)
        _glint(glitter[step], begin, pace, glints[step], glint_level, level)
        for i in range(level.size):
            level[i] *= lifted[i]
        for i in range(level.size):
            level[i] *= 1.0 - (1.0 - bright[step]) * height[i]
        for i in range(level.size):
            pitch[i] = home[i] + spread[step] * stray[i]
        if torn[0][step] > 0.0:
            tear = tears[step], torn[1][step]
            _scream(torn[0][step], tear, flocking, cries[0][step], cries[1][step], lifted, pitch, level)
        if smear[step] > 0.0:
            shaken = mixed(key, first + step)
            for i in range(level.size):
                pitch[i] *= 1.0 + smear[step] * (2.0 * hashed(shaken, i) - 1.0)
        for i in range(level.size):
            pitch[i] *= sink[step]
        for i in range(level.size):
            level[i] *= weight[i] * loud[step]
        for i in range(level.size):
            left[step, i] = level[i] * sides[0][i]
        for i in range(level.size):
            right[step, i] = level[i] * sides[1][i]


@kernel
def _lift(wave: float, trough: float, lag: F64, lifted: F64) -> None:
    """Writes how high the wave lifts each star."""
    for i in range(lag.size):
        lifted[i] = trough + (1.0 - trough) * crest(wave - lag[i])


@kernel
def _draw(key: np.uint64, begin: F64, pace: F64, glints: float, number: F64, level: F64) -> None:
    """Draws how bright the glints will be that begin now."""
    begun = 0
    for i in range(begin.size):
        begun += np.floor(begin[i] + pace[i] * glints) != number[i]
    if begun == 0:
        return
    for i in range(begin.size):
        turn = np.floor(begin[i] + pace[i] * glints)
        if turn != number[i]:
            chance = hashed(key, i + 4096 * int(turn))
            number[i], level[i] = turn, chance * chance * chance * chance


@kernel
def _glint(glitter: float, begin: F64, pace: F64, glints: float, drawn: F64, level: F64) -> None:
    """Writes each star's light: it flares up, and falls until its next glint."""
    for i in range(begin.size):
        turn = begin[i] + pace[i] * glints
        left_over = 1.0 - (turn - np.floor(turn))
        falling = left_over * left_over * left_over
        level[i] = 0.35 + 14.0 * glitter * drawn[i] * falling * falling * min(1.0, 60.0 * (1.0 - left_over))


@kernel
def _scream(
    screaming: float,
    tear: tuple[float, float],
    flocking: tuple[I64, F64, F64],
    cries: F64,
    loud: F64,
    lifted: F64,
    pitch: F64,
    level: F64,
) -> None:
    """Takes stars from their places to their flocks', torn."""
    flock, apart, tear_hz = flocking
    tears, depth = tear
    for i in range(level.size):
        f = flock[i]
        turn = tear_hz[f] * tears + 0.1 * apart[i]
        torn = np.float64(cosine(np.float32(turn - np.floor(turn + 0.5))))
        flown = cries[f] * (1.0 + apart[i]) * (1.0 + depth * torn)
        pitch[i] += screaming * (flown - pitch[i])
        level[i] += screaming * (0.9 * loud[f] * (1.0 - 0.4 * torn) * lifted[i] - level[i])
