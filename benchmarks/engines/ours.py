"""resonance's own kernels, in spans of 128 steps of 64 frames, as the engine renders to a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines import pypi, work

NAME = "resonance"
FRAMES = pypi.BLOCK_FRAMES
STEPS = FRAMES // work.STEP_FRAMES

Render = Callable[[np.ndarray, int], None]
"""Adds the span that begins at a frame to (2, FRAMES)."""

VARIANTS = {
    "W1": {"saws": "saws, corners rounded by a table of 32 taps, controls every 64 frames in straight lines"},
    "W2": {"sines": "sines, levels in straight lines between 64 frames"},
    "W3": {"modes": "modes, each heard left and right"},
    "W4": {
        "fine": "grains, six points of the source at twice its rate, each grain panned",
        "fast": "grains, two points of the source at twice its rate, each grain panned",
    },
    "W5": {"space": "space, 16 modulated lines, T60 by bands"},
    "W6": {"convolve": "convolve, 512 frames late, parts of 512 and 8192"},
    "W7": {"winds": "pink, svf swept in every frame"},
    "W8": {"scene": "its kernels of W1 to W5, svf, limiter to a true peak"},
}


def version() -> str | None:
    import resonance

    return f"resonance {resonance.__version__}"


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    told, environment = pypi.command(__file__, name, variant, probe, seconds, folder, out)
    root = Path(__file__).parent.parent.parent
    return [sys.executable, *told[1:]], {
        **environment,
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'benchmarks'}",
    }


class Turning:
    """Sines of slow controls at a span's steps, times `depth`: (STEPS + 1, n), without a sine for each."""

    def __init__(self, lfo: work.Lfo, depth: float = 1.0) -> None:
        steps = 2.0 * np.pi * lfo.rate_hz * np.arange(STEPS + 1)[:, None] * work.STEP_FRAMES / work.RATE_HZ
        self._sine = (depth * np.sin(steps)).astype(np.float32)
        self._cosine = (depth * np.cos(steps)).astype(np.float32)
        self._lfo = lfo

    def at(self, start: int) -> np.ndarray:
        phase = 2.0 * np.pi * (self._lfo.rate_hz * start / work.RATE_HZ + self._lfo.phase)
        return self._sine * np.cos(phase).astype(np.float32) + self._cosine * np.sin(phase).astype(np.float32)


def _pitches(hz: np.ndarray, semitones: float, turning: Turning, start: int) -> np.ndarray:
    return hz / work.RATE_HZ * np.exp(np.float32(semitones * np.log(2.0) / 12.0) * turning.at(start))


def _held(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[None].astype(np.float32), STEPS + 1, axis=0)


def saws(asked: work.Saws) -> Render:
    from resonance.dsp import oscillators

    phase, tail = np.linspace(0.0, 0.99, len(asked.hz)), np.zeros((2, oscillators.TAIL), np.float32)
    turning = Turning(asked.lfo)
    left, right = (_held(asked.level * side) for side in work.equal_power(asked.pan))

    def render(out: np.ndarray, start: int) -> None:
        cycles = _pitches(asked.hz, asked.drift_st, turning, start)
        oscillators.saws(phase, tail, cycles, left, right, out)

    return render


def partials(asked: work.Partials) -> Render:
    from resonance.dsp.partials import sines

    phase, cycles = np.zeros(len(asked.hz)), np.repeat(asked.hz[None] / work.RATE_HZ, STEPS + 1, axis=0)
    sides = [np.zeros(cycles.shape, np.float32) for _ in range(2)]
    turning = [
        Turning(work.Lfo(asked.lfo.rate_hz[side::2], asked.lfo.phase[side::2]), 0.4 * asked.level)
        for side in range(2)
    ]

    def render(out: np.ndarray, start: int) -> None:
        for side in range(2):
            np.add(turning[side].at(start), np.float32(0.6 * asked.level), out=sides[side][:, side::2])
        sines(phase, cycles, *sides, out)

    return render


def modes(asked: work.Modes) -> Render:
    from resonance.dsp.modes import mode_coefficients
    from resonance.dsp.modes import modes as ring

    n = len(asked.hz)
    rotation = np.stack(mode_coefficients(asked.hz, asked.t60_s, work.RATE_HZ))[None]
    state, strike, even = np.zeros((2, n)), np.ones(n), np.arange(n) % 2 == 0
    left, right = (asked.level * even).astype(np.float32), (asked.level * ~even).astype(np.float32)
    every, blow = round(asked.every_s * work.RATE_HZ), np.zeros(FRAMES, np.float32)

    def render(out: np.ndarray, start: int) -> None:
        blow[:] = 0.0
        blow[-start % every :: every] = 1.0
        ring(state, rotation, strike, left, right, blow, out)

    return render


def grains(asked: work.Grains, source: np.ndarray, variant: str) -> Render:
    from resonance.dsp.grains import grains as granulate
    from resonance.dsp.grains import oversampled

    ready = oversampled(source)
    rng, lasts = np.random.default_rng(1), round(asked.grain_s * work.RATE_HZ)
    points = {"fine": 6, "fast": 2}[variant]
    every = round(work.RATE_HZ / asked.density_hz)
    sounding: list[np.ndarray] = (
        [np.zeros(0, np.int64)] * 2 + [np.zeros(0)] * 2 + [np.zeros(0, np.float32)] * 3
    )

    def render(out: np.ndarray, start: int) -> None:
        begin = np.arange(start + -start % every, start + FRAMES, every)
        n = len(begin)
        sides = work.equal_power(rng.uniform(-1.0, 1.0, n))
        fresh = [
            begin,
            np.full(n, lasts),
            rng.uniform(0.0, work.SOURCE_FRAMES, n),
            rng.uniform(*asked.ratio, n),
        ]
        fresh += [np.full(n, np.float32(0.5)), *((asked.level * side).astype(np.float32) for side in sides)]
        going = sounding[1] > 0
        sounding[:] = [np.concatenate((old[going], new)) for old, new in zip(sounding, fresh, strict=True)]
        granulate(*sounding, ready, start, out, points)

    return render


