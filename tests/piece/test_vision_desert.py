"""Row 17: adrift in a desert of regrets."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import band_level_db, cents_off_degrees, pitch_track, rms_db
from resonance.tuning import Tuning

RATE = 48_000
ARC = "valence = 0.15\nenergy = 0.2\ntension = 0.5\nbpm = 54"
seeds = pytest.mark.parametrize("seed", [1, 7])


def desert(seed):
    return listen(alone("vision_desert", seconds=20, arc=ARC), seed)


@seeds
def test_there_is_no_ground(seed):
    base = listen(alone("drone", seconds=8, arc="valence = 0.6\nenergy = 0.2\ntension = 0.2"), seed)
    under = band_level_db(base.stems["drone"][RATE:], RATE, 20.0, 120.0)
    assert band_level_db(desert(seed).stems["vision_desert"], RATE, 20.0, 120.0) < under - 20.0


@seeds
def test_no_wall_answers(seed):
    heard = desert(seed)
    assert rms_db(heard.space) < rms_db(heard.stems["vision_desert"]) - 30.0


@seeds
def test_two_tones_of_the_theme_and_then_wind(seed):
    heard = desert(seed)
    phrases = heard.of("vision_desert", "phrase")
    assert len(phrases) >= 2
    assert heard.time_s(phrases[0]) < 3.0
    for phrase in [phrase for phrase in phrases if heard.time_s(phrase) < 16.0]:
        places = [e.detail["place"] for e in heard.events if e.rule == "theme" and e.follows is phrase]
        assert len(places) == 2
        assert places[1] == places[0] + 1


def level_of_voice(stem, begin_s, pitch_hz):
    """The strongest of the voice's first three harmonics, for 0.3 s."""
    part = stem[round(begin_s * RATE) : round((begin_s + 0.3) * RATE)]
    return max(band_level_db(part, RATE, k * pitch_hz - 12.0, k * pitch_hz + 12.0) for k in (1, 2, 3))


@seeds
def test_the_voice_sings_in_tune_and_breaks_off(seed):
    heard = listen(alone("vision_desert", seconds=12, arc=ARC, fields="wind_db = -120"), seed)
    stem = heard.stems["vision_desert"]
    phrase = heard.of("vision_desert", "phrase")[0]
    for tone in [event for event in heard.events if event.follows is phrase]:
        begin_s = heard.time_s(tone)
        _, found_hz = pitch_track(stem[round((begin_s + 0.3) * RATE) : round((begin_s + 0.5) * RATE)], RATE)
        assert np.nanmax(np.abs(cents_off_degrees(found_hz, Tuning()))) < 30.0
        assert abs(np.nanmedian(cents_off_degrees(found_hz, Tuning()))) < 15.0
    end_s = begin_s + tone.duration_s
    sung_db = level_of_voice(stem, end_s - 0.42, tone.pitch_hz)
    assert level_of_voice(stem, end_s, tone.pitch_hz) < sung_db - 12.0


@seeds
def test_the_voice_is_heard_through_the_wind(seed):
    heard = desert(seed)
    stem = heard.stems["vision_desert"]
    first = heard.of("vision_desert", "tone")[0]
    begin_s = heard.time_s(first)
    sung_db = level_of_voice(stem, begin_s + 0.8, first.pitch_hz)
    assert sung_db > level_of_voice(stem, begin_s - 0.4, first.pitch_hz) + 6.0


def test_wind_rises_with_energy_and_is_gone_without_clarity():
    quiet, loud = (
        rms_db(listen(alone("vision_desert", seconds=6, arc=f"energy = {e}")).stems["vision_desert"])
        for e in (0.1, 0.7)
    )
    assert loud > quiet + 4.0
    away = listen(alone("vision_desert", seconds=4, arc=ARC, fields="clarity = 0"))
    assert not np.any(away.stems["vision_desert"])
    assert not away.events
