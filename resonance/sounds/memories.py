"""Each note a shard of memory: laughter, rain on pavement, the first dare.

Some crystal notes let go a cloud of grains that follows them. The grains read a memory, which is one of three
that the engine makes for itself: a child's laughter, rain on a hard surface, a figure that dares one step
higher each time; or they read the listener's own recordings (`files`).

What it follows: crystals, each cloud the one note it names; valence brings memories on, tension keeps
them away; energy crowds the grains.

Source: granular clouds, Roads 2001, Microsound, ch. 3; laughter's 4 to 6 bursts a second and its falling
pitch, Bachorowski, Smoski & Owren 2001.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance import rng as chance_of
from resonance.contract import Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64
from resonance.dsp.grains import grains, oversampled
from resonance.generate import theme
from resonance.tuning import Tuning
from resonance.units import files, hz, part, seconds

KINDS = ("laughter", "rain", "dare")
_MOST_GRAINS = 1024
_STRIKES = ("strike", "bow", "note")
_DARES = 5  # how often the figure dares before it begins again
_DARE_S = 2.6
_GAP_S = 1.0  # from the end of one cloud to the next, at least


@dataclass(frozen=True)
class Memories(Patch):
    """Clouds of memory that crystal notes let go: laughter, rain, the first dare, or your own."""

    files: tuple[str, ...] = files("recordings to remember instead of the three built in, beside the score")
    chance: float = part(0.42, "how likely a crystal note lets one go, at full valence")
    cloud_s: float = seconds(4.5, 1.0, 30.0, "how long a cloud lasts")
    grain_s: float = seconds(0.11, 0.02, 0.5, "how long a grain lasts")
    grain_density_hz: float = hz(42.0, 5.0, 200.0, "grains a second")
    jitter: float = part(0.25, "how far grains stray from where the memory is read")


class MemoriesRule(Rule):
    """One cloud at a time, in answer to a crystal note."""

    hears: ClassVar[tuple[str, ...]] = ("crystals",)

    def __init__(self, patch: Memories, setting: Setting) -> None:
        self._kinds = ("file",) * len(patch.files) if patch.files else KINDS
        self._rng = setting.stream("answers")
        self._free_frame = 0
        self._last = -1
        self._dares = 0

    def events(self, span: Span) -> Iterable[Event]:
        for note in span.heard["crystals"]:
            if note.kind not in _STRIKES:
                continue
            chance = self._rng.random(6)
            step = span.step_of(note.frame)
            likely = span["chance"][step] * span.valence[step] * (1.0 - span.tension[step])
            if note.frame < self._free_frame or chance[0] >= likely or span.presence[step] == 0.0:
                continue
            # Never the same memory twice in a row, where there is more than one.
            others = len(self._kinds) - (1 if self._last >= 0 and len(self._kinds) > 1 else 0)
            pick = int(chance[1] * others)
            which = pick + 1 if 0 <= self._last <= pick and len(self._kinds) > 1 else pick
            self._last = which
            kind = self._kinds[which]
            lasts_s = span.at("cloud_s", note.frame) * (0.75 + 0.5 * chance[2])
            delay_s = 0.25 + 0.9 * chance[3]
            frame = note.frame + round(delay_s * span.rate_hz)
            self._free_frame = frame + round((lasts_s + _GAP_S) * span.rate_hz)
            detail = {"which": which, "part": float(chance[4]), "pan": 1.1 * float(chance[5]) - 0.55}
            if kind == "dare":
                detail["part"] = float(self._dares % _DARES)
                self._dares += 1
                lasts_s = _DARE_S
            yield Event(
                frame,
                kind,
                level_db=-6.0 + 3.0 * float(span.energy[step]),
                duration_s=lasts_s,
                rule="shard",
                follows=note,
                detail=detail,
            )


class MemoriesVoice(Voice):
    """One cloud."""

    voices: ClassVar[int] = 2

    def __init__(self, patch: Memories, setting: Setting) -> None:
        self._setting = setting
        self._sources: tuple[F32, ...] = ()
        self._begin = np.zeros(_MOST_GRAINS, np.int64)
        self._length = np.zeros(_MOST_GRAINS, np.int64)
        self._position = np.zeros(_MOST_GRAINS)
        self._ratio = np.zeros(_MOST_GRAINS)
        self._attack = np.full(_MOST_GRAINS, np.float32(0.5))
        self._left = np.zeros(_MOST_GRAINS, np.float32)
        self._right = np.zeros(_MOST_GRAINS, np.float32)

    def prepare(self) -> None:
        if not self._sources:
            setting = self._setting
            own = tuple(oversampled(audio) for audio in setting.recordings)
            self._sources = own or _built_in(setting.rate_hz, setting.seed, setting.tuning)

    def start(self, event: Event, span: Span) -> float:
        rate_hz = span.rate_hz
        rng = np.random.Generator(np.random.PCG64(event.key))
        self.prepare()
        which = min(int(event.detail.get("which", 0)), len(self._sources) - 1)
        self._source = self._sources[which]
        own = event.kind == "file"
        density_hz = float(span["grain_density_hz"][0]) * (0.8 + 0.4 * float(span.energy[0]))
        lasts_s = event.duration_s or float(span["cloud_s"][0])
        # A long and dense cloud is as thin as it takes to last.
        density_hz = min(density_hz, _MOST_GRAINS / lasts_s)
        n = min(_MOST_GRAINS, int(lasts_s * density_hz))
        at_s = (np.arange(n) + rng.random(n)) / density_hz
        grain_s = float(span["grain_s"][0]) * rng.uniform(0.7, 1.3, n)
        source_s = self._source.shape[1] / 2 / rate_hz
        part = float(event.detail.get("part", 0.0))
        origin_s = part * _DARE_S if event.kind == "dare" else part * max(0.0, source_s - lasts_s)
        stray_s = float(span["jitter"][0]) * (0.9 if own or event.kind == "rain" else 0.06)
        read_s = origin_s + at_s + stray_s * rng.uniform(-1.0, 1.0, n)
        drifting = 2.0 ** (rng.uniform(-4.0, 4.0, n) / 1200.0)
        # A cloud gathers and disperses; and overlapping grains add up by their root, since they differ.
        cloud = np.sin(np.pi * np.clip(at_s / lasts_s, 0.0, 1.0)) ** 0.6
        level = cloud * 0.9 / np.sqrt(max(1.0, density_hz * float(grain_s.mean()) * 0.375))
        side = float(event.detail.get("pan", 0.0)) + 0.45 * rng.uniform(-1.0, 1.0, n)
        angle = np.pi / 4.0 * (1.0 + np.clip(side, -1.0, 1.0))
        self._length.fill(0)
        self._begin[:n] = (at_s * rate_hz).astype(np.int64)
        self._length[:n] = (grain_s * rate_hz).astype(np.int64)
        self._position[:n] = read_s * rate_hz
        self._ratio[:n] = drifting
        self._left[:n] = level * np.cos(angle)
        self._right[:n] = level * np.sin(angle)
        self._count = n
        self._age = 0
        return lasts_s + 1.3 * float(span["grain_s"][0])

    def render(self, span: Span, out: F32) -> None:
        n = self._count
        grains(
            self._begin[:n],
            self._length[:n],
            self._position[:n],
            self._ratio[:n],
            self._attack[:n],
            self._left[:n],
            self._right[:n],
            self._source,
            self._age,
            out,
        )
        self._age += span.frames


@functools.lru_cache(maxsize=2)  # of two nights: one that plays, and the next
def _built_in(rate_hz: float, seed: int, tuning: Tuning) -> tuple[F32, ...]:
    """The three memories of the engine's own, ready for grains; all voices share them and only read."""
    made = (
        laughter(rate_hz, chance_of.stream(seed, "memories", "laughter")),
        rain(rate_hz, chance_of.stream(seed, "memories", "rain")),
        dare(rate_hz, tuning),
    )
    return tuple(oversampled(_levelled(audio)) for audio in made)