def _noise(key: int, start: int) -> np.ndarray:
    from resonance.dsp.noise import white

    x = np.empty((2, FRAMES), np.float32)
    white(key, start, x)
    x *= np.float32(work.INPUT_LEVEL)
    return x


def _click(start: int) -> np.ndarray:
    x = np.zeros((2, FRAMES), np.float32)
    x[:, 0] = 1.0 if start == 0 else 0.0
    return x


def space() -> Callable[[np.ndarray, np.ndarray], None]:
    from resonance.dsp.space import space as resound
    from resonance.dsp.space import space_coefficients, space_state

    state = space_state(work.RATE_HZ, 28.0, 1)
    t60_s = np.full(STEPS + 1, work.T60_S)
    t60 = space_coefficients(1.15 * t60_s, t60_s, 0.42 * t60_s, work.RATE_HZ)
    return lambda x, out: resound(state, t60, x, out)


def convolution(response: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
    from resonance.dsp.convolution import convolution_state, convolve

    state = convolution_state(response)
    return lambda x, out: convolve(state, x, out)


def winds(asked: work.Winds) -> Render:
    from resonance.dsp import aligned
    from resonance.dsp.filters import BAND, svf
    from resonance.dsp.noise import pink, pink_state

    lanes = len(asked.hz)
    noise, state, q = pink_state(lanes), np.zeros((2, lanes)), np.full((STEPS + 1, lanes), asked.q)
    x, turning = aligned(lanes, FRAMES), Turning(asked.lfo)
    sides = (asked.level * np.stack(work.equal_power(asked.pan))).astype(np.float32)

    def render(out: np.ndarray, start: int) -> None:
        pink(noise, 1, start, x)
        svf(state, _pitches(asked.hz, 12.0 * asked.sweep_octaves, turning, start), q, BAND, x, x)
        out += sides @ x

    return render


def scene(source: np.ndarray) -> Render:
    from resonance.dsp.dynamics import limiter, limiter_state
    from resonance.dsp.filters import LOW, svf
    from resonance.dsp.modes import mode_coefficients
    from resonance.dsp.modes import modes as ring

    stack = saws(work.saws(False, work.SCENE_SAWS))
    others = [modes(work.modes(False, work.SCENE_MODES))]
    others.append(grains(work.grains(False, work.SCENE_GRAINS_HZ), source, "fine"))
    sweep = Turning(work.Lfo(np.full(2, work.SCENE_SWEEP_HZ), np.zeros(2)))
    cutoff_hz = np.full(2, work.SCENE_CUTOFF_HZ)
    low, q = np.zeros((2, 2)), np.full((STEPS + 1, 2), work.SCENE_Q)
    heart, resound, ceiling = np.zeros((2, 1, 2, 1)), space(), limiter_state(work.RATE_HZ)
    rotations = [
        np.stack(mode_coefficients(np.array([hz]), work.HEART_T60_S, work.RATE_HZ))[None]
        for hz in work.HEART_HZ
    ]
    level, one = np.array([work.HEART_LEVEL], np.float32), np.ones(1)
    blow, dry = np.zeros(FRAMES, np.float32), np.zeros((2, FRAMES), np.float32)

    def render(out: np.ndarray, start: int) -> None:
        dry[:] = 0.0
        stack(dry, start)
        svf(low, _pitches(cutoff_hz, 12.0 * work.SCENE_SWEEP_OCTAVES, sweep, start), q, LOW, dry, dry)
        for other in others:
            other(dry, start)
        for beat, late_s in enumerate((0.0, work.HEART_DUB_S)):
            blow[:] = 0.0
            blow[(round(late_s * work.RATE_HZ) - start) % work.RATE_HZ :: work.RATE_HZ] = 1.0
            ring(heart[beat, 0], rotations[beat], one, level, level, blow, dry)
        wet = dry.copy()
        resound(dry * np.float32(work.SCENE_SEND), wet)
        limiter(ceiling, work.CEILING, wet, out)

    return render


def _render(name: str, variant: str, probe: bool, folder: Path) -> Render:
    import soundfile

    if name == "W1":
        return saws(work.saws(probe))
    if name == "W2":
        return partials(work.partials(probe))
    if name == "W3":
        return modes(work.modes(probe))
    if name == "W7":
        return winds(work.winds(probe))
    if name in ("W4", "W8"):
        source = soundfile.read(folder / ("tone.wav" if probe else "source.wav"), dtype="float32")[0][None]
        return scene(source) if name == "W8" else grains(work.grains(probe), source, variant)
    if name == "W5":
        effect = space()
    else:
        effect = convolution(soundfile.read(folder / "response.wav", dtype="float32")[0].T.copy())
    return lambda out, start: effect(_click(start) if probe else _noise(1, start), out)


def main() -> None:
    name, variant, probe, seconds, folder, path = pypi.asked()
    render = _render(name, variant, probe, folder)

    def block(start: int) -> np.ndarray:
        out = np.zeros((2, FRAMES), np.float32)
        render(out, start)
        return out

    pypi.write(path, seconds, block)


if __name__ == "__main__":
    main()
