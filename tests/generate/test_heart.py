import numpy as np
import pytest

from resonance import rng
from resonance.generate.heart import Heart


def intervals(bpm: float, beats: int = 400, breath_hz: float = 0.0, seed: int = 1) -> np.ndarray:
    heart = Heart(rng.stream(seed, "heart"))
    return np.array([heart.beat(bpm, breath_hz).interval_s for _ in range(beats)])


@pytest.mark.parametrize("bpm", [50.0, 54.0, 72.0, 96.0])
def test_it_keeps_the_tempo_on_the_whole(bpm: float) -> None:
    assert 60.0 / intervals(bpm).mean() == pytest.approx(bpm, abs=0.5)


@pytest.mark.parametrize(("bpm", "breath_hz"), [(54.0, 0.0), (54.0, 0.25), (60.0, 0.2)])
def test_the_intervals_swing_with_the_breath(bpm: float, breath_hz: float) -> None:
    swing = intervals(bpm, 512, breath_hz)
    power = np.abs(np.fft.rfft((swing - swing.mean()) * np.hanning(512))) ** 2
    frequency_hz = np.fft.rfftfreq(512, 60.0 / bpm)
    expected_hz = breath_hz or bpm / 240.0
    assert frequency_hz[power[1:].argmax() + 1] == pytest.approx(expected_hz, abs=0.01)


@pytest.mark.parametrize(("bpm", "breath_hz"), [(60.0, 1.0), (54.0, 0.95), (54.0, 2.0)])
def test_no_breath_is_shorter_than_two_beats(bpm: float, breath_hz: float) -> None:
    heart = Heart(rng.stream(1, "heart"))
    breaths = []
    for _ in range(40):
        heart.beat(bpm, breath_hz)
        breaths.append(heart.draws_breath)
    assert 19 <= sum(breaths) <= 21


def test_it_steadies_as_it_beats_faster() -> None:
    calm, hurried = intervals(54.0), intervals(96.0)
    assert hurried.std() / hurried.mean() < 0.6 * calm.std() / calm.mean()


def test_no_two_intervals_in_a_row_are_alike() -> None:
    assert (np.diff(intervals(54.0)) != 0.0).all()