def _levelled(audio: F64) -> F32:
    """One channel (1, frames) at -20 dBFS RMS, so that no memory drowns another."""
    scaled = audio * (0.1 / np.sqrt(np.mean(audio * audio)))
    return scaled.astype(np.float32)[None]


def _veiled(audio: F64, rate_hz: float) -> F64:
    """Remembered, noise has no edge: it is 6 dB down at 5.6 kHz, and next to nothing over 11."""
    veil = np.hanning(max(round(0.00018 * rate_hz), 1) + 2)[1:-1]
    return np.convolve(audio, veil / veil.sum(), mode="same")


def laughter(rate_hz: float, rng: np.random.Generator) -> F64:
    """Nine seconds of a child's laughter, mono: bouts of voiced bursts, 4 to 6 a second, each lower."""
    out = np.zeros(int(9.0 * rate_hz))
    formants_hz = np.array([1030.0, 1680.0, 3250.0, 4300.0])  # a child's open a: Peterson & Barney 1952
    width_hz = np.array([110.0, 150.0, 240.0, 300.0])
    strength = np.array([1.0, 0.6, 0.28, 0.12])
    at_s = 0.1
    while at_s < 8.2:
        pitch_hz = rng.uniform(330.0, 430.0)
        pace_hz = rng.uniform(4.3, 5.8)
        for burst in range(int(rng.integers(4, 8))):
            length = int(rng.uniform(0.095, 0.13) * rate_hz)
            t = np.arange(length) / length
            begin = int(at_s * rate_hz)
            if begin + length >= len(out):
                break
            # Each "ha" jumps up and falls; its breath comes before its voice.
            contour_hz = pitch_hz * (1.0 + 0.16 * np.exp(-4.0 * t) - 0.10 * t)
            turn = np.exp(2j * np.pi * np.cumsum(contour_hz) / rate_hz)
            turned = np.ones(length, np.complex128)
            voice = np.zeros(length)
            for harmonic in range(1, int(7000.0 / pitch_hz)):
                level = strength / np.sqrt(
                    1.0 + ((harmonic * pitch_hz - formants_hz) / (0.5 * width_hz)) ** 2
                )
                turned *= turn
                voice += (level.sum() + 0.02) * harmonic**-0.35 * turned.imag
            breath = _veiled(np.diff(rng.standard_normal(length + 1)), rate_hz) * 0.5 * np.exp(-5.0 * t)
            breath *= np.minimum(t / 0.04, 1.0)
            shape = np.sin(np.pi * np.clip(t, 0.0, 1.0) ** 0.7) ** 1.5
            out[begin : begin + length] += (voice * shape + breath * (1.0 - t) ** 2) * 0.9**burst
            at_s += rng.uniform(0.94, 1.06) / pace_hz
            pitch_hz *= rng.uniform(0.93, 0.97)
        at_s += rng.uniform(0.35, 0.8)
    return out


