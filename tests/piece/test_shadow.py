"""Dream map, row 12: a low cluster beating at 30 to 70 Hz, with biting irregular pulses."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import am_spectrum, roughness, stereo_correlation

DOUBT = "valence = [0.6, 0.1]\nenergy = [0.50, 0.34, 0.12]\ntension = [0.40, 0.75]\nbpm = [64, 50]"
BASE = "valence = [0.55, 0.65]\nenergy = [0.10, 0.30]\ntension = 0.2\nbpm = 54"


def shadow(seed: int, fields: str = "", fog: str = ""):
    return listen(alone("shadow", seconds=9.0, arc=DOUBT + fog, fields=fields), seed, only=("shadow",))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fog", ["", "\nfog = { density = [0, 1] }"])
def test_it_is_five_times_as_rough_as_the_drone_in_base(seed, fog):
    text = alone("drone", seconds=9.0, arc=BASE, fields="glow = [0.35, 0.6]")
    drone = listen(text, seed, only=("drone",)).stems["drone"]
    assert roughness(shadow(seed, fog=fog).stems["shadow"], 48_000.0) >= 5.0 * roughness(drone, 48_000.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_beats_at_30_to_70_hz(seed):
    stem = shadow(seed, "bite_hz = 0").stems["shadow"]
    frequencies_hz, depths = am_spectrum(stem, 48_000.0, 8.0, 95.0)
    assert 30.0 <= frequencies_hz[np.argmax(depths)] <= 70.0


@pytest.mark.parametrize("seed", [1, 2])
def test_its_bites_are_irregular_and_each_has_several_teeth(seed):
    heard = shadow(seed, "bite_hz = 6")
    bites = heard.of("shadow", "bite")
    gaps_s = np.diff([heard.time_s(bite) for bite in bites])
    assert len(bites) >= 12
    assert gaps_s.std() / gaps_s.mean() > 0.6
    teeth = heard.of("shadow", "tooth")
    assert all(tooth.follows is not None and not tooth.sounds for tooth in teeth)
    assert len(teeth) >= 2 * len(bites) - 6
    level = [np.abs(heard.stems["shadow"]).max(), np.abs(shadow(seed, "bite_hz = 0").stems["shadow"]).max()]
    assert level[0] > 1.5 * level[1]


def test_its_lows_are_in_the_middle():
    from scipy.signal import butter, sosfilt

    low = sosfilt(butter(6, 110.0, fs=48_000.0, output="sos"), shadow(1).stems["shadow"], axis=0)
    assert stereo_correlation(low) > 0.95
