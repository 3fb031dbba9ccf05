import numpy as np

from resonance.generate.stair import levels, places, treads
from resonance.tuning import JUST, ratio

JUST_RATIOS = tuple(map(ratio, JUST))


def test_partials_lie_octaves_apart_and_go_round():
    place = places(np.array([0.0, 0.25, 1.0, 8.25]), 8)
    assert place.shape == (4, 8)
    np.testing.assert_allclose(np.sort(place[1]), 0.25 + np.arange(8))
    np.testing.assert_allclose(np.sort(place[2]), np.arange(8))
    np.testing.assert_allclose(place[3], place[1])


def test_nobody_hears_a_partial_go_round():
    place = np.array([0.0, 1e-4, 8.0 - 1e-4])
    assert (levels(place, 8, 3.7, 1.35) < 1e-8).all()


def test_its_brightness_rests_while_all_rise():
    place = places(np.linspace(0.0, 1.0, 97), 8)
    level = levels(place, 8, 3.7, 1.35)
    centroid = (level * 55.0 * 2.0**place).sum(axis=1) / level.sum(axis=1)
    assert np.ptp(centroid) < 0.02 * centroid.mean()
    assert (np.sort(level, axis=1)[:, -6:] > 0.01 * level.max()).all()


def test_treads_lie_on_the_tones_of_the_tuning():
    tones = np.log2(JUST_RATIOS)
    np.testing.assert_allclose(treads(tones, JUST_RATIOS), 1.0, atol=1e-9)
    between = 0.5 * (tones + np.append(tones[1:], 1.0))
    np.testing.assert_allclose(treads(between, JUST_RATIOS), 0.0, atol=1e-9)
    np.testing.assert_allclose(treads(tones + 3.0, JUST_RATIOS), 1.0, atol=1e-9)