def rain(rate_hz: float, rng: np.random.Generator) -> F64:
    """Eight seconds of rain on pavement, mono: single drops that tick on stone, some ringing, over a haze."""
    seconds_long = 8.0
    out = np.zeros(int(seconds_long * rate_hz))
    for _ in range(int(110 * seconds_long)):
        near = rng.random() ** 3.0
        length = int(rng.uniform(0.002, 0.006) * rate_hz)
        t = np.arange(length) / rate_hz
        begin = int(rng.uniform(0.0, seconds_long - 0.1) * rate_hz)
        pitch_hz = rng.uniform(1800.0, 7000.0)
        tick = rng.standard_normal(length) * np.exp(-t / 0.0006)
        ring = np.sin(2.0 * np.pi * pitch_hz * t) * np.exp(-t / 0.0012)
        out[begin : begin + length] += (0.06 + near) * (tick + 0.8 * ring) * np.minimum(t / 0.0002, 1.0)
        if near > 0.45:  # a puddle answers: a bubble whose note rises
            length = int(0.03 * rate_hz)
            t = np.arange(length) / rate_hz
            note_hz = rng.uniform(1300.0, 3200.0)
            bubble = np.sin(2.0 * np.pi * note_hz * (t + 4.0 * t * t)) * np.exp(-t / 0.006)
            begin += int(0.006 * rate_hz)
            out[begin : begin + length] += 0.5 * near * bubble * np.minimum(t / 0.001, 1.0)
    haze = np.diff(rng.standard_normal(len(out) + 1))
    haze = np.convolve(haze, np.hanning(9) / 4.0, mode="same")
    return 1.6 * _veiled(out + 0.035 * haze, rate_hz)


def dare(rate_hz: float, tuning: Tuning) -> F64:
    """A figure of three rising tones, five times over, mono: each time it dares one step higher."""
    out = np.zeros(int(_DARES * _DARE_S * rate_hz))
    steps = (*theme.CLIMB, theme.OCTAVE)
    for attempt in range(_DARES):
        for tone in range(3):
            place = attempt + tone
            degree = steps[place % len(steps)] + theme.OCTAVE * (place // len(steps))
            pitch_hz = tuning.hz(degree, 3)
            length = int((1.25 if tone == 2 else 0.62) * rate_hz)
            t = np.arange(length) / rate_hz
            begin = int((attempt * _DARE_S + 0.12 + 0.42 * tone) * rate_hz)
            rise = np.minimum(t / 0.045, 1.0)
            fade = np.sin(0.5 * np.pi * np.clip((length / rate_hz - t) / 0.3, 0.0, 1.0)) ** 2
            turn = np.exp(2j * np.pi * pitch_hz * t - 1.6 * t)
            square = turn * turn
            tones = turn + square * (0.42 + 0.22 * turn + square * (0.1 + 0.05 * square))
            out[begin : begin + length] += rise * fade * tones.imag * (0.75 + 0.12 * tone)
    return out
