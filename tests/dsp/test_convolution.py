"""Convolution against the plain sum of products."""

import numpy as np
import pytest

from resonance.dsp.convolution import LATENCY_FRAMES, convolution_state, convolve


def noise(frames, seed):
    return np.random.default_rng(seed).standard_normal((2, frames)).astype(np.float32)


def answered(response, x, span=4096):
    state, out = convolution_state(response), np.zeros_like(x)
    for begin in range(0, x.shape[1], span):
        convolve(state, x[:, begin : begin + span], out[:, begin : begin + span])
    return out


# From one frame to within the short parts, to their end, and far into the long ones.
@pytest.mark.parametrize("frames", [1, 700, 7680, 7681, 40_000])
def test_the_answer_is_the_direct_convolution(frames):
    from scipy.signal import convolve as direct

    response, x = noise(frames, 1), noise(30_016, 2)
    found = answered(response, x)
    assert not found[:, :LATENCY_FRAMES].any()
    for channel in range(2):
        wanted = direct(x[channel].astype(float), response[channel].astype(float), method="direct")
        wanted = wanted[: x.shape[1] - LATENCY_FRAMES]
        missed = found[channel, LATENCY_FRAMES:] - wanted
        assert np.sqrt(np.mean(missed**2)) < 10 ** (-126 / 20) * np.sqrt(np.mean(wanted**2))


@pytest.mark.parametrize("span", [64, 192, 512, 1024, 8192])
def test_cutting_it_into_spans_changes_nothing(span):
    response, x = noise(30_000, 3), noise(50_048, 4)
    assert np.array_equal(answered(response, x, span), answered(response, x, x.shape[1]))


def test_it_adds_to_what_is_there():
    response, x = noise(9_000, 5), noise(4096, 6)
    out = np.ones_like(x)
    convolve(convolution_state(response), x, out)
    np.testing.assert_allclose(out, 1.0 + answered(response, x), rtol=1e-6, atol=1e-5)


def test_what_comes_after_a_rest_is_answered_as_the_first_was():
    response, x = noise(20_000, 7), np.zeros((2, 131_072), np.float32)
    x[:, 100], x[:, 65_536 + 100] = 1.0, 1.0
    found = answered(response, x)
    rung_out = LATENCY_FRAMES + 100 + 20_000 + 2 * 8192
    assert not found[:, rung_out:65_536].any()
    np.testing.assert_allclose(found[:, 65_536:], found[:, :65_536], atol=1e-5)
