"""Row 22: the mountain roars in approval."""

import numpy as np
import pytest
from listening import alone, listen

ROOT_HZ = 55.0
ARC = "valence = [0.90, 1.0]\nenergy = [0.60, 0.85]\ntension = [0.30, 0.20]"
DRONE = "drone = { gain_db = [-1, 3], glow = 1.0, body = 0.7 }"


def harmonic_power(stem, rate_hz, low, high):
    mono = stem.mean(axis=1).astype(float)
    power = np.abs(np.fft.rfft(mono * np.hanning(len(mono)))) ** 2
    bins_hz = np.fft.rfftfreq(len(mono), 1.0 / rate_hz)
    return sum(power[np.abs(bins_hz - k * ROOT_HZ) < 12.0].sum() for k in range(low, high + 1))


def overtones_db(stem, rate_hz):
    """Harmonics 3 to 40 against 1 and 2."""
    above, below = harmonic_power(stem, rate_hz, 3, 40), harmonic_power(stem, rate_hz, 1, 2)
    return 10.0 * np.log10(above / below)


def heard(seed):
    return listen(alone("roar", seconds=24.0, arc=ARC, more=DRONE), seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_has_12_db_more_overtones_than_the_drone(seed):
    seen = heard(seed)
    assert len(seen.of("roar")) >= 2
    roar, drone = (overtones_db(seen.stems[name], seen.rate_hz) for name in ("roar", "drone"))
    assert roar > drone + 12.0


def test_saturation_makes_overtones_and_does_not_fold_back():
    # Without breath and growl all that sounds is on harmonics; what folds back from 24 kHz would be between.
    fields = "breath = 0, growl = 0, drive_db = 18, every_s = 3"
    seen = listen(alone("roar", seconds=12.0, arc="energy = 1.0\nvalence = 1.0", fields=fields), 1)
    mono = seen.stems["roar"].mean(axis=1).astype(float)
    power = np.abs(np.fft.rfft(mono * np.blackman(len(mono)))) ** 2
    bins_hz = np.fft.rfftfreq(len(mono), 1.0 / seen.rate_hz)
    high = power[bins_hz > 15_000.0].sum()
    assert 10.0 * np.log10(high / power.sum()) < -90.0
    softer = listen(
        alone("roar", seconds=12.0, arc="energy = 1.0\nvalence = 1.0", fields=fields.replace("18", "0")), 1
    )
    band = (bins_hz > 1200.0) & (bins_hz < 3000.0)
    mono = softer.stems["roar"].mean(axis=1).astype(float)
    soft = np.abs(np.fft.rfft(mono * np.blackman(len(mono)))) ** 2
    assert power[band].sum() / power.sum() > 4.0 * soft[band].sum() / soft.sum()


def test_nothing_low_is_wide():
    stem = heard(1).stems["roar"].astype(float)
    bins_hz = np.fft.rfftfreq(len(stem), 1.0 / 48_000.0)
    low = bins_hz < 100.0
    middle, side = (np.abs(np.fft.rfft(x))[low] for x in (stem.sum(axis=1), stem[:, 0] - stem[:, 1]))
    assert (side**2).sum() < 0.02 * (middle**2).sum()
