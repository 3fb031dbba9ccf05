import numpy as np
import pytest
from laid_on import RATE_HZ, laid_on, noise, tone

from resonance.analysis.measures import clicks, pitch_track, rms_db, stereo_correlation
from resonance.contract import Setting
from resonance.dsp import GRID_FRAMES
from resonance.effects.collapse import Collapse, CollapsePatch
from resonance.tuning import Tuning

SECONDS = 12
STEPS = round(SECONDS * RATE_HZ / GRID_FRAMES)
TIME_S = np.arange(STEPS * GRID_FRAMES) / RATE_HZ
BORDERS_S = np.linspace(0.0, SECONDS, STEPS + 1)
SINKS = np.interp(BORDERS_S, [0, 1, 6, 8, 9.5], [0, 0, 1, 1, 0])


def collapsed(x: np.ndarray, weight: np.ndarray, cuts=(128,), **fields: float) -> np.ndarray:
    """`x` under a weight, rendered in spans of `cuts` steps, in turn."""
    effect = Collapse(CollapsePatch(), Setting("collapse", RATE_HZ, 1, Tuning()))
    return laid_on(x, effect, CollapsePatch, {"weight": weight}, cuts, fields)


def between(y: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return y[:, round(start_s * RATE_HZ) : round(end_s * RATE_HZ)].T


def test_without_weight_nothing_is_touched_to_the_bit():
    x = noise(1, STEPS)
    assert np.array_equal(collapsed(x, np.zeros(STEPS + 1)), x)
    y = collapsed(x, SINKS)
    before, after = round(0.99 * RATE_HZ), round(9.51 * RATE_HZ)
    assert np.array_equal(y[:, :before], x[:, :before])
    assert np.array_equal(y[:, after:], x[:, after:])


@pytest.mark.parametrize("cuts", [(1,), (3, 50, 7)])
@pytest.mark.parametrize(
    "points",
    [
        ([0, 1, 6, 8, 9.5], [0, 0, 1, 1, 0]),
        ([0, 1, 3, 4, 5, 6, 7, 9], [0, 0.6, 0.3, 0.8, 0.0, 0.0, 0.9, 0.0]),
        ([0, 2, 2.02, 4, 4.003, 9], [0.004, 0.004, 0, 0, 1, 1]),
    ],
)  # fmt: skip
def test_it_does_not_depend_on_how_time_is_cut(cuts, points):
    x, weight = noise(2, STEPS), np.interp(BORDERS_S, *points)
    assert np.array_equal(collapsed(x, weight, cuts), collapsed(x, weight))


def test_the_fall_of_two_stems_is_the_fall_of_their_sum():
    first, second = noise(3, STEPS), 3.0 * tone(400.0, STEPS)
    apart = collapsed(first, SINKS) + collapsed(second, SINKS)
    assert np.abs(apart - collapsed(first + second, SINKS)).max() < 2e-6


def test_pitch_sinks_as_far_as_it_says():
    held = np.interp(BORDERS_S, [0, 0.5, 5, 12], [0, 0, 1, 1])
    y = collapsed(tone(880.0, STEPS), held, fall_st=24.0, floor_db=0.0)
    for second, semitones in ((0.3, 0.0), (2.75, -12.0), (7.0, -24.0)):
        _, pitch_hz = pitch_track(between(y, second - 0.1, second + 0.1), RATE_HZ)
        assert np.nanmedian(pitch_hz) == pytest.approx(880.0 * 2.0 ** (semitones / 12.0), rel=0.01)


def test_time_slows_with_it():
    clicking = np.zeros((2, STEPS * GRID_FRAMES), np.float32)
    clicking[:, :: round(0.1 * RATE_HZ)] = 1.0
    held = np.interp(BORDERS_S, [0, 0.5, 4, 12], [0, 0, 1, 1])
    y = np.abs(collapsed(clicking, held, fall_st=24.0, floor_db=0.0)[0])
    at_s = np.flatnonzero((y > 0.2) & (y >= np.roll(y, 1)) & (y > np.roll(y, -1))) / RATE_HZ
    assert np.diff(at_s[(at_s > 6.0) & (at_s < 9.0)]) == pytest.approx(0.4, rel=0.01)


def test_it_sinks_into_near_silence_and_into_one_point():
    y = collapsed(noise(5, STEPS), SINKS)
    assert rms_db(between(y, 6.2, 8.0)) < rms_db(between(y, 0.0, 1.0)) - 40.0
    assert stereo_correlation(between(y, 0.0, 1.0)) < 0.1
    assert stereo_correlation(between(y, 6.2, 8.0)) > 0.99


def test_neither_the_fall_nor_its_end_clicks():
    assert not len(clicks(collapsed(tone(440.0, STEPS), SINKS).T, RATE_HZ))
    broken_off = np.interp(BORDERS_S, [0, 1, 3, 4, 6, 7], [0, 0, 0.5, 0.2, 0.7, 0])
    assert not len(clicks(collapsed(tone(440.0, STEPS), broken_off).T, RATE_HZ))


def test_what_comes_after_is_heard_at_its_own_pitch():
    back = np.interp(BORDERS_S, [0, 1, 5, 6, 9], [0, 0, 1, 1, 0])
    _, pitch_hz = pitch_track(between(collapsed(tone(440.0, STEPS), back), 7.0, 10.0), RATE_HZ)
    assert np.nanmax(np.abs(1200.0 * np.log2(pitch_hz / 440.0))) < 3.0


def test_what_falls_too_long_is_gone_and_nothing_breaks():
    y = collapsed(noise(6, STEPS), np.ones(STEPS + 1), fall_st=60.0)
    assert np.isfinite(y).all()
    assert rms_db(between(y, 1.0, 12.0)) < -60.0
