import numpy as np

from resonance.dsp import GRID_FRAMES
from resonance.dsp.placing import placed


def test_levels_move_in_straight_lines_and_sounds_add_up():
    x = np.ones((2, 2 * GRID_FRAMES), np.float32)
    left = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    right = np.array([[0.5, 0.0], [0.5, 0.0], [0.5, 0.0]])
    out = np.ones((2, 2 * GRID_FRAMES), np.float32)
    placed(x, left, right, out)
    up = np.arange(GRID_FRAMES) / GRID_FRAMES
    assert np.allclose(out[0], 2.0 + np.concatenate((up, 1.0 - up)))
    assert np.allclose(out[1], 1.5)


def test_it_does_not_depend_on_how_time_is_cut():
    chance = np.random.default_rng(1)
    x = chance.standard_normal((3, 8 * GRID_FRAMES)).astype(np.float32)
    left, right = chance.random((2, 9, 3))
    whole, parts = np.zeros((2, 2, 8 * GRID_FRAMES), np.float32)
    placed(x, left, right, whole)
    for step in range(8):
        frames = slice(step * GRID_FRAMES, (step + 1) * GRID_FRAMES)
        out = np.zeros((2, GRID_FRAMES), np.float32)
        rows = slice(step, step + 2)
        placed(np.ascontiguousarray(x[:, frames]), left[rows], right[rows], out)
        parts[:, frames] = out
    assert np.array_equal(whole, parts)
