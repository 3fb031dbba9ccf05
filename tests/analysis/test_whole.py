"""Measures of whole pieces, each on sound whose answer is known beforehand."""

import numpy as np
import pytest

from resonance.analysis import whole
from resonance.tuning import Tuning

RATE_HZ = 16_000


def sine(frequency_hz: float, seconds: float) -> np.ndarray:
    return 0.1 * np.sin(2.0 * np.pi * frequency_hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)


def noise(seconds: float, seed: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ))


def test_noise_is_wide_and_a_sine_is_narrow() -> None:
    # Frequencies spread evenly from 0 to half the rate deviate by its root of 12th part.
    assert whole.bandwidth_hz(noise(2.0), RATE_HZ) == pytest.approx(8000.0 / np.sqrt(12.0), rel=0.03)
    assert whole.bandwidth_hz(sine(1000.0, 2.0), RATE_HZ) < 100.0
    assert whole.bandwidth_hz(np.zeros(RATE_HZ), RATE_HZ) == 0.0


def test_energy_on_the_degrees_is_pure() -> None:
    tuning = Tuning()
    on, off = sine(tuning.hz(4, 2), 2.0), sine(tuning.hz(4, 2) * 2.0 ** (40.0 / 1200.0), 2.0)
    assert whole.pure_share(on, RATE_HZ, tuning) == pytest.approx(1.0, abs=0.01)
    assert whole.pure_share(off, RATE_HZ, tuning) == pytest.approx(0.0, abs=0.01)
    assert whole.pure_share(on + off, RATE_HZ, tuning) == pytest.approx(0.5, abs=0.05)
    assert np.isnan(whole.pure_share(np.zeros(RATE_HZ), RATE_HZ, tuning))


def test_timbres_are_told_apart() -> None:
    def some(seed: int) -> list[tuple[str, np.ndarray]]:
        chord = sine(220.0 + seed, 2.0) + sine(330.0, 2.0) + 0.01 * noise(2.0, seed)
        named = [("hiss", noise(2.0, seed)), ("chord", chord), ("hum", sine(60.0 + seed, 2.0))]
        return [(name, whole.mfcc(sound, RATE_HZ)) for name, sound in named]

    named = whole.told_apart(some(1) + some(2), some(3))
    assert [name for name, _ in named] == [called for _, called in named]


def test_what_comes_back_is_found_and_what_does_not_is_not() -> None:
    new, again = noise(30.0), noise(30.0)
    again[20 * RATE_HZ : 25 * RATE_HZ] = again[3 * RATE_HZ : 8 * RATE_HZ] + noise(5.0, 2) * 0.1
    assert whole.repetition(new, RATE_HZ)[0] < 0.1
    alike, one_s, other_s = whole.repetition(again, RATE_HZ)
    assert alike > 0.98
    assert abs(abs(other_s - one_s) - 17.0) < 0.01


def test_a_tone_stands_out_for_as_long_as_it_lasts() -> None:
    sound = noise(12.0)
    sound[2 * RATE_HZ : 9 * RATE_HZ] += 4.0 * sine(1000.0, 7.0)
    assert whole.standing_s(sound, RATE_HZ) == (7.0, 2.0, pytest.approx(1000.0, rel=0.01))
    assert whole.standing_s(noise(5.0), RATE_HZ)[0] == 0.0
