import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resonance.score.curves import Curve


def test_values_are_spread_evenly_over_the_scene():
    assert Curve.of(3.0).points == ((0.0, 3.0),)
    assert Curve.of(1.0, 5.0, 2.0).points == ((0.0, 1.0), (0.5, 5.0), (1.0, 2.0))


def test_only_a_curve_that_never_moves_is_constant():
    assert Curve.of(3.0).constant == 3.0
    assert Curve.of(3.0, 3.0).constant == 3.0
    assert Curve.of(3.0, 3.0, 3.1).constant is None


def test_two_points_are_a_straight_line():
    positions, values = Curve.of(1.0, 2.0).breakpoints()
    assert (list(positions), list(values)) == ([0.0, 1.0], [1.0, 2.0])


POINTS = ((0.0, 0.2), (0.1, 0.9), (0.35, 0.85), (0.6, 0.85), (0.9, 0.1), (1.0, 0.3))


@pytest.mark.parametrize("points", [POINTS, POINTS[:3], Curve.of(0.15, 0.25, 0.8).points])
def test_the_curve_is_the_monotone_cubic_of_the_literature(points):
    """Against scipy's own PCHIP, at the breakpoints and, within what straight lines allow, between them."""
    from scipy.interpolate import PchipInterpolator

    reference = PchipInterpolator(*zip(*points, strict=True))
    positions, values = Curve(points).breakpoints()
    np.testing.assert_allclose(values, reference(positions), atol=1e-12)
    between = np.linspace(points[0][0], points[-1][0], 5000)
    np.testing.assert_allclose(np.interp(between, positions, values), reference(between), atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=40))
def test_a_curve_goes_through_its_points_and_overshoots_none(values):
    curve = Curve.of(*values)
    positions, drawn = curve.breakpoints()
    assert np.all(np.diff(positions) > 0.0)
    for (start, low), (end, high) in zip(curve.points, curve.points[1:], strict=False):
        inside = drawn[(positions >= start) & (positions <= end)]
        assert inside[0] == pytest.approx(low, abs=1e-12)
        assert inside.min() >= min(low, high) - 1e-12
        assert inside.max() <= max(low, high) + 1e-12


def test_the_longest_curve_stays_small():
    positions, values = Curve.of(*np.random.default_rng(1).random(10_000)).breakpoints()
    assert len(positions) == len(values) == 10_000
