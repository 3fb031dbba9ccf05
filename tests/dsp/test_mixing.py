import math

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.mixing import LIMIT, absorb, mix, mono_below, ramped

STEPS = 129


def noise(frames: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (2, frames)).astype(np.float32)


def chopped(frames: int):
    """Spans of 1, 2, 3, ... steps that cover `frames`."""
    begin, steps = 0, 1
    while begin < frames // GRID_FRAMES:
        end = min(begin + steps, frames // GRID_FRAMES)
        yield begin, end, slice(begin * GRID_FRAMES, end * GRID_FRAMES)
        begin, steps = end, steps + 1


@pytest.mark.parametrize("lag", [0, 1, 37, 63])
def test_mix_delays_a_voice_by_its_lag_at_exact_levels(lag):
    voice = noise(256)
    carry, dry, wet = (
        np.zeros((2, 64), np.float32),
        np.ones((2, 256), np.float32),
        np.zeros((2, 256), np.float32),
    )
    peak = mix(voice, carry, lag, (0.25, 0.5), np.full(5, 2.0), np.full(5, 0.5), 0, dry, wet)
    late = np.pad(voice, ((0, 0), (lag, 0)))[:, :256]
    assert peak == np.abs(voice).max()
    np.testing.assert_allclose(dry, 1 + 0.5 * late, atol=1e-7)
    np.testing.assert_allclose(wet, 0.125 * late, atol=1e-7)
    np.testing.assert_array_equal(carry[:, :lag], voice[:, 256 - lag :])


def test_mix_ramps_gain_and_send_in_straight_lines():
    voice = np.ones((2, 128), np.float32)
    dry, wet = np.zeros((2, 128), np.float32), np.zeros((2, 128), np.float32)
    mix(
        voice,
        np.zeros((2, 64), np.float32),
        0,
        (1.0, 1.0),
        np.array([0.0, 1.0, 0.0]),
        np.array([1.0, 1.0, 0.0]),
        0,
        dry,
        wet,
    )
    up = np.arange(64) / 64
    np.testing.assert_allclose(dry[0], np.concatenate([up, 1 - up]), atol=1e-6)
    np.testing.assert_allclose(wet[0], np.concatenate([up, (1 - up) ** 2]), atol=1e-6)


def test_mix_is_the_same_however_the_span_is_cut():
    frames = STEPS * GRID_FRAMES
    voice, gain, send = noise(frames), np.linspace(0, 2, STEPS + 1) ** 2, np.linspace(1, 0.1, STEPS + 1)
    outs = []
    for spans in ([(0, STEPS, slice(0, frames))], chopped(frames)):
        carry = np.zeros((2, 64), np.float32)
        dry, wet = np.zeros((2, frames), np.float32), np.zeros((2, frames), np.float32)
        for a, b, cut in spans:
            mix(voice[:, cut].copy(), carry, 21, (0.7, 0.3), gain[a : b + 1], send[a : b + 1], a, dry, wet)
        outs.append((dry, wet))
    np.testing.assert_array_equal(outs[0], outs[1])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, LIMIT * 1.001, -LIMIT * 1.001])
def test_mix_refuses_a_voice_gone_wrong_and_adds_nothing(wrong):
    voice = noise(128)
    voice[1, 100] = wrong
    carry, dry, wet = (
        np.ones((2, 64), np.float32),
        np.zeros((2, 128), np.float32),
        np.zeros((2, 128), np.float32),
    )
    assert mix(voice, carry, 9, (1.0, 1.0), np.ones(3), np.ones(3), 0, dry, wet) == math.inf
    assert not dry.any()
    assert not wet.any()
    assert not carry.any()


def test_mix_lets_the_limit_itself_pass():
    voice = np.full((2, 64), -LIMIT, np.float32)
    dry, wet = np.zeros((2, 64), np.float32), np.zeros((2, 64), np.float32)
    carry = np.zeros((2, 64), np.float32)
    assert mix(voice, carry, 0, (1.0, 1.0), np.ones(2), np.ones(2), 0, dry, wet) == LIMIT


