"""Row 15: a woman made of liquid moonlight, her eyes twin eclipses."""

import numpy as np
import pytest
from listening import alone, listen
from scipy.signal import butter, find_peaks, hilbert, sosfiltfilt

from resonance.analysis.measures import formant_peaks_hz, partials, rms_db
from resonance.tuning import Tuning

RATE = 48_000
ARC = "valence = [0.5, 0.7]\nenergy = 0.2\ntension = [0.3, 0.15]\nbpm = 54"
seeds = pytest.mark.parametrize("seed", [1, 7])


def moonlight(seed):
    return listen(alone("moonlight", seconds=32, arc=ARC), seed)


@seeds
def test_vowels_are_sung_in_most_frames(seed):
    stem = moonlight(seed).stems["moonlight"]
    frames = [stem[at : at + RATE // 2] for at in range(RATE, len(stem) - RATE // 2, RATE)]
    sung = 0
    for frame in frames:
        peaks = formant_peaks_hz(frame, RATE, pitch_hz=220.0)
        # First and second formants of the vowels of women: Peterson & Barney 1952, table II.
        sung += len(peaks) >= 2 and 250.0 < peaks[0] < 1000.0 and 600.0 < peaks[1] < 2900.0
    assert sung >= 0.5 * len(frames)


@seeds
def test_the_two_eyes_beat_slower_up_to_a_stop_and_then_faster(seed):
    stem = moonlight(seed).stems["moonlight"].mean(axis=1)
    near = sosfiltfilt(butter(3, [1735.0, 1785.0], "bandpass", fs=RATE, output="sos"), stem)
    levels_db = 20.0 * np.log10(np.abs(hilbert(near))[::480] + 1e-9)
    beats_s = find_peaks(-levels_db, prominence=5.0)[0] / 100.0
    between_s = np.diff(beats_s)
    stop = int(np.argmax(between_s))
    assert between_s[stop] > 5.0
    assert stop >= 5
    assert len(between_s) >= stop + 5
    assert np.all(np.diff(between_s[stop - 5 : stop]) > 0.0)
    assert np.all(np.diff(between_s[stop + 1 : stop + 5]) < 0.0)
    # A stop is one pitch, not an absence: the eyes stay open through it.
    during = levels_db[round(100 * beats_s[stop]) + 150 : round(100 * beats_s[stop + 1]) - 150]
    assert during.min() > np.median(levels_db) - 6.0


@seeds
def test_the_theme_is_sung_turned_over(seed):
    heard = moonlight(seed)
    tones = [event for event in heard.events if event.rule == "theme"][:5]
    assert [event.detail["place"] for event in tones] == [5, 4, 3, 2, 1]
    tuning = Tuning()
    assert [tuning.nearest(event.pitch_hz) % 7 for event in tones] == [5, 4, 2, 1, 0]
    begins_s = [heard.time_s(event) for event in tones]
    assert np.all(np.diff(begins_s) > 2.0)
    for event, at_s in zip(tones, begins_s, strict=True):
        span = heard.stems["moonlight"][round((at_s + 0.8) * RATE) : round((at_s + 2.8) * RATE)]
        # Tones of the choir's own chord may be stronger; the sung one is among the strongest near it.
        found_hz, _ = partials(span, RATE, 4, event.pitch_hz * 0.97, event.pitch_hz * 1.03)
        assert np.abs(1200.0 * np.log2(found_hz / event.pitch_hz)).min() < 15.0


def test_energy_lifts_her():
    quiet, loud = (
        rms_db(listen(alone("moonlight", seconds=5, arc=f"energy = {energy}")).stems["moonlight"][RATE:])
        for energy in (0.2, 0.8)
    )
    assert loud > quiet + 4.0
