"""Chaos against an independent integrator, and by what makes it chaos."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from resonance.dsp import GRID_FRAMES
from resonance.dsp.chaos import feedback_fm, lorenz, rossler

START = {lorenz: (1.0, 1.0, 25.0), rossler: (1.0, 1.0, 0.5)}


def lorenz_slope(_, point):
    x, y, z = point
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]


def rossler_slope(_, point):
    x, y, z = point
    return [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)]


def followed(system, dt, steps, start=None):
    state, out = np.array(start or START[system]), np.zeros((steps + 1, 3))
    system(state, np.full(steps + 1, dt), out)
    return out, state


@pytest.mark.parametrize(
    ("system", "slope", "reach", "centre"),
    [
        (lorenz, lorenz_slope, (20, 28, 24), (0, 0, 24)),
        (rossler, rossler_slope, (12, 12, 12), (0, 0, 12)),
    ],
)
def test_systems_agree_with_an_independent_integrator(system, slope, reach, centre):
    steps, dt = 400, 0.01
    out, state = followed(system, dt, steps)
    at = np.arange(steps + 1) * dt
    true = solve_ivp(slope, (0, at[-1]), START[system], t_eval=at, rtol=1e-10, atol=1e-10).y.T
    np.testing.assert_allclose(out, (true - centre) / reach, atol=1e-4)
    np.testing.assert_allclose(state, true[-1], atol=2e-3)


@pytest.mark.parametrize(("system", "fastest"), [(lorenz, 0.16), (rossler, 0.4)])
@pytest.mark.parametrize("share", [0.05, 1.0, 50.0])
def test_systems_stay_near_one_and_wander_at_every_speed(system, fastest, share):
    out, _ = followed(system, fastest * share, 20000)
    assert np.all(np.isfinite(out))
    assert np.max(np.abs(out)) < 1.1
    assert np.all(np.ptp(out, axis=0) > 1.5)


@pytest.mark.parametrize(("system", "dt"), [(lorenz, 0.05), (rossler, 0.3)])
def test_starts_a_hair_apart_part(system, dt):
    x, y, z = START[system]
    one, _ = followed(system, dt, 3000)
    other, _ = followed(system, dt, 3000, (x + 1e-9, y, z))
    assert np.max(np.abs(one - other)[:100]) < 1e-3
    assert np.max(np.abs(one - other)[1500:]) > 0.3


@pytest.mark.parametrize("system", [lorenz, rossler])
def test_systems_may_be_cut_anywhere(system):
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps = sum(sizes)
    dt = np.random.default_rng(1).uniform(0, 0.2, steps + 1)
    whole_state, whole = np.array(START[system]), np.zeros((steps + 1, 3))
    system(whole_state, dt, whole)
    state, at = np.array(START[system]), 0
    for size in sizes:
        part = np.zeros((size + 1, 3))
        system(state, dt[at : at + size + 1], part)
        assert np.array_equal(part, whole[at : at + size + 1])
        at += size
    assert np.array_equal(state, whole_state)


def fed_back(feedback, rate_hz=48000, steps=700):
    level = np.ones((steps + 1, 1), np.float32)
    out = np.zeros((2, steps * GRID_FRAMES), np.float32)
    cycles = np.full((steps + 1, 1), 110.0 / rate_hz)
    feedback_fm(
        np.zeros(1), np.zeros((2, 1)), cycles, np.full((steps + 1, 1), feedback), level, 0 * level, out
    )
    assert not np.any(out[1])
    return out[0].astype(np.float64)


def flatness(wave):
    """Geometric over arithmetic mean of the spectrum, over stretches: near 0 a tone, near 1 white noise."""
    stretches = wave[: wave.size // 4096 * 4096].reshape(-1, 4096) * np.hanning(4096)
    power = np.mean(np.abs(np.fft.rfft(stretches)[:, 5:1700]) ** 2, axis=0)
    return np.exp(np.mean(np.log(power))) / np.mean(power)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_without_feedback_it_is_a_sine(rate_hz):
    wave = fed_back(0.0, rate_hz)
    true = np.sin(2 * np.pi * 110.0 / rate_hz * np.arange(wave.size))
    assert 20 * np.log10(np.std(wave - true) / np.std(true)) < -120.0


def test_feedback_leads_from_sine_to_noise():
    waves = [fed_back(feedback) for feedback in (0.0, 0.16, 0.3, 0.6, 0.8)]
    flat = [flatness(wave) for wave in waves]
    assert flat == sorted(flat)
    assert flat[2] < 1e-3
    assert flat[4] > 0.3
    assert max(np.max(np.abs(wave)) for wave in waves) < 1.001


def test_a_fed_back_span_may_be_cut_anywhere():
    rng = np.random.default_rng(2)
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps, n = sum(sizes), 3
    cycles, feedback = rng.uniform(0, 0.1, (steps + 1, n)), rng.uniform(0, 2, (steps + 1, n))
    left, right = (rng.uniform(-1, 1, (steps + 1, n)).astype(np.float32) for _ in range(2))
    controls = (cycles, feedback, left, right)

    def rendered(cuts):
        phase, memory, parts, at = np.linspace(0, 0.9, n), np.zeros((2, n)), [], 0
        for size in cuts:
            part = np.zeros((2, size * GRID_FRAMES), np.float32)
            feedback_fm(phase, memory, *(control[at : at + size + 1] for control in controls), part)
            parts.append(part)
            at += size
        return np.concatenate(parts, axis=1), phase, memory

    for whole, cut in zip(rendered([steps]), rendered(sizes), strict=True):
        assert np.array_equal(whole, cut)
