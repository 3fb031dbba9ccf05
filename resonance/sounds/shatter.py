"""The mirror shatters: one impact, then thousands of shards of glass that scatter, fewer and fewer.

At the touch the pane rings and a deep blow goes through the ground; fissures run; then the pieces land,
each a small plate of glass with three modes of its own, and bounce, lower each time and sooner. Some sing on,
high, on the tones of the root's chord. The later they land, the farther out they have flown, to either side
and away. Everything here is a ring, a sine that decays; a kernel sounds only those that are alive.

What it follows, at the moment of the impact: energy is the force of the blow and how many pieces it makes;
tension makes them more brittle, valence lets more of them sing.

Source: broken glass as many small modal impacts, Cook 1997, "Physically informed sonic modeling (PhISM)";
bounces whose intervals shrink in a constant ratio, Farnell 2010, Designing Sound, ch. 30; the delay between
two ears, Woodworth 1938.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from resonance.contract import Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel
from resonance.dsp.curves import levels
from resonance.dsp.partials import cosine
from resonance.tuning import Tuning, tones_between
from resonance.units import count, db, part, seconds

_MODES = 3
_BOUNCES = 5
_SPLINTERS = 70
_DUST = 180  # so many that none is heard: glass that hisses as it falls to powder
_DUST_HZ = (9500.0, 19_500.0)  # finer than any shard, up to the end of hearing: nothing in the piece is wider
_APART = 30
_LOWEST_HZ, _HIGHEST_HZ = 1500.0, 16_000.0
_SINGS_HZ = 7500.0  # the highest tone of a piece that sings
_CHORD = (0, 2, 4)
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_BURSTS_S = 0.045  # from the touch to the burst: a fissure's way across a pane, slowed down to be heard
_HEARD_DB = 75.0  # a ring has ended when it has fallen so far
_EARS_S = 0.0004  # half of Woodworth's delay for a sound from the side, and some more, for width
_FRAME = np.arange(GRID_FRAMES, dtype=np.float32)
_HALF, _ONE, _NOTHING = np.float32(0.5), np.float32(1.0), np.float32(0.0)


@dataclass(frozen=True)
class Shatter(Patch):
    """A mirror that shatters once, when the score lets it in."""

    send_db: float = db(-12.0, -120.0, 12.0, "level sent to the shared space")
    pieces: int = count(260, 50, 1500, "pieces of glass, each of which lands and bounces four times")
    scatter_s: float = seconds(1.3, 0.2, 5.0, "in what time the pieces that still fall are down to 37 %")
    blow: float = part(0.6, "the impact: the deep blow and the ringing pane")
    singing: float = part(0.035, "how many of the pieces sing on, on the tones of the chord")


@dataclass(frozen=True, slots=True)
class Shards:
    """Micro-impacts in the order of their times, each array (n,), `modes` (n, modes) and alike."""

    at_s: F64
    level_db: F64
    pan: F64
    distance_m: F64
    modes_hz: F64
    t60_s: F64


def shards(
    rng: np.random.Generator, tuning: Tuning, patch: Shatter, span: Span, step: int, pieces: int
) -> Shards:
    """Draws how a mirror breaks: splinters along the fissures, then pieces that land and bounce."""
    n = patch.pieces
    chance = rng.random((n, 8))
    bent = rng.random((n, _MODES))
    struck = rng.random((n, _BOUNCES))
    fine = rng.random((_SPLINTERS, 5))

    # The smaller a piece the higher it rings; what is small is frequent.
    lowest_hz = _LOWEST_HZ * 5.0 ** chance[:, 0]
    ratio = np.array([1.0, 1.72, 2.71]) * (1.0 + 0.16 * (bent - 0.5) * np.array([0.0, 1.0, 1.0]))
    brittle = 1.25 - 0.5 * float(span.tension[step])
    ring_s = np.clip(brittle * 0.01 * 8.0 ** (chance[:, 1] ** 4) * (3000.0 / lowest_hz) ** 0.4, 0.008, 0.2)
    sings = chance[:, 2] < span["singing"][step] * (0.5 + float(span.valence[step]))
    tones = np.array(tones_between(tuning, _CHORD, _LOWEST_HZ, _SINGS_HZ))
    lowest_hz = np.where(sings, tones[(chance[:, 0] * len(tones)).astype(int)], lowest_hz)
    ring_s = np.where(sings, 0.5 + 1.1 * chance[:, 1], ring_s)

    modes_hz = np.minimum(lowest_hz[:, None] * ratio, _HIGHEST_HZ - 900.0 * bent)
    t60_s = np.maximum(ring_s[:, None] * np.array([1.0, 0.62, 0.4]), 0.006)
    # The golden ratio lays any number of pieces evenly, chance only jostles them: the rate falls smoothly.
    share = (np.arange(n) * _GOLDEN + chance[0, 3] + 3.0 / n * chance[:, 3]) % 1.0
    lands_s = _BURSTS_S - span["scatter_s"][step] * np.log1p(-0.985 * share)
    interval_s = (0.045 + 0.085 * chance[:, 4])[:, None] * (0.5 + 0.2 * chance[:, 5])[:, None] ** np.arange(
        _BOUNCES - 1
    )
    at_s = lands_s[:, None] + np.concatenate((np.zeros((n, 1)), np.cumsum(interval_s, axis=1)), axis=1)
    # Few are loud: sizes of what breaks are skewed. A bounce loses 4 dB or so, and never strikes alike.
    level_db = 0.0 - 10.0 * chance[:, 6] - 1.5 * lands_s
    level_db = np.where(sings, level_db - 17.0, level_db)
    level_db = level_db[:, None] - 2.0 * np.arange(_BOUNCES) - 5.0 * struck
    out = np.minimum(1.0, 0.45 + 0.4 * at_s)
    side = np.where(chance[:, 7] < 0.5, -1.0, 1.0)
    pan = side[:, None] * out * (np.abs(2.0 * chance[:, 7] - 1.0)[:, None] ** 0.4)
    distance_m = 2.0 + 4.0 * at_s * (0.4 + chance[:, 5])[:, None]

    chosen = slice(0, pieces)

    def flat(values: F64) -> F64:
        return values[chosen].reshape(-1)

    splinter_hz = 2200.0 * 7.0 ** fine[:, 0]
    broken = Shards(
        at_s=np.concatenate((0.004 + 0.13 * fine[:, 1] ** 1.3, flat(at_s))),
        level_db=np.concatenate((-11.0 - 14.0 * fine[:, 2], flat(level_db))),
        pan=np.concatenate((1.6 * fine[:, 3] - 0.8, flat(pan))),
        distance_m=np.concatenate((np.full(_SPLINTERS, 2.0), flat(distance_m))),
        modes_hz=np.concatenate(
            (
                np.minimum(splinter_hz[:, None] * np.array([1.0, 1.41, 1.93]), _HIGHEST_HZ),
                np.repeat(modes_hz[chosen], _BOUNCES, axis=0),
            )
        ),
        t60_s=np.concatenate(
            (
                (0.006 + 0.012 * fine[:, 4])[:, None] * np.ones(_MODES),
                np.repeat(t60_s[chosen], _BOUNCES, axis=0),
            )
        ),
    )
    order = np.argsort(broken.at_s, kind="stable")
    ordered = Shards(*(getattr(broken, name)[order] for name in Shards.__slots__))
    # Drawn apart from their neighbours a little, so that more of them are heard one by one.
    for _ in range(_APART):
        ordered.at_s[1:-1] += 0.25 * np.diff(ordered.at_s, 2)
    return ordered


class ShatterRule(Sustain):
    """One impact when the score lets the sound in, and each shard that follows it for the log."""

    def __init__(self, patch: Shatter, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._patch = patch
        self._tuning = setting.tuning
        self._rng = setting.stream("shards")

    def events(self, span: Span) -> Iterable[Event]:
        for event in super().events(span):
            if event.kind == "end":
                yield event
                continue
            step = span.step_of(event.frame)
            energy = float(span.energy[step])
            pieces = round(self._patch.pieces * (0.4 + 0.6 * energy))
            broken = shards(self._rng, self._tuning, self._patch, span, step, pieces)
            impact = replace(
                event,
                kind="impact",
                level_db=10.0 * (energy - 0.9),
                duration_s=float(np.max(broken.at_s[:, None] + broken.t60_s)) * 1.3,
                rule="touch",
                detail={"pieces": pieces, "blow": span.at("blow", event.frame), "shards": broken},
            )
            yield impact
            yield from self._log(impact, broken, span.rate_hz)

    @staticmethod
    def _log(impact: Event, broken: Shards, rate_hz: float) -> Iterable[Event]:
        for i, at_s in enumerate(broken.at_s):
            yield Event(
                impact.frame + int(at_s * rate_hz),
                "shard",
                pitch_hz=float(broken.modes_hz[i, 0]),
                level_db=impact.level_db + float(broken.level_db[i]),
                duration_s=float(broken.t60_s[i, 0]),
                rule="scatter",
                follows=impact,
                detail={"pan": float(broken.pan[i]), "distance_m": float(broken.distance_m[i])},
                sounds=False,
            )


class ShatterVoice(Voice):
    """The whole shatter: every ring of it is laid out when it begins."""

    voices: ClassVar[int] = 2

    def __init__(self, patch: Shatter, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._patch = patch
        self._rate_hz = setting.rate_hz

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        broken = event.detail.get("shards")
        if broken is None:
            broken = shards(rng, self._tuning, self._patch, span, 0, self._patch.pieces)
        rings = [
            self._blow(rng, float(event.detail.get("blow", self._patch.blow))),
            self._scattered(rng, broken),
        ]
        at_s, hz, t60_s, attack_s, level, pan, phase = (
            np.concatenate(column) for column in zip(*rings, strict=True)
        )
        order = np.argsort(at_s, kind="stable")
        at_s, hz, t60_s, attack_s, level, pan, phase = (
            column[order] for column in (at_s, hz, t60_s, attack_s, level, pan, phase)
        )
        rate = self._rate_hz
        angle = np.pi / 4.0 * (1.0 + pan)
        self._begin = (at_s * rate).astype(np.int64)
        self._end = self._begin + (t60_s * (_HEARD_DB / 60.0) * rate).astype(np.int64)
        self._cycles = hz / rate
        # The far ear hears it later: no level says "out there" as this does.
        late = hz * _EARS_S * pan
        self._phase = np.stack((phase + np.maximum(late, 0.0), phase - np.minimum(late, 0.0)))
        self._decay = 3.0 * math.log(10.0) / (t60_s * rate)
        self._attack = (1.0 / (attack_s * rate)).astype(np.float32)
        audible = level * (hz < 0.45 * rate)
        self._left = (audible * np.cos(angle)).astype(np.float32)
        self._right = (audible * np.sin(angle)).astype(np.float32)
        self._alive = np.zeros(len(at_s), np.int64)
        self._counts = np.zeros(2, np.int64)
        self._age = 0
        return float(self._end.max() / rate) + 0.02

    def _blow(self, rng: np.random.Generator, blow: float) -> tuple[F64, ...]:
        """The ground's blow, in the middle; the pane, a wide, dense, short chime of no pitch; its dust."""
        deep_hz = self._tuning.root_hz * np.array([1.0, 1.5, 2.0])
        pane = 90
        pane_hz = 140.0 * 65.0 ** ((np.arange(pane) + rng.random(pane)) / pane)
        hz = np.concatenate((deep_hz, pane_hz))
        t60_s = np.concatenate(
            ([1.5, 1.0, 0.8], 0.7 * (140.0 / pane_hz) ** 0.45 * rng.uniform(0.5, 1.3, pane))
        )
        level = np.concatenate(
            ([0.42, 0.2, 0.16], rng.uniform(0.25, 1.0, pane) * 0.075 * (500.0 / pane_hz) ** 0.25)
        )
        pan = np.concatenate((np.zeros(3), rng.uniform(-0.95, 0.95, pane)))
        at_s = np.concatenate((np.zeros(3), rng.uniform(0.0, 0.03, pane)))
        attack_s = np.concatenate((np.full(3, 0.02), rng.uniform(0.004, 0.014, pane)))
        phase = np.concatenate((np.zeros(3), rng.random(pane)))
        dust_hz = _DUST_HZ[0] + (_DUST_HZ[1] - _DUST_HZ[0]) * rng.random(_DUST)
        return (
            np.concatenate((at_s, rng.uniform(0.02, 0.08, _DUST))),
            np.concatenate((hz, dust_hz)),
            np.concatenate((t60_s, rng.uniform(1.7, 3.2, _DUST))),
            np.concatenate((attack_s, rng.uniform(0.006, 0.02, _DUST))),
            blow * np.concatenate((level, np.full(_DUST, 0.039))),
            np.concatenate((pan, rng.uniform(-0.95, 0.95, _DUST))),
            np.concatenate((phase, rng.random(_DUST))),
        )

    def _scattered(self, rng: np.random.Generator, broken: Shards) -> tuple[F64, ...]:
        """Every mode of every micro-impact, duller and softer with the way to it."""
        n = len(broken.at_s)
        near = 2.0 / broken.distance_m
        weight = rng.uniform(0.35, 1.0, (n, _MODES)) * np.array([1.0, 0.7, 0.5])
        # What is small is struck as hard: in equal blows the higher rings are the louder ones.
        bright = (broken.modes_hz / 3000.0) ** 0.9
        air = levels(-0.000_06 * broken.modes_hz * (broken.distance_m[:, None] - 2.0))
        level = 0.46 * levels(broken.level_db)[:, None] * near[:, None] ** 0.5 * weight * bright * air
        # Each mode a little aside: a shard is a thing with two ends.
        pan = np.clip(broken.pan[:, None] + rng.uniform(-0.12, 0.12, (n, _MODES)), -1.0, 1.0)
        flat = np.ones((1, _MODES))
        columns = (
            broken.at_s[:, None] * flat,
            broken.modes_hz,
            broken.t60_s,
            rng.uniform(0.0003, 0.0006, (n, 1)) * flat,
            level,
            pan,
            rng.random((n, _MODES)),
        )
        return tuple(column.reshape(-1) for column in columns)

    def render(self, span: Span, out: F32) -> None:
        rings(
            self._alive,
            self._counts,
            self._age,
            (self._begin, self._end),
            (self._cycles, self._phase, self._decay),
            (self._attack, self._left, self._right),
            out,
        )
        self._age += span.frames


