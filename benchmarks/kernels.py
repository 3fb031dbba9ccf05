"""What each kernel costs: CPU seconds per second of sound, and seconds to compile.

    python benchmarks/kernels.py [NAME ...] [--steps 128] [--rounds 9] [--no-compile]

All jobs take turns, so that whatever else the machine does falls on all alike; ratios between lines of one
run mean something, times alone do not. Compiling is timed in fresh processes with an empty cache; a job's
seconds there include the kernels that no job above it has compiled already.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE_HZ = 48000.0
FRAMES = 64

Job = Callable[[], object]
"""Sounds one span."""


def _glides(steps: int, n: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Pitches that drift by a few cents, in cycles a frame."""
    rng = np.random.default_rng(n)
    cents = np.cumsum(rng.normal(0.0, 0.05, (steps + 1, n)), axis=0)
    return np.geomspace(low_hz, high_hz, n) * np.exp2(cents / 1200.0) / RATE_HZ


def _levels(steps: int, n: int) -> np.ndarray:
    return np.random.default_rng(n).uniform(0.001, 0.01, (steps + 1, n)).astype(np.float32)


def _noise(lanes: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(lanes)
    return rng.uniform(-0.1, 0.1, (lanes, steps * FRAMES)).astype(np.float32)


def _oscillators(name: str, n: int, steps: int) -> Job:
    from resonance.dsp import oscillators

    phase, tail = np.linspace(0.0, 0.99, n), np.zeros((2, oscillators.TAIL), np.float32)
    cycles, level, out = _glides(steps, n, 55.0, 880.0), _levels(steps, n), np.zeros_like(_noise(2, steps))
    kernel = getattr(oscillators, name)
    if name == "pulses":
        width = np.full((steps + 1, n), 0.3)
        return lambda: kernel(phase, tail, cycles, width, level, level, out)
    return lambda: kernel(phase, tail, cycles, level, level, out)


def _partials(n: int, steps: int) -> Job:
    from resonance.dsp.partials import sines

    phase, cycles, level = np.linspace(0.0, 0.99, n), _glides(steps, n, 55.0, 9000.0), _levels(steps, n)
    out = np.zeros_like(_noise(2, steps))
    return lambda: sines(phase, cycles, level, level, out)


def _modes(n: int, banks: int, steps: int, excited: str = "", glides: bool = False) -> Job:
    from resonance.dsp.modes import mode_coefficients, modes

    rng = np.random.default_rng(n)
    rotation = np.stack(mode_coefficients(rng.uniform(100, 9000, n), rng.uniform(1, 6, n), RATE_HZ))[None]
    rotation = np.repeat(rotation, steps if glides else 1, axis=0)
    struck = rng.uniform(-1.0, 1.0, (banks, 2, n))
    state, strike, level = struck.copy(), np.full(n, 0.1), np.full(n, np.float32(0.1))
    excitation = np.zeros(steps * FRAMES, np.float32)
    length = {"": 0, "blow": 90, "bow": excitation.size}[excited]
    excitation[:length] = 0.01 * rng.uniform(-1.0, 1.0, length)
    out = np.zeros_like(_noise(2, steps))

    def job() -> None:
        state[:] = struck
        for bank in state:
            modes(bank, rotation, strike, level, level, excitation, out)

    return job


def _svf(lanes: int, steps: int) -> Job:
    from resonance.dsp.filters import BAND, svf

    state, x = np.zeros((2, lanes)), _noise(lanes, steps)
    cutoff, q = 10.0 * _glides(steps, lanes, 55.0, 880.0), np.full((steps + 1, lanes), 1.3)
    out = np.zeros_like(x)
    return lambda: svf(state, cutoff, q, BAND, x, out)


def _one_pole(lanes: int, steps: int) -> Job:
    from resonance.dsp.filters import one_pole

    state, x, cutoff = np.zeros(lanes), _noise(lanes, steps), 10.0 * _glides(steps, lanes, 55.0, 880.0)
    out = np.zeros_like(x)
    return lambda: one_pole(state, cutoff, x, out)


def _formants(n: int, steps: int) -> Job:
    from resonance.dsp.filters import formants

    state, x = np.zeros((2, n)), _noise(1, steps)[0]
    centre, width = 10.0 * _glides(steps, n, 60.0, 350.0), np.full((steps + 1, n), 90.0 / RATE_HZ)
    level, out = np.full((steps + 1, n), 0.1), np.zeros_like(x)
    return lambda: formants(state, centre, width, level, x, out)


def _winds(lanes: int, steps: int) -> Job:
    from resonance.dsp.noise import pink, pink_state

    state, out, filtered = pink_state(lanes), _noise(lanes, steps), _svf(lanes, steps)

    def job() -> None:
        pink(state, 1, 0, out)
        filtered()

    return job


def _space(moves: bool, steps: int) -> Job:
    from resonance.dsp.space import space, space_coefficients, space_state

    state, x = space_state(RATE_HZ, 28.0, 1), _noise(2, steps)
    t60_s = np.linspace(5.0, 4.0 if moves else 5.0, steps + 1)
    t60, out = space_coefficients(1.15 * t60_s, t60_s, 0.42 * t60_s, RATE_HZ), np.zeros_like(x)
    return lambda: space(state, t60, x, out)


def _convolution(response_s: float, steps: int) -> Job:
    from resonance.dsp.convolution import convolution_state, convolve

    state, x = convolution_state(_noise(2, int(response_s * RATE_HZ) // FRAMES)), _noise(2, steps)
    out = np.zeros_like(x)
    return lambda: convolve(state, x, out)


def _grains(density_hz: float, grain_s: float, points: int, steps: int) -> Job:
    from resonance.dsp.grains import grains, oversampled

    rng = np.random.default_rng(1)
    source = oversampled(rng.uniform(-0.1, 0.1, (1, 2 * 48000)).astype(np.float32))
    length = int(grain_s * RATE_HZ)
    n = int(density_hz * (grain_s + steps * FRAMES / RATE_HZ))
    begin = rng.integers(-length, steps * FRAMES, n)
    position, ratio = rng.uniform(0, 48000, n), rng.uniform(0.5, 2.0, n)
    attack, level = np.full(n, np.float32(0.5)), np.full(n, np.float32(0.1))
    out = np.zeros_like(_noise(2, steps))
    shaped = (position, ratio, attack, level, level)
    return lambda: grains(begin, np.full(n, length), *shaped, source, 0, out, points)


def _limiter(level: float, steps: int) -> Job:
    from resonance.dsp.dynamics import limiter, limiter_state

    state, x = limiter_state(RATE_HZ), (10.0 * level * _noise(2, steps)).astype(np.float32)
    out = np.zeros_like(x)
    return lambda: limiter(state, 0.89, x, out)


def _mix(voices: int, steps: int) -> Job:
    from resonance.dsp.mixing import mix

    voice, gain, carry = _noise(2, steps), np.linspace(0.4, 0.5, steps + 1), np.zeros((2, FRAMES), np.float32)
    dry, wet = np.zeros_like(voice), np.zeros_like(voice)

    def job() -> None:
        for _ in range(voices):
            mix(voice, carry, 17, (1.0, 1.0), gain, gain, 0, dry, wet)

    return job


def _drift(n: int, steps: int) -> Job:
    from resonance.dsp.curves import drift

    phase, increment, out = np.zeros(n), np.full((steps + 1, n), 1e-4), np.zeros((steps + 1, n))
    return lambda: drift(np.uint64(1), phase, increment, out)


JOBS: dict[str, Callable[[int], Job]] = {
    "64 saws": lambda steps: _oscillators("saws", 64, steps),
    "64 pulses": lambda steps: _oscillators("pulses", 64, steps),
    "64 triangles": lambda steps: _oscillators("triangles", 64, steps),
    "1000 partials": lambda steps: _partials(1000, steps),
    "64 partials": lambda steps: _partials(64, steps),
    "500 modes": lambda steps: _modes(500, 1, steps),
    "24 modes x 20, ringing": lambda steps: _modes(24, 20, steps),
    "24 modes x 20, struck": lambda steps: _modes(24, 20, steps, "blow"),
    "24 modes x 20, bowed": lambda steps: _modes(24, 20, steps, "bow"),
    "12 modes x 6, gliding": lambda steps: _modes(12, 6, steps, "blow", glides=True),
    "svf, 2 lanes": lambda steps: _svf(2, steps),
    "svf, 16 lanes": lambda steps: _svf(16, steps),
    "one pole, 2 lanes": lambda steps: _one_pole(2, steps),
    "5 formants": lambda steps: _formants(5, steps),
    "16 winds: pink, svf": lambda steps: _winds(16, steps),
    "space": lambda steps: _space(False, steps),
    "space, T60 moving": lambda steps: _space(True, steps),
    "convolution with 6 s": lambda steps: _convolution(6.0, steps),
    "1000 grains/s of 200 ms": lambda steps: _grains(1000.0, 0.2, 6, steps),
    "the same, two points": lambda steps: _grains(1000.0, 0.2, 2, steps),
    "limiter, idle": lambda steps: _limiter(0.5, steps),
    "limiter, at work": lambda steps: _limiter(2.0, steps),
    "64 voices mixed": lambda steps: _mix(64, steps),
    "128 drifting curves": lambda steps: _drift(128, steps),
}


def cpu_seconds(jobs: list[str], steps: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds per second of sound, one a round, of each job."""
    ready = {name: JOBS[name](steps) for name in jobs}
    span_s = steps * FRAMES / RATE_HZ
    spans = {}
    for name, job in ready.items():
        job()
        began = time.process_time()
        job()
        spans[name] = max(1, int(0.05 / max(time.process_time() - began, 1e-6)))
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in ready.items():
            began = time.process_time()
            for _ in range(spans[name]):
                job()
            taken[name].append((time.process_time() - began) / (spans[name] * span_s))
    return taken


def compile_seconds(jobs: list[str]) -> dict[str, float]:
    """CPU seconds from a cold start to the first span of each job, in this process, with an empty cache."""
    import platformdirs

    with tempfile.TemporaryDirectory() as folder:
        platformdirs.user_cache_path = lambda *_, **__: Path(folder)  # type: ignore[assignment]
        taken = {}
        began = time.process_time()
        import numba

        numba.njit(lambda x: x + 1.0)(1.0)
        taken["(numba itself)"] = time.process_time() - began
        for name in jobs:
            job = JOBS[name](2)
            began = time.process_time()
            job()
            taken[name] = time.process_time() - began
    return taken


def _compiled_afresh(jobs: list[str], times: int) -> dict[str, float]:
    """The medians of `compile_seconds` over fresh processes."""
    runs = []
    for _ in range(times):
        command = [sys.executable, __file__, "--compile-only", *jobs]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "jobs", nargs="*", metavar="NAME", help="only the jobs whose name contains one of these"
    )
    parser.add_argument("--steps", type=int, default=128, help="steps of 64 frames a span")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-compile", action="store_true", help="leave out compiling")
    parser.add_argument("--compile-only", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    jobs = [name for name in JOBS if not asked.jobs or any(part in name for part in asked.jobs)]
    if asked.compile_only:
        print(json.dumps(compile_seconds(jobs)))
        return
    compiled = {} if asked.no_compile else _compiled_afresh(jobs, 3)
    taken = cpu_seconds(jobs, asked.steps, asked.rounds)
    print(f"spans of {asked.steps} steps, {RATE_HZ:g} Hz")
    print(f"{'':26}{'ms CPU per s: median':>22}{'least':>8}{'s to compile':>15}")
    for name in jobs:
        median_ms, least_ms = 1e3 * statistics.median(taken[name]), 1e3 * min(taken[name])
        cold = f"{compiled[name]:15.2f}" if compiled else ""
        print(f"{name:26}{median_ms:22.3f}{least_ms:8.3f}{cold}")
    if compiled:
        print(f"{'(numba itself)':26}{'':30}{compiled['(numba itself)']:15.2f}")
        print(f"{'all':26}{'':30}{sum(compiled.values()):15.2f}")


if __name__ == "__main__":
    main()
