"""Dream map, row 8: a far, high-passed suspended chord, mostly reverberation."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import band_level_db, envelope_db, partials, rms_db
from resonance.tuning import Tuning

BASE = "valence = [0.55, 0.65]\nenergy = [0.10, 0.30]\ntension = 0.2\nbpm = 54"
ASCENT = "valence = [0.70, 0.90]\nenergy = [0.35, 0.60]\ntension = [0.20, 0.25]\nbpm = [56, 66]"


def heard(arc: str, seed: int, fields: str = ""):
    return listen(alone("city", seconds=9.0, arc=arc, fields=fields), seed, only=("city",))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arc", [BASE, ASCENT])
def test_it_is_far_and_mostly_reverberation(arc, seed):
    city = heard(arc, seed)
    rung = slice(round(2.0 * city.rate_hz), None)
    assert rms_db(city.stems["city"][rung]) <= rms_db(city.space[rung]) - 14.0
    assert (envelope_db(city.mix[rung], city.rate_hz) > -60.0).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_high_passed(seed):
    stem = heard(ASCENT, seed).stems["city"]
    assert band_level_db(stem, 48_000.0, 20.0, 250.0) < rms_db(stem) - 40.0


@pytest.mark.parametrize("seed", [1, 2])
def test_its_chord_is_the_themes_first_two_tones_and_the_fifth(seed):
    stem = heard(ASCENT, seed, "halo = 0").stems["city"]
    frequencies_hz, levels_db = partials(stem, 48_000.0, 40)
    strong = frequencies_hz[levels_db > levels_db[0] - 30.0]
    chord = np.array([Tuning().hz(degree, octave) for octave in (3, 4, 5, 6) for degree in (0, 1, 4)])
    off_cents = 1200.0 * np.abs(np.log2(strong[:, None] / chord)).min(axis=1)
    assert (off_cents < 8.0).all()
    for first in range(3):
        tones = chord[first::3]
        assert (1200.0 * np.abs(np.log2(strong[:, None] / tones)).min(axis=1) < 8.0).any()


def test_energy_brings_it_nearer():
    low = rms_db(heard(BASE, 1).stems["city"])
    high = rms_db(heard(ASCENT, 1).stems["city"])
    assert high > low + 2.0
