"""The shared space with a recorded room in it."""

import numpy as np
import pytest

from resonance.contract import Setting, Span
from resonance.dsp import GRID_FRAMES
from resonance.dsp.convolution import LATENCY_FRAMES
from resonance.effects.space import Space, SpacePatch
from resonance.tuning import Tuning
from resonance.units import parameters

RATE_HZ = 48_000.0


def rung(x, response, cuts=(64,), gain_db=0.0, rests=0):
    """What comes back of `x` from a room that was recorded, in spans of `cuts` steps, in turn.

    For the first steps it `rests`.
    """
    space = Space(SpacePatch(), Setting("space", RATE_HZ, 1, Tuning(), recordings=[response]))
    fields = {name: p.default for name, p in parameters(SpacePatch).items() if p.follows_curves}
    fields["gain_db"] = gain_db
    out = np.zeros_like(x)
    space.rest(rests)
    step, turn = rests, 0
    while step < x.shape[1] // GRID_FRAMES:
        steps = min(cuts[turn % len(cuts)], x.shape[1] // GRID_FRAMES - step)
        turn += 1
        own, flat = {name: np.full(steps + 1, value) for name, value in fields.items()}, np.zeros(steps + 1)
        own = Space.curves(own, RATE_HZ)
        frames = slice(step * GRID_FRAMES, (step + steps) * GRID_FRAMES)
        piece = np.zeros((2, steps * GRID_FRAMES), np.float32)
        span = Span(step * GRID_FRAMES, steps, RATE_HZ, flat, flat, flat, flat, flat, own)
        space.render(span, np.ascontiguousarray(x[:, frames]), piece)
        out[:, frames] = piece
        step += steps
    return out


def noise(frames, seed=1):
    return np.random.default_rng(seed).standard_normal((2, frames)).astype(np.float32)


def test_it_answers_as_the_recorded_room_did():
    response, click = np.zeros((2, 30_000), np.float32), np.zeros((2, 32_000), np.float32)
    response[0, 3_000], response[1, 20_000], click[:, 64] = 0.2, -0.1, 1.0
    answer = rung(click, response)
    assert np.abs(answer[0]).argmax() == 64 + 3_000 + LATENCY_FRAMES
    assert np.abs(answer[1]).argmax() == 64 + 20_000 + LATENCY_FRAMES
    assert answer[0].max() / -answer[1].min() == pytest.approx(2.0, rel=0.01)


def test_a_steady_sound_returns_as_loud_as_it_went_in():
    decay = 10.0 ** (-3.0 * np.arange(48_000) / 48_000)
    answer = rung(0.1 * noise(192_000), (37.0 * decay * noise(48_000, seed=2)).astype(np.float32))
    assert answer[:, 96_000:].std() == pytest.approx(0.1, rel=0.05)


def test_its_gain_is_heard_and_cutting_it_into_spans_changes_nothing():
    x, response = noise(32_000), noise(20_000, seed=2)
    whole = rung(x, response)
    assert np.array_equal(whole, rung(x, response, cuts=(1, 7, 2, 100)))
    np.testing.assert_allclose(rung(x, response, gain_db=-20.0), 0.1 * whole, atol=1e-6)


@pytest.mark.parametrize("rests", [1, 37, 300])
def test_after_a_rest_it_is_as_if_it_had_listened_to_silence(rests):
    x, response = noise(40_000), noise(20_000, seed=2)
    x[:, : rests * GRID_FRAMES] = 0.0
    assert np.array_equal(rung(x, response), rung(x, response, rests=rests))
