"""Curves: the hash against its published values, drift against an independent spline, envelopes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

from resonance.dsp import GRID_FRAMES
from resonance.dsp.curves import (
    drift,
    drift_together,
    glide,
    glide_coefficient,
    hashed,
    power_of_two,
    swell,
)

KEY = np.uint64(0xC0FFEE1234567890)


def drifted(key, increment, n=1, phase=0.0, steps=1000):
    out = np.zeros((steps + 1, n))
    drift(np.uint64(key), np.full(n, phase), np.full((steps + 1, n), increment), out)
    return out


def test_the_hash_is_splitmix64():
    # The first outputs of the generator seeded with 0, as published with its reference code.
    published = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    for index, bits in enumerate(published):
        assert hashed(np.uint64(0), index) == (bits >> 11) * 2.0**-53


def test_the_hash_is_even_and_unordered():
    values = np.array([hashed(KEY, index) for index in range(-10000, 10000)])
    assert 0.0 <= values.min() < values.max() < 1.0
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert np.sum((counts - 1000) ** 2 / 1000) < 43.8  # 0.1 % of fair chi-squares with 19 degrees exceed it
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.03


def test_drift_is_a_cubic_spline_through_bounded_chance():
    curve = drifted(KEY, 0.05)[:, 0]
    at = np.arange(curve.size) * 0.05
    # Fit the spline's control points to the curve: only a cubic B-spline on whole knots fits exactly.
    knots = np.arange(-3, 55)
    spline = BSpline.design_matrix(at, knots.astype(float), 3).toarray()
    points, *_ = np.linalg.lstsq(spline, curve, rcond=None)
    np.testing.assert_allclose(spline @ points, curve, atol=1e-12)
    assert np.max(np.abs(points[:53])) <= 1.0
    assert np.std(points[:53]) > 0.4


def test_drift_lives_within_its_bounds_and_uses_them():
    curves = drifted(KEY, 0.31, n=8, steps=20000)
    assert np.max(np.abs(curves)) < 1.0
    assert np.max(curves) > 0.8
    assert np.min(curves) < -0.8
    assert np.all(np.abs(curves.mean(axis=0)) < 0.03)
    assert np.all(np.abs(curves.std(axis=0) - 0.4) < 0.03)


def test_lanes_and_keys_share_nothing():
    curves = drifted(KEY, 0.5, n=6, steps=8000)
    together = np.column_stack([curves, drifted(KEY + np.uint64(1), 0.5, n=6, steps=8000)])
    correlation = np.corrcoef(together.T) - np.eye(12)
    assert np.max(np.abs(correlation)) < 0.1


def test_drift_is_as_fine_after_days():
    days = 30 * 86400.0
    early, late = drifted(KEY, 1e-3), drifted(KEY, 1e-3, phase=days)
    assert not np.allclose(early, late, atol=0.1)
    # The largest second difference of a cubic B-spline through -1..1 is 4 (1, -1, 1) times the squared step.
    for curve in (early, late):
        assert np.max(np.abs(np.diff(curve[:, 0], n=2))) <= 4.01e-6
        assert np.ptp(curve) > 1e-2


def test_drift_may_be_cut_anywhere():
    rng = np.random.default_rng(3)
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps, n = sum(sizes), 4
    increment = rng.uniform(0.0, 0.7, (steps + 1, n))
    whole, whole_phase = np.zeros((steps + 1, n)), np.linspace(-1, 2, n)
    phase = whole_phase.copy()
    drift(KEY, whole_phase, increment, whole)
    at = 0
    for size in sizes:
        part = np.zeros((size + 1, n))
        drift(KEY, phase, increment[at : at + size + 1], part)
        assert np.array_equal(part, whole[at : at + size + 1])
        at += size
    assert np.array_equal(whole_phase, phase)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_a_glide_settles_in_its_time_at_every_rate(rate_hz):
    settle_s = 0.5
    steps = round(settle_s * rate_hz / GRID_FRAMES)
    value, out = np.zeros(1), np.zeros(steps + 1)
    glide(value, np.ones(steps + 1), glide_coefficient(settle_s, rate_hz), out)
    assert out[0] == 0.0
    assert value[0] == out[-1]
    assert abs(out[-1] - (1 - np.exp(-1))) < 2e-3
    assert glide_coefficient(0.0, rate_hz) == 1.0


def test_a_glide_may_be_cut_anywhere():
    target = np.random.default_rng(4).uniform(-1, 1, 41)
    whole, value = np.zeros(41), np.full(1, 0.3)
    glide(value, target, 0.2, whole)
    state = np.full(1, 0.3)
    for begin, end in ((0, 1), (1, 8), (8, 40)):
        part = np.zeros(end - begin + 1)
        glide(state, target[begin : end + 1], 0.2, part)
        assert np.array_equal(part, whole[begin : end + 1])
    assert np.array_equal(state, value)


def test_a_swell_by_hand():
    ages = [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    np.testing.assert_allclose(
        swell(ages, 1.0, 2.0, 2.0), [0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0], atol=1e-15
    )
    np.testing.assert_allclose(swell([-0.1, 0.0, 0.9, 1.0], 0.0, 1.0, 0.0), [0.0, 1.0, 1.0, 0.0])
    slopes = np.diff(swell(np.linspace(-0.5, 5.5, 6001), 1.0, 2.0, 2.0)) / 1e-3
    assert np.max(np.abs(np.diff(slopes))) < 0.01


def test_curves_that_hurry_together_are_drift_at_their_own_paces():
    rng = np.random.default_rng(5)
    increment, pace = rng.uniform(0.0, 0.4, 201), rng.uniform(0.5, 1.5, 6)
    each, each_phase = np.zeros((201, 6)), rng.uniform(-2.0, 5.0, 6)
    together, phase = np.zeros((201, 6)), each_phase.copy()
    drift(KEY, each_phase, increment[:, None] * pace, each)
    drift_together(KEY, phase, pace, increment, together)
    np.testing.assert_allclose(together, each, atol=1e-12)
    np.testing.assert_allclose(phase, each_phase, atol=1e-12)


def test_powers_of_two_are_exact_to_rounding_and_stay_finite():
    exponents = np.concatenate((np.linspace(-60.3, 60.3, 4001), [0.0, 0.5, -0.5]))
    np.testing.assert_allclose([power_of_two(float(x)) for x in exponents], np.exp2(exponents), rtol=2e-15)
    assert power_of_two(1e9) == 2.0**1000
    assert power_of_two(-1e9) == 2.0**-1000
