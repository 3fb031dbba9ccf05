"""Filters against the analog prototypes they stand for, warped by the bilinear transform."""

import math
from itertools import pairwise

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.filters import BAND, HIGH, LOW, NOTCH, formants, one_pole, svf

RATES_HZ = (44100, 48000, 96000)
STEPS = 129


def spectrum(impulse_response, cycles):
    n = np.arange(impulse_response.shape[-1])
    return impulse_response @ np.exp(-2j * np.pi * np.outer(n, np.atleast_1d(cycles)))


def click(lanes=1, steps=512):
    x = np.zeros((lanes, steps * GRID_FRAMES), np.float32)
    x[:, 0] = 1.0
    return x


def svf_response(cutoff, q, mode, cycles):
    x = click()
    rows = x.shape[1] // GRID_FRAMES + 1
    svf(np.zeros((2, 1)), np.full((rows, 1), cutoff), np.full((rows, 1), q), mode, x, x)
    return spectrum(x[0].astype(np.float64), cycles)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("mode", [LOW, HIGH])
@pytest.mark.parametrize("cutoff_hz", [60, 1000, 12000, 20000])
def test_a_flat_svf_is_three_decibels_down_at_its_cutoff(rate_hz, mode, cutoff_hz):
    level = abs(svf_response(cutoff_hz / rate_hz, math.sqrt(0.5), mode, cutoff_hz / rate_hz)[0])
    assert 20 * math.log10(level) == pytest.approx(-3.0103, abs=0.01)


@pytest.mark.parametrize("q", [0.5, 2.0, 12.0])
@pytest.mark.parametrize("mode", [LOW, BAND, HIGH, NOTCH])
def test_svf_is_the_analog_filter(mode, q):
    cutoff, cycles = 0.05, np.array([0.004, 0.02, 0.045, 0.06, 0.15, 0.3])
    s = 1j * np.tan(np.pi * cycles) / math.tan(math.pi * cutoff)
    top = {LOW: 1, BAND: s / q, HIGH: s**2, NOTCH: s**2 + 1}[mode]
    np.testing.assert_allclose(svf_response(cutoff, q, mode, cycles), top / (s**2 + s / q + 1), atol=2e-5)


def test_svf_lanes_are_filters_of_their_own():
    chance = np.random.default_rng(1)
    x = chance.uniform(-1, 1, (3, 640)).astype(np.float32)
    cutoff, q = chance.uniform(0.01, 0.3, (11, 3)), chance.uniform(0.5, 9, (11, 3))
    together = np.zeros_like(x)
    svf(np.zeros((2, 3)), cutoff, q, LOW, x, together)
    for lane in range(3):
        alone = np.zeros((1, 640), np.float32)
        one = slice(lane, lane + 1)
        svf(np.zeros((2, 1)), cutoff[:, one].copy(), q[:, one].copy(), LOW, x[one].copy(), alone)
        np.testing.assert_allclose(together[one], alone, atol=1e-6)


@pytest.mark.parametrize("mode", [LOW, BAND, HIGH, NOTCH])
def test_an_svf_is_the_same_alone_and_among_many(mode):
    """To the bit, whether it is computed in a pair or side by side with fifteen others."""
    chance = np.random.default_rng(mode)
    x = chance.uniform(-1, 1, (35, 640)).astype(np.float32)
    cutoff, q = chance.uniform(0.001, 0.4, (11, 35)), chance.uniform(0.5, 20, (11, 35))
    together, state = np.zeros_like(x), np.zeros((2, 35))
    svf(state, cutoff, q, mode, x, together)
    for lane in range(35):
        one = slice(lane, lane + 1)
        alone, own = np.zeros((1, 640), np.float32), np.zeros((2, 1))
        svf(own, cutoff[:, one].copy(), q[:, one].copy(), mode, x[one].copy(), alone)
        np.testing.assert_array_equal(together[one], alone)
        np.testing.assert_array_equal(state[:, one], own)


@pytest.mark.parametrize(
    ("q", "octaves_hz", "apart_db"), [(0.7, 5, -110), (8, 5, -90), (8, 1, -120), (48, 1, -105)]
)
def test_a_swept_svf_follows_its_cutoff(q, octaves_hz, apart_db):
    """Beside one whose coefficients are worked out in every frame of an exponential sweep."""
    steps = 300
    x = np.random.default_rng(1).uniform(-1, 1, (1, steps * GRID_FRAMES)).astype(np.float32)
    times_s = np.arange(steps * GRID_FRAMES + 1) / 48000
    cutoff = 1000 / 48000 * 2 ** (2 * np.sin(octaves_hz / 2 * times_s))
    out = np.zeros_like(x)
    row = cutoff[::GRID_FRAMES, None].copy()
    svf(np.zeros((2, 1)), row, np.full_like(row, q), BAND, x, out)
    want, first, second = np.empty(x.size), 0.0, 0.0
    for i, (g, value) in enumerate(zip(np.tan(np.pi * cutoff[:-1]).tolist(), x[0].tolist(), strict=True)):
        band = (first + g * (value - second)) / (1 + g / q + g * g)
        low = second + g * band
        want[i], first, second = band / q, 2 * band - first, 2 * low - second
    assert 20 * math.log10((out[0] - want).std() / want.std()) < apart_db


