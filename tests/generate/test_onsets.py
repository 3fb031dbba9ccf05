import numpy as np
import pytest

from resonance import rng
from resonance.generate.onsets import Onsets
from resonance.units import GRID_FRAMES

RATE_HZ = 48_000.0
STEP_S = GRID_FRAMES / RATE_HZ


def frames(rate_hz: np.ndarray, steps_a_call: int, regularity: float = 1.0) -> list[int]:
    onsets = Onsets(rng.stream(3, "onsets"), regularity)
    found: list[int] = []
    for step in range(0, len(rate_hz) - 1, steps_a_call):
        part = rate_hz[step : step + steps_a_call + 1]
        found += onsets.due(step * GRID_FRAMES, part, STEP_S)
    return found


@pytest.mark.parametrize("steps_a_call", [1, 7, 64, 128])
def test_onsets_do_not_depend_on_how_time_is_cut(steps_a_call: int) -> None:
    rate_hz = 2.0 + 1.5 * np.sin(np.linspace(0.0, 40.0, 7501))
    assert frames(rate_hz, steps_a_call) == frames(rate_hz, 7500)


@pytest.mark.parametrize("rate_hz", [0.5, 3.0, 40.0])
def test_the_mean_rate_is_what_is_asked(rate_hz: float) -> None:
    seconds = 2000.0 / rate_hz
    steps = int(seconds / STEP_S)
    count = len(frames(np.full(steps + 1, rate_hz), 1024))
    assert count == pytest.approx(2000, rel=0.08)


@pytest.mark.parametrize(("regularity", "expected"), [(0.5, 1.41), (1.0, 1.0), (16.0, 0.25)])
def test_regularity_sets_how_intervals_vary(regularity: float, expected: float) -> None:
    times = np.array(frames(np.full(900_001, 2.0), 4096, regularity))
    gaps = np.diff(times)
    assert gaps.std() / gaps.mean() == pytest.approx(expected, rel=0.1)


def test_nothing_begins_where_the_rate_is_zero() -> None:
    rate_hz = np.concatenate((np.full(500, 5.0), np.zeros(5000), np.full(500, 5.0)))
    found = np.array(frames(rate_hz, 128)) // GRID_FRAMES
    assert not ((found >= 500) & (found < 5499)).any()
