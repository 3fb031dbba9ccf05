"""Row 21: a tree of living gold; and what becomes of the theme in it."""

import numpy as np
import pytest
from listening import alone, listen
from scipy import stats

from resonance.analysis.measures import partials, rms_db

ARC = "valence = [0.90, 1.0]\nenergy = [0.60, 0.85]\ntension = [0.30, 0.20]\nbpm = [70, 84]"


def heard(seed):
    return listen(alone("tree", seconds=60.0, arc=ARC, fields="growth = [0, 1]"), seed, only=("tree",))


def statements(seen):
    """The theme's places, statement by statement."""
    told = []
    for event in seen.of("tree"):
        if event.rule == "theme":
            if event.detail["place"] == 1:
                told.append([])
            told[-1].append(event)
    return told


@pytest.mark.parametrize("seed", [1, 2])
def test_pitches_of_onsets_rise_with_time(seed):
    seen = heard(seed)
    events = [event for event in seen.of("tree") if event.pitch_hz]
    assert len(events) > 80
    rho = stats.spearmanr([e.frame for e in events], [e.pitch_hz for e in events]).statistic
    assert rho > 0.4


@pytest.mark.parametrize("seed", [1, 2])
def test_each_branch_is_a_step_higher(seed):
    for event in heard(seed).of("tree", "bell"):
        if event.follows is not None:
            assert event.pitch_hz > event.follows.pitch_hz
            assert event.frame > event.follows.frame


@pytest.mark.parametrize("seed", [1, 2])
def test_the_theme_grows_by_a_tone_and_reaches_the_octave_once_and_holds_it(seed):
    seen = heard(seed)
    told = statements(seen)
    assert [len(statement) for statement in told] == [1, 2, 3, 4, 5, 6]
    ratios = (1, 9 / 8, 5 / 4, 3 / 2, 5 / 3, 2)
    for statement in told:
        first_hz = statement[0].pitch_hz
        assert [e.detail["place"] for e in statement] == list(range(1, len(statement) + 1))
        np.testing.assert_allclose([e.pitch_hz / first_hz for e in statement], ratios[: len(statement)])
    octave = told[-1][-1]
    begin = int(seen.time_s(octave) * seen.rate_hz)
    for after_s in (1.0, 4.0, 8.0):
        piece = seen.stems["tree"][begin + int(after_s * 48_000) :][:24_000]
        found_hz, level_db = partials(piece, seen.rate_hz, 12)
        near = np.abs(1200.0 * np.log2(found_hz / octave.pitch_hz)) < 12.0
        assert near.any(), found_hz
        assert level_db[near].max() > level_db.max() - 12.0


def test_the_root_is_withheld_from_the_bells_until_the_height():
    seen = heard(1)
    octave = statements(seen)[-1][-1]
    for event in seen.of("tree", "bell"):
        if event.frame < octave.frame - 5 * 48_000:
            assert abs(np.log2(event.pitch_hz / 55.0) % 1.0) > 0.1


def test_it_grows_to_its_height():
    stem = heard(1).stems["tree"]
    assert rms_db(stem[50 * 48_000 : 56 * 48_000]) > rms_db(stem[: 20 * 48_000]) + 3.0
    assert np.abs(stem).max() < 0.8
