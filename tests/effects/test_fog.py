import numpy as np
import pytest
from laid_on import RATE_HZ, laid_on, noise, tone

from resonance.analysis.measures import centroid_hz, clicks, pitch_track, rms_db
from resonance.contract import Setting
from resonance.dsp import GRID_FRAMES
from resonance.effects.fog import Fog, FogPatch
from resonance.tuning import Tuning

SECONDS = 6
STEPS = round(SECONDS * RATE_HZ / GRID_FRAMES)
TIME_S = np.arange(STEPS * GRID_FRAMES) / RATE_HZ
BORDERS_S = np.linspace(0.0, SECONDS, STEPS + 1)
RISING = np.interp(BORDERS_S, [0, 1, 4, 5, 5.5], [0, 0, 1, 1, 0])


def foggy(x: np.ndarray, density: np.ndarray, cuts=(128,), **fields: float) -> np.ndarray:
    """`x` under a fog that is rendered in spans of `cuts` steps, in turn."""
    effect = Fog(FogPatch(), Setting("fog", RATE_HZ, 1, Tuning()))
    return laid_on(x, effect, FogPatch, {"density": density}, cuts, fields)


def response_db(frequency_hz: float) -> float:
    """What a dense fog without reflections does to a tone."""
    x = tone(frequency_hz, STEPS)
    y = foggy(x, np.ones(STEPS + 1), thickness=0.0)
    late = slice(round(RATE_HZ), None)
    return rms_db(y[:, late].T) - rms_db(x[:, late].T)


def test_clear_air_is_clear_to_the_bit():
    x = noise(1, STEPS)
    assert np.array_equal(foggy(x, np.zeros(STEPS + 1)), x)
    y = foggy(x, RISING)
    before, after = round(0.99 * RATE_HZ), round(5.51 * RATE_HZ)
    assert np.array_equal(y[:, :before], x[:, :before])
    assert np.array_equal(y[:, after:], x[:, after:])
    assert not np.array_equal(y[:, before:after], x[:, before:after])


@pytest.mark.parametrize("cuts", [(1,), (3, 50, 7)])
def test_it_does_not_depend_on_how_time_is_cut(cuts):
    x = noise(2, STEPS)
    assert np.array_equal(foggy(x, RISING, cuts), foggy(x, RISING))


def test_the_fog_on_two_stems_is_the_fog_on_their_sum():
    first, second = noise(3, STEPS), 3.0 * tone(400.0, STEPS)
    apart = foggy(first, RISING) + foggy(second, RISING)
    assert np.abs(apart - foggy(first + second, RISING)).max() < 1e-6


def test_its_low_pass_stands_where_it_says_and_falls_by_two_poles():
    assert response_db(700.0) == pytest.approx(-3.0, abs=0.2)
    assert response_db(70.0) == pytest.approx(0.0, abs=0.1)
    assert response_db(5600.0) - response_db(2800.0) == pytest.approx(-12.0, abs=1.0)


def test_it_makes_white_noise_at_least_twice_as_dull():
    x = noise(4, STEPS)
    y = foggy(x, np.ones(STEPS + 1))
    assert centroid_hz(y.T, RATE_HZ) < 0.5 * centroid_hz(x.T, RATE_HZ)


def test_a_fog_that_comes_and_goes_does_not_click():
    assert not len(clicks(foggy(tone(440.0, STEPS), RISING).T, RATE_HZ))


def test_everything_drags_in_it():
    _, pitch_hz = pitch_track(foggy(tone(440.0, STEPS), RISING, drag_s=0.25).T, RATE_HZ)
    falling = pitch_hz[round(1.5 / 0.02) : round(3.5 / 0.02)]
    # 0.25 s more delay in 3 s is a pitch 8.3 % lower on average; the wow moves it to and fro.
    assert np.nanmean(falling) == pytest.approx(440.0 * (1.0 - 0.25 / 3.0), rel=0.02)
    steady = foggy(tone(440.0, STEPS), np.ones(STEPS + 1))
    cents = 1200.0 * np.log2(pitch_track(steady.T, RATE_HZ)[1][50:] / 440.0)
    assert 4.0 < np.nanmax(cents) - np.nanmin(cents) < 40.0


@pytest.mark.parametrize("drag_s", [0.08, 0.25])
def test_a_hand_that_pulls_it_up_or_down_bends_the_pitch_and_no_more(drag_s):
    density = np.interp(BORDERS_S, [0, 1.5, 1.52, 4, 4.02], [0.1, 0.1, 1, 1, 0.1])
    y = foggy(tone(440.0, STEPS), density, drag_s=drag_s, thickness=0.0)
    _, pitch_hz = pitch_track(y.T, RATE_HZ)
    assert 440.0 * 0.74 < np.nanmin(pitch_hz[10:]) < 440.0 * 0.85
    assert 440.0 * 1.15 < np.nanmax(pitch_hz[10:]) < 440.0 * 1.26
    assert np.array_equal(y, foggy(tone(440.0, STEPS), density, (3, 1, 50), drag_s=drag_s, thickness=0.0))


@pytest.mark.parametrize("drag_s", [0.08, 0.25])
def test_a_fog_that_is_torn_away_or_down_does_not_click(drag_s):
    density = np.interp(BORDERS_S, [0, 1, 1.02, 2.5, 2.52], [0, 0, 1, 1, 0])
    y = foggy(tone(440.0, STEPS), density, (3, 1, 50), drag_s=drag_s)
    assert not len(clicks(y.T, RATE_HZ))
    gone = round(5.0 * RATE_HZ)
    assert np.array_equal(y[:, gone:], tone(440.0, STEPS)[:, gone:])


def test_short_reflections_gather_and_draw_left_and_right_together():
    x = np.zeros((2, STEPS * GRID_FRAMES), np.float32)
    x[0, round(2.0 * RATE_HZ)] = 1.0
    y = foggy(x, np.ones(STEPS + 1), drag_s=0.0, cutoff_hz=8000.0, thickness=1.0)
    assert np.abs(y[1]).max() > 0.1
    peaks = np.abs(y).max(axis=0) > 0.05
    onsets = np.flatnonzero(peaks & ~np.concatenate(([False] * 48, peaks[:-48])))
    assert len(onsets) >= 6
    assert (onsets[-1] - onsets[0]) / RATE_HZ < 0.08


def test_what_is_in_the_middle_stays_there():
    y = foggy(tone(90.0, STEPS), RISING)
    assert np.array_equal(y[0], y[1])
