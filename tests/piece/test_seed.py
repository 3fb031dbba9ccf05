"""Row 16: a seed, black as obsidian, humming with potential."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import partials, rms_db

RATE = 48_000
ARC = "valence = 0.8\nenergy = 0.4\ntension = 0.3"
seeds = pytest.mark.parametrize("seed", [1, 7])


def growing(seed):
    return listen(alone("seed", seconds=24, arc=ARC, fields="potential = [0, 1]"), seed)


def harmonics_heard(span) -> int:
    """How many multiples of 110 Hz lie within 40 dB of the strongest, and over -60 dBFS."""
    found_hz, levels_db = partials(span, RATE, 80, 80.0, 5000.0)
    order = found_hz / 110.0
    near = np.abs(1200.0 * np.log2(order / np.maximum(np.round(order), 1.0))) < 12.0
    heard = near & (levels_db > max(-60.0, levels_db.max() - 40.0))
    return len(set(np.round(order[heard])))


@seeds
def test_harmonics_are_added_one_by_one(seed):
    stem = growing(seed).stems["seed"]
    counts = [
        harmonics_heard(stem[at : at + 3 * RATE]) for at in range(0, len(stem) - 3 * RATE + 1, 3 * RATE)
    ]
    assert np.all(np.diff(counts) > 0)
    assert counts[-1] >= counts[0] + 8


@seeds
def test_it_is_small_close_and_dry(seed):
    heard = growing(seed)
    assert rms_db(heard.space) < rms_db(heard.stems["seed"]) - 40.0
    around = listen(alone("moonlight", seconds=8, arc=ARC), seed)
    assert rms_db(around.space) > rms_db(around.stems["moonlight"]) - 20.0


@seeds
def test_no_harmonic_goes_out_while_it_waits(seed):
    stem = listen(alone("seed", seconds=20, arc=ARC, fields="potential = 0, throb = 0"), seed).stems["seed"]
    levels_db = [float(rms_db(stem[at : at + RATE // 10])) for at in range(RATE, len(stem), RATE // 10)]
    assert 1.0 < max(levels_db) - min(levels_db) < 20.0
