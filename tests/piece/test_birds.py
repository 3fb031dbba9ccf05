"""Row 6 of the dream map: birds cross the stereo field with Doppler, an ember crackle behind each."""

import numpy as np
import pytest
from listening import Heard, alone, listen

from resonance.analysis.measures import band_level_db
from resonance.contract import Event

ASCENT = "valence = [0.7, 0.9]\nenergy = [0.35, 0.6]\ntension = [0.2, 0.25]\nbpm = [56, 66]"
SECONDS = 65.0  # shorter than the ascent's 110: three birds are harder to find


def birds(seed: int) -> Heard:
    return listen(alone("birds", seconds=SECONDS, arc=ASCENT), seed, only=("birds",))


def whole(heard: Heard) -> list[Event]:
    """The birds that have passed before the end."""
    return [
        bird for bird in heard.of("birds", "bird") if heard.time_s(bird) + 1.3 * bird.duration_s < SECONDS
    ]


def passed(heard: Heard, bird: Event, from_s: float, to_s: float) -> np.ndarray:
    """The stem from so long after a bird's passing to so long after."""
    at_s = heard.time_s(bird) + bird.detail["pass_s"]
    return heard.stems["birds"][int((at_s + from_s) * heard.rate_hz) : int((at_s + to_s) * heard.rate_hz)]


def pitch_hz(sound: np.ndarray, near_hz: float) -> float:
    """The middle of the whoosh's band, by power, from 0.6 to 1.6 of where its wings hum."""
    hz = np.fft.rfftfreq(len(sound), 1.0 / 48_000.0)
    power = (np.abs(np.fft.rfft(sound * np.hanning(len(sound))[:, None], axis=0)) ** 2).sum(axis=1)
    band = (hz > 0.6 * near_hz) & (hz < 1.6 * near_hz)
    return float((hz[band] * power[band]).sum() / power[band].sum())


@pytest.mark.parametrize("seed", [1, 2])
def test_three_birds_cross_from_one_side_to_the_other(seed: int) -> None:
    heard = birds(seed)
    assert len(heard.of("birds", "bird")) >= 3
    for bird in whole(heard):
        side = []
        for sound in (passed(heard, bird, -2.5, -0.8), passed(heard, bird, 0.8, 2.5)):
            left, right = (sound.astype(float) ** 2).sum(axis=0)
            side.append((right - left) / (right + left))
        assert side[0] * side[1] < 0.0
        assert abs(side[1] - side[0]) > 0.8


@pytest.mark.parametrize("seed", [1, 2])
def test_the_whoosh_falls_as_it_passes(seed: int) -> None:
    heard = birds(seed)
    for bird in whole(heard):
        before = pitch_hz(passed(heard, bird, -1.6, -0.2), bird.pitch_hz)
        after = pitch_hz(passed(heard, bird, 0.2, 1.6), bird.pitch_hz)
        assert after < 0.97 * before


@pytest.mark.parametrize("seed", [1, 2])
def test_embers_follow_thin_and_fade(seed: int) -> None:
    heard = birds(seed)
    for bird in whole(heard):
        clouds = [cloud for cloud in heard.of("birds", "embers") if cloud.follows is bird]
        assert len(clouds) == 1
        assert clouds[0].frame > bird.frame
        pass_s = heard.time_s(bird) + bird.detail["pass_s"]
        after_s = np.array(
            [heard.time_s(e) - pass_s for e in heard.of("birds", "spark") if e.follows is clouds[0]]
        )
        early, later, last = np.histogram(after_s, (0.0, 2.0, 4.0, 6.0))[0]
        assert early > 1.2 * later
        assert later > 1.2 * last


def test_their_crackle_is_heard_after_them_and_goes_out() -> None:
    heard = birds(1)
    bird = whole(heard)[0]
    levels = [
        band_level_db(passed(heard, bird, at_s, at_s + 1.5), 48_000.0, 3000.0, 12_000.0)
        for at_s in (0.0, 2.5, 5.5)
    ]
    assert levels[0] > levels[1] + 3.0 > levels[2] + 3.0
    assert levels[0] > -60.0


def test_tension_keeps_them_away() -> None:
    text = alone(
        "birds", seconds=20.0, arc="valence = 0.8\nenergy = 0.5\ntension = 0.85", fields="flight_hz = 1"
    )
    assert not listen(text, 1, only=("birds",)).of("birds")
