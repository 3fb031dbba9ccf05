"""Row 29 of the dream map: one impact, then thousands of shards of glass, falling in number."""

import numpy as np
import pytest
from listening import Heard, alone, listen
from scipy.signal import find_peaks

from resonance.analysis.measures import band_level_db, envelope_db, stereo_correlation

FALL = "valence = 0.5\nenergy = [[0, 0.9], [0.4, 0.0], [1, 0]]\ntension = [[0, 0.9], [0.4, 0.0], [1, 0]]"
SCORE = f"""format = 1
title = "t"
about = "t"
[[scene]]
name = "mirror"
length = 1
energy = 0.8
sounds = []
[[scene]]
name = "fall"
length = 8
crossfade = 0.05
{FALL}
sounds = ["shatter"]
"""
RATE_HZ = 48_000.0


def shatter(seed: int) -> Heard:
    return listen(SCORE, seed, only=("shatter",))


def shards_s(heard: Heard) -> np.ndarray:
    """When they land, from the impact on."""
    (impact,) = heard.of("shatter", "impact")
    shards = heard.of("shatter", "shard")
    assert all(shard.follows is impact and not shard.sounds for shard in shards)
    return np.array([(shard.frame - impact.frame) / heard.rate_hz for shard in shards])


@pytest.mark.parametrize("seed", [1, 2])
def test_it_breaks_once_and_at_once(seed: int) -> None:
    heard = shatter(seed)
    (impact,) = heard.of("shatter", "impact")
    # A step is 64 frames: presence rises from 0 within the first.
    assert impact.frame == pytest.approx(RATE_HZ, abs=64)


@pytest.mark.parametrize("seed", [1, 2])
def test_over_a_thousand_shards_fall_in_number(seed: int) -> None:
    at_s = shards_s(shatter(seed))
    assert np.count_nonzero(at_s < 3.0) > 1000
    counts = np.histogram(at_s, np.arange(0.0, 4.1, 0.5))[0]
    assert counts[0] > 2 * counts[3] > 4 * counts[-1]
    assert np.all(np.diff(counts) < 0.2 * counts[:-1] + 10)


@pytest.mark.parametrize("seed", [1, 2])
def test_three_hundred_are_heard_apart(seed: int) -> None:
    """In three seconds, by ear alone: the level of the whole rises by 3 dB within a millisecond."""
    level_db = envelope_db(shatter(seed).stems["shatter"][48_000 : 4 * 48_000], RATE_HZ, 0.001)
    onsets, _ = find_peaks(np.diff(level_db), height=3.0)
    assert len(onsets) >= 400
    # As few as are left by a slower ear, that hears nothing sooner than 4 ms after the last.
    onsets, _ = find_peaks(np.diff(level_db), height=3.0, distance=4)
    assert len(onsets) >= 300


@pytest.mark.parametrize("seed", [1, 2])
def test_it_reaches_from_the_ground_to_the_top_of_hearing(seed: int) -> None:
    stem = shatter(seed).stems["shatter"][48_000:72_000]
    bands_hz = 40.0 * 2.0 ** np.arange(9)
    levels_db = [band_level_db(stem, RATE_HZ, low_hz, 2.0 * low_hz) for low_hz in bands_hz[:-1]]
    assert min(levels_db) > max(levels_db) - 30.0
    assert band_level_db(stem, RATE_HZ, 10_000.0, 18_000.0) > max(levels_db) - 30.0


def test_it_is_loud_and_does_not_startle() -> None:
    stem = shatter(1).stems["shatter"]
    assert 0.2 < np.abs(stem).max() < 0.95
    rise_db = envelope_db(stem[48_000:52_800], RATE_HZ, 0.002)
    assert np.argmax(rise_db > rise_db.max() - 6.0) * 0.002 >= 0.008


def test_shards_fly_out_to_both_sides() -> None:
    stem = shatter(1).stems["shatter"]
    assert abs(stereo_correlation(stem[2 * 48_000 : 4 * 48_000])) < 0.3
    heard = shatter(1)
    pan = np.array([shard.detail["pan"] for shard in heard.of("shatter", "shard")])
    assert np.mean(pan < -0.5) > 0.15 < np.mean(pan > 0.5)
    assert not stem[-48_000:].any()


def test_energy_is_the_force_of_the_blow() -> None:
    def broken(energy: float) -> tuple[float, int]:
        heard = listen(alone("shatter", seconds=3.0, arc=f"energy = {energy}"), 1, only=("shatter",))
        return float(np.sqrt(np.mean(heard.stems["shatter"] ** 2))), len(heard.of("shatter", "shard"))

    assert broken(0.9)[0] > 1.6 * broken(0.4)[0]
    assert broken(0.9)[1] > 1.2 * broken(0.4)[1]
