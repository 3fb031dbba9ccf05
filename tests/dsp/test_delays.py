import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.delays import delay_line, recall, remember


def recalled(x: np.ndarray, delay: np.ndarray, steps_a_call: int = 4, longest: int = 500) -> np.ndarray:
    line = delay_line(longest, steps_a_call * GRID_FRAMES)
    out = np.zeros_like(x)
    for step in range(0, len(delay) - 1, steps_a_call):
        frames = slice(step * GRID_FRAMES, (step + steps_a_call) * GRID_FRAMES)
        piece = np.ascontiguousarray(x[:, frames])
        heard = np.zeros_like(piece)
        remember(line, step * GRID_FRAMES, piece)
        recall(line, step * GRID_FRAMES, delay[step : step + steps_a_call + 1], heard)
        out[:, frames] = heard
    return out


def sines(steps: int, cycles: float) -> np.ndarray:
    time = np.arange(steps * GRID_FRAMES)
    return np.stack([np.sin(2.0 * np.pi * cycles * time), np.cos(2.0 * np.pi * cycles * time)]).astype("f4")


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 7, 130, 500])
def test_whole_delays_are_exact(delay):
    x = np.random.default_rng(1).standard_normal((2, 40 * GRID_FRAMES)).astype(np.float32)
    y = recalled(x, np.full(41, float(delay)))
    assert np.array_equal(y[:, delay:], x[:, : x.shape[1] - delay])
    assert not y[:, :delay].any()


@pytest.mark.parametrize("delay", [2.5, 3.3, 77.51])
def test_a_delay_between_frames_is_true(delay):
    cycles = 0.02
    y = recalled(sines(40, cycles), np.full(41, delay))
    time = np.arange(40 * GRID_FRAMES) - delay
    assert np.abs(y[0] - np.sin(2.0 * np.pi * cycles * time))[200:].max() < 2e-6


def test_a_growing_delay_lowers_the_pitch_from_the_present_on():
    delay = np.linspace(0.0, 400.0, 81)
    y = recalled(sines(80, 0.02), delay)
    time = np.arange(80 * GRID_FRAMES) * (1.0 - 400.0 / (80 * GRID_FRAMES))
    assert np.abs(y[0] - np.sin(2.0 * np.pi * 0.02 * time))[8:].max() < 1e-4


@pytest.mark.parametrize("steps_a_call", [1, 2, 16])
def test_it_does_not_depend_on_how_time_is_cut(steps_a_call):
    x = np.random.default_rng(2).standard_normal((2, 80 * GRID_FRAMES)).astype(np.float32)
    delay = 200.0 * (1.0 - np.cos(np.linspace(0.0, 9.0, 81)))
    assert np.array_equal(recalled(x, delay, steps_a_call), recalled(x, delay, 80))
