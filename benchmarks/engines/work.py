"""The workloads, as plain numbers: every engine builds its own from these, so that all do the same.

A probe is a workload with little in it, whose sound can be judged: one saw, one mode, one click into the
reverberation. Controls move as sines, told by a centre, a depth, a rate and a phase; an engine follows them
at its control rate, which is 64 frames wherever that can be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE_HZ = 48_000
STEP_FRAMES = 64

WORKS = {
    "W1": "64 drifting band-limited saws, panned",
    "W2": "1000 partials with moving amplitudes",
    "W3": "500 modes struck twice a second",
    "W4": "1000 grains/s of 200 ms from a 10.9 s buffer",
    "W5": "stereo reverberation, 5 s",
    "W6": "convolution with a 6 s stereo response, 512 frames late at most",
    "W7": "16 pink winds through swept resonant band-passes",
    "W8": "a scene: 24 saws, 100 modes, 200 grains/s, a heart, reverberation, limiter",
}

SOURCE_FRAMES = 1 << 19
"""Of the buffer that grains are read from: a power of two, since some engines want that of a table."""
SOURCE_RMS = 0.2
PROBE_TONE_HZ = 5_000.0
PROBE_RATIO = 0.83

T60_S = 5.0
RESPONSE_S = 6.0
CEILING = 0.9


@dataclass(frozen=True)
class Lfo:
    """What moves as sines: `rate_hz` and `phase` (cycles), one each."""

    rate_hz: np.ndarray
    phase: np.ndarray

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Rows of times, columns of voices, -1 to 1."""
        return np.sin(2.0 * np.pi * (times_s[:, None] * self.rate_hz + self.phase))


def _lfo(n: int, low_hz: float, high_hz: float, seed: int) -> Lfo:
    rng = np.random.default_rng(seed)
    return Lfo(rng.uniform(low_hz, high_hz, n), rng.uniform(0.0, 1.0, n))


@dataclass(frozen=True)
class Saws:
    """Each drifts by `drift_st` times its sine; `level` is half of top to bottom."""

    hz: np.ndarray
    pan: np.ndarray
    level: float
    drift_st: float
    lfo: Lfo


def saws(probe: bool, n: int = 64) -> Saws:
    if probe:
        return Saws(np.array([2093.7]), np.zeros(1), 0.5, 0.0, Lfo(np.ones(1), np.zeros(1)))
    pan = np.linspace(-0.8, 0.8, n)[np.random.default_rng(n).permutation(n)]
    return Saws(np.geomspace(55.0, 880.0, n), pan, 0.02, 0.1, _lfo(n, 0.05, 0.4, 1))


@dataclass(frozen=True)
class Partials:
    """Levels are `level` times 0.6 + 0.4 times the sine; even ones are left, odd ones right."""

    hz: np.ndarray
    level: float
    lfo: Lfo


def partials(probe: bool) -> Partials:
    if probe:
        return Partials(np.array([997.3, 1202.7]), 0.5, Lfo(np.full(2, 1e-3), np.zeros(2)))
    hz = 60.0 + 12.0 * np.arange(1000) + np.random.default_rng(2).uniform(-2.0, 2.0, 1000)
    return Partials(hz, 0.005, _lfo(1000, 0.05, 0.5, 2))


@dataclass(frozen=True)
class Modes:
    """All struck by one click every `every_s`; even ones are left, odd ones right."""

    hz: np.ndarray
    t60_s: np.ndarray
    level: float
    every_s: float


def modes(probe: bool, n: int = 500) -> Modes:
    if probe:
        return Modes(np.array([441.3, 441.3]), np.full(2, 2.0), 0.5, 1e4)
    rng = np.random.default_rng(3)
    low_hz, apart_hz = (60.0, 18.0) if n == 500 else (3000.0, 50.0)
    hz = low_hz + apart_hz * np.arange(n) + rng.uniform(-2.0, 2.0, n)
    return Modes(hz, rng.uniform(1.0, 6.0, n), 0.005, 0.5 if n == 500 else 1.0)


@dataclass(frozen=True)
class Grains:
    """Hann windows, spread evenly over ratios, places in the buffer, and left to right at equal power."""

    density_hz: float
    grain_s: float
    ratio: tuple[float, float]
    level: float


def grains(probe: bool, density_hz: float = 1000.0) -> Grains:
    if probe:
        return Grains(100.0, 0.2, (PROBE_RATIO, PROBE_RATIO), 0.1)
    return Grains(density_hz, 0.2, (0.5, 2.0), 0.03)


@dataclass(frozen=True)
class Winds:
    """Pink noise through a band-pass, at `hz` moved by `sweep_octaves` times the sine; panned."""

    hz: np.ndarray
    q: float
    sweep_octaves: float
    pan: np.ndarray
    level: float
    lfo: Lfo


def winds(probe: bool) -> Winds:
    if probe:
        return Winds(np.array([1000.0]), 4.0, 0.0, np.zeros(1), 0.5, Lfo(np.ones(1), np.zeros(1)))
    return Winds(
        np.geomspace(300.0, 2400.0, 16), 8.0, 1.0, np.linspace(-0.9, 0.9, 16), 0.2, _lfo(16, 0.05, 0.4, 4)
    )


INPUT_LEVEL = 0.1
"""Of the white noise, even between minus and plus that, other on each side, that W5 and W6 work on."""

# The scene: saws through a low-pass swept between 500 and 2000 Hz at q 2, and everything sent to the space.
SCENE_SAWS, SCENE_MODES, SCENE_GRAINS_HZ = 24, 100, 200.0
SCENE_CUTOFF_HZ, SCENE_SWEEP_OCTAVES, SCENE_SWEEP_HZ, SCENE_Q = 1000.0, 1.0, 0.1, 2.0
SCENE_SEND = 0.25
# The heart: lub and, a third of a second later, dub, each a mode struck once a second.
HEART_HZ, HEART_T60_S, HEART_LEVEL, HEART_DUB_S = (48.0, 62.0), 0.35, 0.4, 0.3


def equal_power(pan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = (pan + 1.0) * np.pi / 4.0
    return np.cos(angle), np.sin(angle)


def materials(folder: Path) -> None:
    """Writes what engines read: source.wav, tone.wav, response.wav, left.wav and right.wav, float32."""
    import soundfile

    rng = np.random.default_rng(5)
    spectrum = np.fft.rfft(rng.standard_normal(SOURCE_FRAMES))
    hz = np.fft.rfftfreq(SOURCE_FRAMES, 1.0 / RATE_HZ)
    spectrum[(hz < 100.0) | (hz > 9000.0)] = 0.0
    source = np.fft.irfft(spectrum)
    cycles = round(PROBE_TONE_HZ * SOURCE_FRAMES / RATE_HZ)  # whole ones, so that the buffer is a circle
    tone = np.sin(2.0 * np.pi * cycles * np.arange(SOURCE_FRAMES) / SOURCE_FRAMES)
    frames = int(RESPONSE_S * RATE_HZ)
    response = rng.standard_normal((frames, 2)) * 10.0 ** (-3.0 * np.arange(frames) / frames)[:, None]
    response *= 1.0 / np.sqrt((response**2).sum(axis=0))
    for name, audio in (
        ("source", source * SOURCE_RMS / source.std()),
        ("tone", tone),
        ("response", response),
        ("left", response[:, 0]),
        ("right", response[:, 1]),
    ):
        soundfile.write(folder / f"{name}.wav", audio.astype(np.float32), RATE_HZ, subtype="FLOAT")
