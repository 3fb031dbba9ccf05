"""Dream map, row 24: resonant noise cut by fast sharp gates that sweep past."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import envelope_db

AGONY = "valence = [0.40, 0.15]\nenergy = [0.75, 1.0]\ntension = [0.80, 1.0]\nbpm = [88, 96]"
RATE_HZ = 48_000.0


def wind(seed: int, fields: str = "", seconds: float = 14.0):
    return listen(alone("wind", seconds=seconds, arc=AGONY, fields=fields), seed, only=("wind",))


def apart(heard, quiet_s: float = 0.35):
    """The blades that no other blade touches."""
    blades = sorted(heard.of("wind", "blade"), key=lambda blade: blade.frame)
    begins = np.array([heard.time_s(blade) for blade in blades])
    ends = begins + [blade.duration_s for blade in blades]
    return [
        blade
        for i, blade in enumerate(blades)
        if (i == 0 or begins[i] - ends[:i].max() > 0.02)
        and (i + 1 == len(blades) or begins[i + 1] - ends[i] > 0.02)
        and ends[i] < len(heard.mix) / RATE_HZ - quiet_s
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_there_are_blades_enough_for_twenty_in_agony(seed):
    blades = wind(seed, "howl = 0").of("wind", "blade")
    assert len(blades) * 70.0 / 14.0 > 60
    assert all(blade.rule == "gate" for blade in blades)


@pytest.mark.parametrize("seed", [1, 2])
def test_gates_open_within_ten_milliseconds(seed):
    """From a tenth to nine tenths of what the level comes to in the first 30 ms."""
    heard = wind(seed, "howl = 0, blades_hz = 1.8, sharpness = 0, pitch_hz = 2000", 24.0)
    rises_s = []
    for blade in apart(heard):
        at = blade.frame
        power = (heard.stems["wind"][at : at + round(0.03 * RATE_HZ)].astype(float) ** 2).sum(axis=1)
        level = np.sqrt(np.convolve(power, np.ones(48) / 48, "same"))
        top = np.median(level[-960:])
        first, last = np.argmax(level > 0.1 * top), np.argmax(level > 0.9 * top)
        rises_s.append((last - first) / RATE_HZ)
    assert len(rises_s) >= 5
    assert np.median(rises_s) < 0.010
    assert max(blade.detail["rise_s"] for blade in heard.of("wind", "blade")) < 0.010


@pytest.mark.parametrize("seed", [1, 2])
def test_a_narrow_and_low_blade_cuts_as_fast(seed):
    """As the dream has them: most come to half of all they come to within 10 ms, from nothing."""
    heard = wind(seed, "howl = 0, blades_hz = 1.8, sharpness = 0.5, pitch_hz = 700", 24.0)
    rises_s = []
    for blade in apart(heard):
        at = blade.frame
        power = (heard.stems["wind"][at : at + round(0.1 * RATE_HZ)].astype(float) ** 2).sum(axis=1)
        level = np.sqrt(np.convolve(power, np.ones(96) / 96, "same"))
        rises_s.append(np.argmax(level > 0.5 * level.max()) / RATE_HZ)
    assert len(rises_s) >= 5
    assert np.median(rises_s) < 0.010


@pytest.mark.parametrize("seed", [1, 2])
def test_its_bands_are_narrow(seed):
    """Every blade's strongest band, averaged over what it sweeps, is a tenth of its pitch wide at most."""
    heard = wind(seed, "howl = 0, blades_hz = 2")
    quality = []
    for blade in apart(heard):
        at, length = blade.frame, round(blade.duration_s * RATE_HZ)
        sound = heard.stems["wind"][at : at + length].astype(float)
        power = (np.abs(np.fft.rfft(sound * np.hanning(length)[:, None], 1 << 16, axis=0)) ** 2).sum(axis=1)
        frequencies_hz = np.fft.rfftfreq(1 << 16, 1.0 / RATE_HZ)
        inside = np.abs(np.log2(np.maximum(frequencies_hz, 1.0) / blade.pitch_hz)) < 0.3
        share = power[inside] / power[inside].sum()
        centre = np.sum(share * frequencies_hz[inside])
        spread = np.sqrt(np.sum(share * (frequencies_hz[inside] - centre) ** 2))
        # A band whose power falls as a bell's is 2.35 of its standard deviations wide at half its height.
        quality.append(centre / (2.355 * spread))
    assert len(quality) >= 5
    assert np.median(quality) > 10.0


@pytest.mark.parametrize("seed", [1, 2])
def test_blades_sweep_from_side_to_side(seed):
    heard = wind(seed)
    stem = heard.stems["wind"]
    left, right = (envelope_db(stem[:, side], RATE_HZ) for side in range(2))
    left, right = 10.0 ** (left / 20.0), 10.0 ** (right / 20.0)
    pan = (right - left) / (right + left)
    assert pan.max() - pan.min() > 0.6
    crossing = [blade for blade in heard.of("wind", "blade") if blade.detail["from"] * blade.detail["to"] < 0]
    assert len(crossing) == len(heard.of("wind", "blade"))


def test_without_tension_there_are_no_blades_only_wind():
    text = alone("wind", seconds=4.0, arc="energy = 0.6\ntension = 0.2")
    heard = listen(text, 1, only=("wind",))
    assert not heard.of("wind", "blade")
    assert heard.stems["wind"].any()
