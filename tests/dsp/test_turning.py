import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES, aligned
from resonance.dsp.turning import BLOCK, LANES, in_rows, side_by_side


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("begin", [0, GRID_FRAMES])
def test_voices_stand_side_by_side_and_go_back_to_their_rows(first, begin):
    x = np.random.default_rng(1).uniform(-1, 1, (LANES + 4, 3 * GRID_FRAMES)).astype(np.float32)
    here = slice(first, first + LANES), slice(begin, begin + GRID_FRAMES)
    turned = aligned(2 * BLOCK)
    side_by_side(x, first, begin, turned)
    np.testing.assert_array_equal(turned[:BLOCK].reshape(GRID_FRAMES, LANES), x[here].T)
    out, want = np.zeros_like(x), np.zeros_like(x)
    in_rows(turned, first, begin, out)
    want[here] = x[here]
    np.testing.assert_array_equal(out, want)
