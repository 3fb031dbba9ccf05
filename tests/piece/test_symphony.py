"""Row 23: crystals igniting into a symphony of colour."""

import numpy as np
import pytest
from listening import alone, listen
from scipy import stats

from resonance.analysis.measures import partials, rms_db

ROOT_HZ = 55.0
ARC = "valence = [0.90, 1.0]\nenergy = [0.60, 0.85]\ntension = [0.30, 0.20]\nbpm = [70, 84]"
TREE = "tree = { growth = [0, 1] }"


def heard(seed):
    fields = "chorus = [[0, 0], [0.12, 0.04], [0.76, 1], [1, 1]]"
    return listen(
        alone("symphony", seconds=45.0, arc=ARC, fields=fields, more=TREE), seed, only=("symphony",)
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_24_voices_on_multiples_of_the_root_sound_together(seed):
    seen = heard(seed)
    found_hz, _ = partials(seen.stems["symphony"][-5 * 48_000 :], seen.rate_hz, 300, high_hz=12_000.0)
    entered = {event.detail["harmonic"] for event in seen.of("symphony", "voice")}
    assert len(entered) >= 24
    sounding = {k for k in entered if (np.abs(1200.0 * np.log2(found_hz / (k * ROOT_HZ))) < 6.0).any()}
    assert len(sounding) >= 24


@pytest.mark.parametrize("seed", [1, 2])
def test_entries_are_ordered_in_pitch(seed):
    events = [event for event in heard(seed).of("symphony") if event.pitch_hz]
    for some in (events, [event for event in events if event.kind == "voice"]):
        rho = stats.spearmanr([e.frame for e in some], [e.pitch_hz for e in some]).statistic
        assert abs(rho) > 0.7


@pytest.mark.parametrize("seed", [1, 2])
def test_voices_enter_one_by_one_and_are_heard_to(seed):
    seen = heard(seed)
    frames = [event.frame for event in seen.of("symphony", "voice")]
    assert np.diff(frames).min() > 0.3 * 48_000
    # 15 times the root is no tone of the theme, and no overtone of the voices that enter before it.
    (event,) = [event for event in seen.of("symphony", "voice") if event.detail["harmonic"] == 15]
    mono = seen.stems["symphony"].mean(axis=1)
    turn = np.exp(-2j * np.pi * event.pitch_hz * np.arange(48_000) / seen.rate_hz) * np.blackman(48_000)
    at = int(seen.time_s(event) * seen.rate_hz)
    before, struck, sung = (abs(mono[s : s + 48_000] @ turn) for s in (at - 96_000, at, at + 10 * 48_000))
    assert struck > 5.0 * before
    assert sung > 5.0 * before


@pytest.mark.parametrize("seed", [1, 2])
def test_the_theme_goes_round_in_canon(seed):
    seen = heard(seed)
    tones = [event for event in seen.of("symphony") if event.rule == "theme"]
    assert {event.detail["place"] for event in tones} == {1, 2, 3, 4, 5}
    answers = [event for event in tones if event.follows is not None]
    assert len(answers) >= 15
    for answer in answers:
        assert answer.follows.detail["place"] == answer.detail["place"]
        octaves = np.log2(answer.pitch_hz / answer.follows.pitch_hz)
        assert abs(octaves - round(octaves)) < 1e-9
        assert answer.frame - answer.follows.frame > 0.5 * 48_000


@pytest.mark.parametrize("seed", [1, 2])
def test_the_octave_answers_the_trees_and_is_found_nowhere_else(seed):
    seen = heard(seed)
    reached = [e for e in seen.events if e.rule == "theme" and e.detail["place"] == 6]
    assert [event.sound for event in reached] == ["tree"]
    octaves = seen.of("symphony", "octave")
    assert octaves
    assert all(event.follows is reached[0] and event.frame == reached[0].frame for event in octaves)
    assert all(event.frame <= reached[0].frame + 12 * 48_000 for event in seen.of("symphony", "tone"))


def test_it_grows_and_never_clips():
    stem = heard(1).stems["symphony"]
    assert rms_db(stem[-10 * 48_000 :]) > rms_db(stem[: 10 * 48_000]) + 1.0
    assert np.abs(stem).max() < 0.8
