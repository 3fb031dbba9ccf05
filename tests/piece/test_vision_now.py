"""Row 19: you, here, now, the only path that matters."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import partials, rms_db, roughness

RATE = 48_000
ARC = "valence = 0.8\nenergy = 0.3\ntension = 0.1\nbpm = 54"
seeds = pytest.mark.parametrize("seed", [1, 7])


def now(seed):
    return listen(alone("vision_now", seconds=20, arc=ARC), seed)


def strongest_hz(stem):
    found_hz, levels_db = partials(stem[3 * RATE :], RATE, 40)
    return np.sort(found_hz[levels_db > levels_db[0] - 25.0])


@seeds
def test_it_is_the_pure_root_chord(seed):
    found_hz = strongest_hz(now(seed).stems["vision_now"])
    just_hz = 55.0 * np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24])
    off_cents = 1200.0 * np.log2(found_hz[:, None] / just_hz)
    assert np.abs(off_cents).min(axis=1).max() < 3.0
    assert {8, 10, 12} <= set(np.round(found_hz / 55.0))


@seeds
def test_none_rubs_against_another(seed):
    found_hz = strongest_hz(now(seed).stems["vision_now"])
    low_hz = found_hz[found_hz < 300.0]
    middle_khz = 0.5e-3 * (low_hz[1:] + low_hz[:-1])
    # Zwicker & Terhardt 1980: how wide a critical band is.
    assert np.all(np.diff(low_hz) > 25.0 + 75.0 * (1.0 + 1.4 * middle_khz**2) ** 0.69)


@seeds
def test_it_is_smoother_than_any_other_pitched_sound(seed):
    others = {
        "vision_hollow": "valence = 0.25\nenergy = 0.12\ntension = 0.4\nbpm = 54",
        "moonlight": "valence = 0.6\nenergy = 0.2\ntension = 0.2",
        "seed": "valence = 0.8\nenergy = 0.4\ntension = 0.3",
        "drone": "valence = 0.6\nenergy = 0.2\ntension = 0.2",
    }
    own = roughness(now(seed).stems["vision_now"][: 8 * RATE], RATE)
    for name, arc in others.items():
        stem = listen(alone(name, seconds=9, arc=arc), seed).stems[name]
        assert own < roughness(stem[: 8 * RATE], RATE), name


@seeds
def test_it_is_there_within_three_seconds_and_then_still(seed):
    stem = now(seed).stems["vision_now"]
    levels_db = np.array([rms_db(stem[at : at + RATE // 2]) for at in range(0, len(stem), RATE // 2)])
    assert levels_db[6:].max() - levels_db[6:-1].min() < 4.0
    assert abs(levels_db[5] - np.median(levels_db[6:-1])) < 3.0


def test_it_is_near_and_comes_with_clarity():
    heard = now(1)
    assert rms_db(heard.space) < rms_db(heard.stems["vision_now"]) - 20.0
    away = listen(alone("vision_now", seconds=4, arc=ARC, fields="clarity = 0"))
    assert not np.any(away.stems["vision_now"])
