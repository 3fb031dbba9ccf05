"""What the machine allows: the loops of saws, sines and winds in C++, beside resonance's kernels.

    python benchmarks/floor.py [--rounds 21]

benchmarks/floor.cpp has the same arithmetic on the same arrays, compiled by g++ -O3 -march=native, once as it
is and once with -ffast-math. All take turns in one process; CPU milliseconds a second of sound, medians, and
what they write is compared first. Where a target of docs/peers.md is missed, this is how far its loop can go.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE_HZ, STEPS, FRAMES = 48_000.0, 128, 64
SPAN = STEPS * FRAMES

Job = tuple[Callable[[], object], np.ndarray]
"""Sounds one span, into an array."""


def _compiled(folder: Path, *flags: str) -> ctypes.CDLL:
    library = folder / f"floor{len(flags)}.so"
    source = str(Path(__file__).with_suffix(".cpp"))
    compiler = ["g++", "-O3", "-march=native", *flags, "-shared", "-fPIC", "-o", str(library), source]
    subprocess.run(compiler, check=True)
    return ctypes.CDLL(str(library))


def _called(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    """A C function with its arguments bound; arrays go by address, and are kept."""
    given = [
        ctypes.c_void_p(a.ctypes.data)
        if isinstance(a, np.ndarray)
        else (ctypes.c_double(a) if isinstance(a, float) else ctypes.c_int(a))
        for a in arguments
    ]
    return lambda kept=arguments: function(*given)


def _drifting(n: int, low_hz: float, high_hz: float) -> np.ndarray:
    cents = np.cumsum(np.random.default_rng(n).normal(0.0, 0.05, (STEPS + 1, n)), axis=0)
    return np.geomspace(low_hz, high_hz, n) * np.exp2(cents / 1200.0) / RATE_HZ


def _levels(n: int) -> np.ndarray:
    return np.random.default_rng(n).uniform(0.001, 0.01, (STEPS + 1, n)).astype(np.float32)


def saws(library: ctypes.CDLL | None) -> Job:
    from resonance.dsp import oscillators

    phase, tail, out = np.linspace(0.0, 0.99, 64), np.zeros((2, oscillators.TAIL), np.float32), _silence(2)
    cycles, level, table = _drifting(64, 55.0, 880.0), _levels(64), oscillators._STEP_LACKS
    if library is None:
        return lambda: oscillators.saws(phase, tail, cycles, level, level, out), out
    return _called(library.saws, 64, STEPS, phase, tail, cycles, level, level, table, out, SPAN), out


def sines(library: ctypes.CDLL | None) -> Job:
    from resonance.dsp import partials

    # Held: those that glide are drawn in another way.
    held = np.tile(np.geomspace(55.0, 9000.0, 992) / RATE_HZ, (STEPS + 1, 1))
    phase, cycles, level, out = np.zeros(992), held, _levels(992), _silence(2)
    if library is None:
        return lambda: partials.sines(phase, cycles, level, level, out), out
    return _called(library.sines, 992, STEPS, phase, cycles, level, level, out, SPAN), out


def winds(library: ctypes.CDLL | None) -> Job:
    from resonance.dsp import filters, noise

    lanes, q, out = 16, 8.0, _silence(16)
    cutoff = 10.0 * _drifting(lanes, 55.0, 880.0)
    if library is None:
        pink, state, sharp = noise.pink_state(lanes), np.zeros((2, lanes)), np.full((STEPS + 1, lanes), q)

        def job() -> None:
            noise.pink(pink, 1, 0, out)
            filters.svf(state, cutoff, sharp, filters.BAND, out, out)

        return job, out
    keys = np.array([noise._lane_key(np.uint64(1), lane) for lane in range(lanes)], np.uint64)
    poles, gains, held = np.array(noise._PINK_POLES), np.array(noise._PINK_GAINS), noise.pink_state(lanes)
    mixed = (keys, poles, gains, float(noise._PINK_DIRECT), float(noise._PINK_DELAYED), held)
    return _called(library.winds, STEPS, 0, *mixed, np.zeros((2, lanes)), cutoff, q, out, SPAN), out


def _silence(lanes: int) -> np.ndarray:
    from resonance.dsp import aligned

    return aligned(lanes, SPAN)


def _milliseconds(job: Callable[[], object], spans: int) -> float:
    began = time.process_time()
    for _ in range(spans):
        job()
    return 1e3 * (time.process_time() - began) * RATE_HZ / (SPAN * spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    print(f"{'':8}{'kernel':>9}{'C++':>9}{'fast math':>11}   kernel / C++   differ by")
    with tempfile.TemporaryDirectory() as name:
        libraries = (None, _compiled(Path(name)), _compiled(Path(name), "-ffast-math"))
        for loop in (saws, sines, winds):
            jobs = []
            for library in libraries:
                job, out = loop(library)
                job()
                jobs.append((job, out.copy()))
            want, *others = (out for _, out in jobs)
            apart = max(np.std(out - want) for out in others) / np.std(want)
            apart_db = 20.0 * np.log10(max(apart, 1e-12))
            taken = [[_milliseconds(job, 8) for job, _ in jobs] for _ in range(rounds)]
            kernel, plain, fast = (statistics.median(times) for times in zip(*taken, strict=True))
            print(
                f"{loop.__name__:8}{kernel:9.2f}{plain:9.2f}{fast:11.2f}{kernel / min(plain, fast):12.2f}"
                f"{apart_db:14.0f} dB"
            )


if __name__ == "__main__":
    main()
