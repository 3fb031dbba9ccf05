"""Row 21: the stair, rising without end."""

from itertools import pairwise

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import centroid_hz, centroids_hz

ARC = "valence = [0.90, 1.0]\nenergy = [0.60, 0.85]\ntension = [0.30, 0.20]"


def ridges(mono, rate_hz, frame_s=0.4, hop_s=0.4):
    """The peaks of each frame within 45 dB of its strongest: a list of arrays of frequencies in Hz."""
    from scipy.signal import find_peaks

    length = int(frame_s * rate_hz)
    window = np.blackman(length)
    found = []
    for start in range(0, len(mono) - length, int(hop_s * rate_hz)):
        level_db = 20.0 * np.log10(np.abs(np.fft.rfft(mono[start : start + length] * window)) + 1e-12)
        peaks, _ = find_peaks(level_db, height=level_db.max() - 45.0, prominence=12.0)
        below, here, above = level_db[peaks - 1], level_db[peaks], level_db[peaks + 1]
        found.append((peaks + 0.5 * (below - above) / (below - 2 * here + above)) * rate_hz / length)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_six_partials_or_more_rise_at_one_steady_rate(seed):
    seen = listen(alone("stair", seconds=30.0, arc=ARC, fields="octave_s = 20"), seed, only=("stair",))
    frames = ridges(seen.stems["stair"][96_000:].mean(axis=1).astype(float), seen.rate_hz)
    rates, followed = [], []
    for before, after in pairwise(frames):
        steps = [1200.0 * np.log2(after / hz) for hz in before]
        climbs = [step[np.abs(step - 24.0).argmin()] for step in steps]
        climbs = [climb for climb in climbs if abs(climb - 24.0) < 12.0]
        followed.append(len(climbs))
        rates.append(np.median(climbs))
    # 0.4 s at an octave in 20 s is 24 cents.
    assert np.percentile(followed, 10) >= 6
    np.testing.assert_allclose(rates, 24.0, atol=2.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_its_centroid_stays_within_10_percent(seed):
    seen = listen(alone("stair", seconds=30.0, arc=ARC, fields="octave_s = 20"), seed, only=("stair",))
    stem = seen.stems["stair"][48_000:]
    mean_hz = centroid_hz(stem, seen.rate_hz)
    every_hz = centroids_hz(stem, seen.rate_hz)
    assert np.nanmin(every_hz) > 0.95 * mean_hz
    assert np.nanmax(every_hz) < 1.05 * mean_hz