def test_ramped_adds_along_a_line():
    out = np.ones((2, 64), np.float32)
    ramped(np.ones((2, 64), np.float32), np.array([0.0, 1.0]), out)
    np.testing.assert_allclose(out[1], 1 + np.arange(64) / 64, atol=1e-6)


def response(run, frames: int, frequency: float) -> complex:
    """What a filter does to a long complex tone, of which `run` takes the real and imaginary parts."""
    turns = np.exp(2j * np.pi * frequency * np.arange(frames))
    x = np.stack([turns.real, turns.imag]).astype(np.float32)
    run(x)
    return ((x[0] + 1j * x[1]) / turns)[frames // 2 :].mean()


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("cutoff_hz", [200, 3000, 15000])
def test_absorb_is_three_decibels_down_at_its_cutoff(rate_hz, cutoff_hz):
    frames = 200 * GRID_FRAMES
    cutoff = np.full(201, cutoff_hz / rate_hz)
    level = abs(response(lambda x: absorb(np.zeros(4), cutoff, x, x.copy()), frames, cutoff_hz / rate_hz))
    assert 20 * math.log10(level) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("kernel", ["absorb", "mono"])
def test_filters_are_the_same_however_the_span_is_cut_and_fall_silent(kernel):
    frames = STEPS * GRID_FRAMES
    cutoff = np.geomspace(0.001, 0.4, STEPS + 1)
    outs = []
    for spans in ([(0, STEPS, slice(0, frames))], chopped(frames)):
        x, sent, state = noise(frames), noise(frames, 2), np.zeros(4 if kernel == "absorb" else 2)
        for a, b, cut in spans:
            part, wet = x[:, cut].copy(), sent[:, cut].copy()
            if kernel == "absorb":
                absorb(state, cutoff[a : b + 1], part, wet)
            else:
                mono_below(state, 0.01, part)
            x[:, cut], sent[:, cut] = part, wet
        outs.append((x, sent))
    np.testing.assert_array_equal(outs[0], outs[1])
    for _ in range(40):
        part, wet = np.zeros((2, frames), np.float32), np.zeros((2, frames), np.float32)
        absorb(state, cutoff[:], part, wet) if kernel == "absorb" else mono_below(state, 0.01, part)
    assert not state.any()
    assert not part.any()


def test_absorb_dulls_what_is_sent_as_it_does_what_is_heard():
    dry, wet = noise(256), noise(256, 2)
    sent, heard = wet.copy(), dry.copy()
    absorb(np.zeros(4), np.full(5, 0.05), dry, wet)
    absorb(np.zeros(4), np.full(5, 0.05), sent, heard)
    np.testing.assert_array_equal(dry, heard)
    np.testing.assert_array_equal(wet, sent)


def test_mono_below_keeps_the_middle_and_high_sides():
    frames, cutoff = 400 * GRID_FRAMES, 0.003
    for frequency, left_db, right_db in ((cutoff / 8, -6.02, -6.02), (cutoff * 64, 0.0, -37)):
        wave = np.sin(2 * np.pi * frequency * np.arange(frames)).astype(np.float32)
        x = np.stack([wave, np.zeros_like(wave)])
        mono_below(np.zeros(2), cutoff, x)
        levels_db = 20 * np.log10(x[:, frames // 2 :].std(axis=1) / wave[frames // 2 :].std())
        assert levels_db[0] == pytest.approx(left_db, abs=0.2)
        assert levels_db[1] == pytest.approx(right_db, abs=0.2) if right_db > -10 else levels_db[1] < right_db
    x = np.repeat(noise(frames)[:1], 2, axis=0)
    kept = x.copy()
    mono_below(np.zeros(2), cutoff, x)
    np.testing.assert_allclose(x, kept, atol=1e-6)