@kernel
def rings(
    alive: I64,
    counts: I64,
    first: int,
    times: tuple[I64, I64],
    turning: tuple[F64, F64, F64],
    levelled: tuple[F32, F32, F32],
    out: F32,
) -> None:
    """Adds sines that begin, rise in a straight line, and decay; those that have ended cost nothing.

    `alive` (n,) and `counts` (2,), how many are alive and which begins next, are state, zeros at first;
    `first` is the frame that `out` (2, frames) starts with. `times` are begin and end in frames, ascending
    by begin; `turning` are cycles a frame, phases (2, n) of both sides at the begin, and the decay a frame
    as a natural logarithm; `levelled` are the attack's share a frame, and the levels left and right.
    """
    begin, end = times
    cycles, phase, decay = turning
    attack, left, right = levelled
    for step in range(out.shape[1] // GRID_FRAMES):
        now = first + step * GRID_FRAMES
        near = out[0, step * GRID_FRAMES : (step + 1) * GRID_FRAMES]
        far = out[1, step * GRID_FRAMES : (step + 1) * GRID_FRAMES]
        living, following = counts[0], counts[1]
        while following < begin.shape[0] and begin[following] < now + GRID_FRAMES:
            alive[living] = following
            living += 1
            following += 1
        kept = 0
        for k in range(living):
            i = alive[k]
            if end[i] <= now:
                continue
            alive[kept] = i
            kept += 1
            age = now - begin[i]
            before = math.exp(-decay[i] * age)
            level = np.float32(before)
            fall = np.float32(before * math.expm1(-decay[i] * GRID_FRAMES) / GRID_FRAMES)
            turn = np.float32(cycles[i])
            turned = cycles[i] * age - 0.25
            left_turn, right_turn = phase[0, i] + turned, phase[1, i] + turned
            left_from = np.float32(left_turn - math.floor(left_turn))
            right_from = np.float32(right_turn - math.floor(right_turn))
            rise, risen = attack[i], attack[i] * np.float32(age)
            left_level, right_level = left[i], right[i]
            for j in range(GRID_FRAMES):
                t = _FRAME[j]
                gate = min(max(risen + rise * t, _NOTHING), _ONE) * (level + fall * t)
                x, y = left_from + turn * t, right_from + turn * t
                near[j] += cosine(x - np.floor(x + _HALF)) * gate * left_level
                far[j] += cosine(y - np.floor(y + _HALF)) * gate * right_level
        counts[0], counts[1] = kept, following
