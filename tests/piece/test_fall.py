"""Row 30 of the dream map: you fall: not down, but out."""

import numpy as np
import pytest
from listening import Heard, listen

from resonance.analysis.measures import band_level_db, envelope_db, partials, stereo_correlation

RATE_HZ = 48_000.0
SCORE = """format = 1
title = "t"
about = "t"
[master]
gain_db = 6.0
[[scene]]
name = "mirror"
length = 1
energy = 0.8
tension = 0.8
space = { t60_s = 8.0 }
sounds = ["drone"]
[[scene]]
name = "fall"
length = 20
crossfade = 0.05
valence = 0.5
energy = [[0, 0.9], [0.1, 0.7], [0.45, 0.0], [1, 0]]
tension = [[0, 0.9], [0.4, 0.0], [1, 0]]
space = { t60_s = [[0, 5], [0.25, 3], [0.5, 1.2], [1, 1.2]] }
[scene.sounds]
shatter = {}
fall = { away = [[0, 0], [0.05, 0.13], [0.25, 0.42], [0.45, 0.85], [0.54, 1], [1, 1]], \
distance_m = [[0, 4], [0.1, 6], [0.5, 45], [1, 45]], send_db = [[0, -10], [0.5, -4], [1, -4]] }
"""


def fallen(seed: int) -> Heard:
    """From the impact on, for 14 seconds."""
    return listen(SCORE, seed, start_s=1.0, end_s=15.0)


def second(audio: np.ndarray, begin_s: float, length_s: float = 1.0) -> np.ndarray:
    return audio[round(begin_s * RATE_HZ) : round((begin_s + length_s) * RATE_HZ)]


@pytest.mark.parametrize("seed", [1, 2])
def test_it_goes_out_and_not_down(seed: int) -> None:
    heard = fallen(seed)
    begins_s = np.arange(1.0, 9.0, 0.5)
    correlations = [stereo_correlation(second(heard.mix, s)) for s in begins_s]
    assert np.abs(correlations).max() < 0.3
    assert stereo_correlation(second(heard.stems["fall"], 0.0, 0.5)) > 0.5
    dry = np.sum(list(heard.stems.values()), axis=0)
    assert np.all(np.diff(envelope_db(second(dry, 1.0, 9.0), RATE_HZ, 1.0)) < -1.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_partial_falls(seed: int) -> None:
    """The strongest partials of either side, from the second second to the seventh, in cents."""
    stem = fallen(seed).stems["fall"]
    moved_cents = []
    for side in stem.T:
        before_hz, _ = partials(second(side, 1.0, 1.5), RATE_HZ, 24, 100.0, 1500.0)
        after_hz, _ = partials(second(side, 6.0, 1.5), RATE_HZ, 60, 100.0, 1600.0)
        for hz in before_hz:
            cents = 1200.0 * np.log2(after_hz / hz)
            moved_cents.append(cents[np.argmin(np.abs(cents))])
    assert len(moved_cents) > 30
    assert np.mean(np.array(moved_cents) < -2.0) <= 1 / 3
    assert np.mean(np.array(moved_cents) > 2.0) > 1 / 3


@pytest.mark.parametrize("seed", [1, 2])
def test_then_there_is_nothing(seed: int) -> None:
    heard = fallen(seed)
    level_db = envelope_db(heard.mix, RATE_HZ)
    assert level_db[round(11.5 / 0.05) :].max() < -80.0
    assert np.abs(second(heard.stems["fall"], 12.0, 2.0)).max() < 1e-12


@pytest.mark.parametrize("seed", [1, 2])
def test_it_grows_wetter_on_its_way(seed: int) -> None:
    heard = fallen(seed)

    def wet_db(begin_s: float) -> float:
        levels_db = [
            envelope_db(second(x, begin_s), RATE_HZ, 1.0)[0] for x in (heard.space, heard.stems["fall"])
        ]
        return float(levels_db[0] - levels_db[1])

    assert wet_db(6.0) > wet_db(1.5) + 6.0


def test_there_is_no_down() -> None:
    """The ground goes first; and what lies under 120 Hz is in the middle."""
    stem = fallen(1).stems["fall"]

    def deep_db(begin_s: float) -> float:
        piece = second(stem, begin_s)
        return band_level_db(piece, RATE_HZ, 30.0, 120.0) - band_level_db(piece, RATE_HZ, 120.0, 4000.0)

    assert deep_db(3.5) < deep_db(0.0) - 15.0
    side = second(0.5 * (stem[:, 0] - stem[:, 1]), 0.0, 3.0)
    assert (
        band_level_db(side, RATE_HZ, 30.0, 115.0)
        < band_level_db(stem[: len(side)], RATE_HZ, 30.0, 115.0) - 25.0
    )
