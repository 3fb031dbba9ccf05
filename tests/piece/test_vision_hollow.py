"""Row 18: the summit empty, a hollow victory."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import band_t60_s, partials, pitch_track, rms_db
from resonance.generate import theme
from resonance.tuning import Tuning

RATE = 48_000
ARC = "valence = 0.25\nenergy = 0.12\ntension = 0.4\nbpm = 54"
WHOLE = [*theme.CLIMB, theme.OCTAVE]
seeds = pytest.mark.parametrize("seed", [1, 7])


def hollow(seed):
    return listen(alone("vision_hollow", seconds=34, arc=ARC), seed, end_s=30.0)


@seeds
def test_the_theme_is_whole_and_told_in_time(seed):
    heard = hollow(seed)
    tones = [event for event in heard.events if event.rule == "theme"]
    assert [event.detail["place"] for event in tones] == [1, 2, 3, 4, 5, 6]
    assert [Tuning().nearest(event.pitch_hz) - 14 for event in tones] == WHOLE
    assert heard.time_s(tones[0]) < 3.0
    assert heard.time_s(tones[-1]) < 15.0
    # Whoever stays hears its tones, never again its octave.
    later = [event for event in heard.events if event.rule != "theme"]
    assert all(Tuning().nearest(event.pitch_hz) - 14 in theme.CLIMB for event in later)


@seeds
def test_a_pitch_tracker_finds_its_degrees_in_order(seed):
    _, found_hz = pitch_track(hollow(seed).stems["vision_hollow"][: 15 * RATE], RATE, 150.0)
    tuning = Tuning()
    order: list[int] = []
    for pitch_hz in found_hz[found_hz > 0.0]:
        degree = tuning.nearest(pitch_hz)
        if abs(1200.0 * np.log2(pitch_hz / tuning.hz(degree))) < 15.0 and degree - 14 not in order[-1:]:
            order.append(degree - 14)
    assert order == WHOLE


@seeds
def test_only_odd_partials(seed):
    heard = hollow(seed)
    for event in [event for event in heard.events if event.rule == "theme"]:
        at_s = heard.time_s(event)
        span = heard.stems["vision_hollow"][round((at_s + 0.2) * RATE) : round((at_s + 1.8) * RATE)]
        found_hz, levels_db = partials(span, RATE, 80)

        def level(k, found_hz=found_hz, levels_db=levels_db, event=event):
            near = np.abs(found_hz - k * event.pitch_hz) < 0.03 * event.pitch_hz
            return float(levels_db[near].max()) if near.any() else -140.0

        odd, even = [level(k) for k in (3, 5, 7)], [level(k) for k in (2, 4, 6)]
        assert min(odd) > level(1) - 45.0
        assert max(even) < np.mean(odd) - 25.0
        assert 10.0 * np.log10(sum(10.0 ** (e / 10.0) for e in even)) < level(1) - 40.0


@seeds
def test_its_place_rings_for_longer_than_eight_seconds(seed):
    heard = hollow(seed)
    last = max(heard.time_s(event) for event in heard.events if event.rule == "theme")
    tail = heard.space[round((last + 4.5) * RATE) : round((last + 12.0) * RATE)]
    assert band_t60_s(tail, RATE, 500.0, -1.0, -12.0) > 8.0
    assert rms_db(tail) > -60.0


def test_it_does_not_begin_before_it_is_seen():
    away = listen(alone("vision_hollow", seconds=4, arc=ARC, fields="clarity = 0"))
    assert not away.events
