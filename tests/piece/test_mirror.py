"""Row 27: the mirror turns time, and then the spectrum."""

import numpy as np
import pytest
from listening import listen
from scipy.signal import correlate, oaconvolve

from resonance.analysis.measures import band_level_db, envelope_db

RATE_HZ = 48_000
SCORE = """format = 1
title = "m"
about = "a test"
[[scene]]
name = "before"
length = 18
energy = 0.6
[scene.sounds]
drone = { glow = 1.0 }
crystals = { touch_hz = 4 }
[[scene]]
name = "mirror"
length = 18
energy = 0.45
[scene.sounds]
mirror = { turned = [[0, 0], [0.4, 0], [0.5, 1], [1, 1]] }
"""
SEEDS = pytest.mark.parametrize("seed", [1, 2])


@SEEDS
def test_at_first_it_turns_time_alone(seed: int) -> None:
    heard = listen(SCORE, seed)
    before = heard.mix[: 18 * RATE_HZ, 0][::-1].astype(np.float64)
    span = heard.stems["mirror"][int(19.0 * RATE_HZ) : int(22.0 * RATE_HZ), 0].astype(np.float64)
    alike = correlate(before, span, mode="valid", method="fft")
    energy = oaconvolve(before**2, np.ones(len(span)), mode="valid") * np.sum(span**2)
    assert np.abs(alike / np.sqrt(np.maximum(energy, 1e-12))).max() > 0.5


@SEEDS
def test_then_what_was_dark_is_bright(seed: int) -> None:
    heard = listen(SCORE, seed)
    stem = heard.stems["mirror"]
    early, late = stem[19 * RATE_HZ : 23 * RATE_HZ], stem[29 * RATE_HZ : 34 * RATE_HZ]
    dark_to_bright = [
        band_level_db(span, RATE_HZ, 60.0, 900.0) - band_level_db(span, RATE_HZ, 3500.0, 5600.0)
        for span in (early, late)
    ]
    assert dark_to_bright[0] > 20.0
    assert dark_to_bright[1] < -20.0


@SEEDS
def test_it_reflects_from_the_first_and_no_longer_than_it_is_there(seed: int) -> None:
    """It comes with its scene's crossfade, and is gone when the next scene has come."""
    text = SCORE.replace('name = "mirror"\n', 'name = "mirror"\ncrossfade = 4\n')
    after = '[[scene]]\nname = "after"\nlength = 4\ncrossfade = 0.05\nsounds = ["drone"]\n'
    stem = listen(text + after, seed).stems["mirror"]
    level_db = envelope_db(stem, RATE_HZ, 1.0)
    assert level_db[20] > level_db[24:30].max() - 15.0
    assert level_db[35] > -60.0
    assert not stem[round(36.1 * RATE_HZ) :].any()


@SEEDS
def test_its_reflections_are_told_one_by_one(seed: int) -> None:
    heard = listen(SCORE, seed)
    reflections = heard.of("mirror", "reflection")
    assert len(reflections) >= 3
    assert heard.time_s(reflections[0]) == pytest.approx(18.0, abs=0.01)


def test_alone_it_reflects_the_same_past() -> None:
    alone = listen(SCORE, 1, only=("mirror",)).stems["mirror"]
    assert np.array_equal(alone, listen(SCORE, 1).stems["mirror"])
