"""Row 20: the seed bursts into flame."""

import numpy as np
import pytest
from listening import alone, listen
from scipy import stats

from resonance.analysis.measures import envelope_db, rms_db

ARC = "valence = [0.70, 0.90]\nenergy = [0.30, 0.60]\ntension = 0.30\nbpm = [58, 70]"


def heard(seed):
    return listen(alone("fire", seconds=22.0, arc=ARC), seed, only=("fire",))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_flare_rises_over_20_db_in_under_half_a_second(seed):
    seen = heard(seed)
    (flare,) = seen.of("fire", "flare")
    level_db = envelope_db(seen.stems["fire"], seen.rate_hz, 0.05)
    at = int(seen.time_s(flare) / 0.05)
    glow_db = level_db[max(0, at - 6) : at - 1].max()
    assert glow_db > -80.0, "it glows before it catches"
    assert level_db[at : at + 10].max() - glow_db > 20.0
    assert level_db[at : at + 40].max() - np.median(level_db[at + 100 :]) > 5.0, "it stands over the burning"


@pytest.mark.parametrize("seed", [1, 2])
def test_intervals_of_snaps_pass_for_exponential(seed):
    seen = heard(seed)
    snaps_s = np.array([seen.time_s(event) for event in seen.of("fire", "snap")])
    assert len(snaps_s) > 120
    intervals_s = np.diff(snaps_s)
    assert stats.kstest(intervals_s, "expon", args=(0.0, intervals_s.mean())).pvalue > 0.05
    assert 0.85 < intervals_s.std() / intervals_s.mean() < 1.15


def test_snaps_are_heard_over_the_flames():
    seen = heard(1)
    mono = seen.stems["fire"].mean(axis=1).astype(float)
    level = np.sqrt(np.convolve(mono**2, np.ones(96) / 96, "same"))  # 2 ms
    loudest = sorted(seen.of("fire", "snap"), key=lambda event: event.level_db)[-15:]
    rises = []
    for event in loudest:
        at = int(seen.time_s(event) * seen.rate_hz)
        if at + 480 < len(level):
            rises.append(level[at : at + 480].max() / np.median(level[at - 4800 : at]))
    assert np.median(rises) > 3.0


def test_more_energy_is_louder_and_crackles_more():
    quiet, loud = (
        listen(alone("fire", seconds=6.0, arc=f"energy = {energy}"), 1, only=("fire",))
        for energy in (0.2, 0.8)
    )
    late = slice(4 * 48_000, None)
    assert rms_db(loud.stems["fire"][late]) > rms_db(quiet.stems["fire"][late]) + 3.0
    assert len(loud.of("fire", "snap")) >= len(quiet.of("fire", "snap"))
