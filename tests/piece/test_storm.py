"""Row 28 of the dream map: a storm of light and shadow, chaos and clarity."""

import numpy as np
import pytest
from listening import Heard, alone, listen

from resonance.analysis.measures import band_level_db, centroids_hz, dip_pvalue, rms_db, stereo_correlation

MIRROR = "valence = [0.2, 0.8, 0.3, 0.75, 0.4]\nenergy = [0.45, 0.8]\ntension = [0.6, 0.8]"


def storm(seed: int) -> Heard:
    return listen(alone("storm", seconds=50.0, arc=MIRROR), seed, only=("storm",))


@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_either_bright_or_dark(seed: int) -> None:
    brightness = centroids_hz(storm(seed).stems["storm"], 48_000.0)[::2]
    assert dip_pvalue(brightness[np.isfinite(brightness)], draws=200) < 0.05


@pytest.mark.parametrize("seed", [1, 2])
def test_it_switches_when_no_one_can_say(seed: int) -> None:
    """As heard: where brightness crosses the middle between its two heaps, for a quarter second or longer."""
    heard = storm(seed)
    brightness = np.log(centroids_hz(heard.stems["storm"], heard.rate_hz, 0.085))
    low, high = np.quantile(brightness, [0.1, 0.9])
    bright = np.convolve(brightness > 0.5 * (low + high), np.ones(7) / 7.0, "same") > 0.5
    switches_s = np.flatnonzero(np.diff(bright)) * 0.5 * 4096 / heard.rate_hz
    gaps_s = np.diff(switches_s)
    assert len(switches_s) >= 5
    assert gaps_s.std() / gaps_s.mean() > 0.35
    told_s = [heard.time_s(event) for event in heard.of("storm", "light", "shadow")]
    assert all(min(abs(told - s) for told in told_s) < 0.6 for s in switches_s)


def test_it_is_also_both_noise_and_tone() -> None:
    """In the light alone the same band is now a few lines, now full: the peak in it over its median."""
    heard = storm(1)
    stem = heard.stems["storm"].mean(axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(stem, 16_384)[::8192] * np.hanning(16_384)
    spectra = np.abs(np.fft.rfft(frames, axis=1))[:, 300:1200]
    standing_db = 20.0 * np.log10(spectra.max(axis=1) / np.median(spectra, axis=1))
    assert np.quantile(standing_db, 0.9) - np.quantile(standing_db, 0.1) > 10.0


def test_its_lows_are_in_the_middle() -> None:
    stem = storm(1).stems["storm"]
    side = 0.5 * (stem[:, 0] - stem[:, 1])
    middle = 0.5 * (stem[:, 0] + stem[:, 1])
    assert band_level_db(side, 48_000.0, 20.0, 90.0) < band_level_db(middle, 48_000.0, 20.0, 90.0) - 12.0
    assert stereo_correlation(stem) < 0.9


def test_energy_is_its_force() -> None:
    def level_db(energy: float) -> float:
        text = alone("storm", seconds=6.0, arc=f"energy = {energy}\ntension = 0.6")
        return rms_db(listen(text, 1, only=("storm",)).stems["storm"])

    assert level_db(0.8) > level_db(0.3) + 4.0