@pytest.mark.parametrize("mode", [LOW, BAND, HIGH, NOTCH])
def test_svf_stays_calm_when_it_is_thrown_about(mode):
    chance = np.random.default_rng(mode)
    x = chance.uniform(-1, 1, (1, 2000 * GRID_FRAMES)).astype(np.float32)
    cutoff = 10 ** chance.uniform(-5, math.log10(0.7), (2001, 1))
    q = 10 ** chance.uniform(-0.3, 1.3, (2001, 1))
    out = np.zeros_like(x)
    svf(np.zeros((2, 1)), cutoff, q, mode, x, out)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 40


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("cutoff_hz", [30, 1000, 18000])
def test_one_pole_is_three_decibels_down_at_its_cutoff(rate_hz, cutoff_hz):
    x = click()
    one_pole(np.zeros(1), np.full((513, 1), cutoff_hz / rate_hz), x, x)
    level = abs(spectrum(x[0].astype(np.float64), cutoff_hz / rate_hz)[0])
    assert 20 * math.log10(level) == pytest.approx(-3.0103, abs=0.01)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("centre_hz", "bandwidth_hz"), [(300, 60), (2500, 200), (9000, 2500)])
def test_a_formant_has_its_level_and_its_bandwidth(rate_hz, centre_hz, bandwidth_hz):
    x = click(steps=160)[0]
    out = np.zeros_like(x)
    rows = x.size // GRID_FRAMES + 1
    centre, wide = centre_hz / rate_hz, bandwidth_hz / rate_hz
    formants(
        np.zeros((2, 1)),
        np.full((rows, 1), centre),
        np.full((rows, 1), wide),
        np.full((rows, 1), 0.5),
        x,
        out,
    )
    cycles = np.linspace(max(centre - 2 * wide, wide / 100), centre + 2 * wide, 801)
    level = np.abs(spectrum(out.astype(np.float64), cycles))
    assert level.max() == pytest.approx(0.5, rel=1e-3)
    assert cycles[level.argmax()] == pytest.approx(centre, abs=0.01 * wide)
    inside = cycles[level > 0.5 * math.sqrt(0.5)]
    assert inside[-1] - inside[0] == pytest.approx(wide, rel=0.02)


def test_formants_add_up():
    x = np.random.default_rng(1).uniform(-1, 1, 640).astype(np.float32)
    rows = [np.tile(row, (11, 1)) for row in ([0.01, 0.05], [0.002, 0.01], [1.0, 0.3])]
    both, single = np.ones(640, np.float32), np.ones(640, np.float32)
    formants(np.zeros((2, 2)), *rows, x, both)
    for n in range(2):
        formants(np.zeros((2, 1)), *(row[:, n : n + 1].copy() for row in rows), x, single)
    np.testing.assert_allclose(both, single, atol=1e-6)


def borders():
    return [0, 1, 3, 4, 9, 20, 21, 60, STEPS]


def run(name, cuts):
    chance = np.random.default_rng(3)
    lanes = 21 if "many" in name else 5
    x = chance.uniform(-1, 1, (lanes, STEPS * GRID_FRAMES)).astype(np.float32)
    cutoff, q = chance.uniform(0.001, 0.4, (STEPS + 1, lanes)), chance.uniform(0.5, 20, (STEPS + 1, lanes))
    out = np.zeros_like(x)
    state = np.zeros(lanes) if name == "one_pole" else np.zeros((2, lanes))
    for a, b in pairwise(cuts):
        span = slice(a * GRID_FRAMES, b * GRID_FRAMES)
        part, piece = x[:, span].copy(), np.zeros((lanes, (b - a) * GRID_FRAMES), np.float32)
        if name in ("svf", "svf, many lanes"):
            svf(state, cutoff[a : b + 1], q[a : b + 1], BAND, part, piece)
        elif name == "svf in place":
            svf(state, cutoff[a : b + 1], q[a : b + 1], HIGH, part, part)
            piece = part
        elif name == "one_pole":
            one_pole(state, cutoff[a : b + 1], part, piece)
        else:
            formants(state, cutoff[a : b + 1], cutoff[a : b + 1] / 9, q[a : b + 1], part[0].copy(), piece[0])
        out[:, span] = piece
    return out


@pytest.mark.parametrize("name", ["svf", "svf, many lanes", "svf in place", "one_pole", "formants"])
def test_filters_are_the_same_however_the_span_is_cut(name):
    np.testing.assert_array_equal(run(name, [0, STEPS]), run(name, borders()))


def test_filters_fall_to_exact_silence():
    x = click(2)
    rows = x.shape[1] // GRID_FRAMES + 1
    state, single = np.zeros((2, 2)), np.zeros(2)
    for _ in range(2):
        out = np.zeros_like(x)
        svf(state, np.full((rows, 2), 0.002), np.full((rows, 2), 1.0), LOW, x, out)
        one_pole(single, np.full((rows, 2), 0.002), x, x)
        x[:] = 0
    assert not out.any()
    assert not state.any()
    assert not single.any()
