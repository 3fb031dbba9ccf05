"""Modes against the closed form of a decaying sine, and against beats counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.modes import bent_modes, mode_coefficients, modes


def struck(frequency_hz, t60_s, rate_hz, seconds):
    """A bank struck once by a single frame of 1, each mode at full level on the left."""
    n = len(frequency_hz)
    rotation = np.stack(mode_coefficients(np.array(frequency_hz), np.array(t60_s), rate_hz))[None]
    frames = int(seconds * rate_hz) // GRID_FRAMES * GRID_FRAMES
    excitation = np.zeros(frames, np.float32)
    excitation[0] = 1.0
    out = np.zeros((2, frames), np.float32)
    state = np.zeros((2, n))
    modes(state, rotation, np.ones(n), np.ones(n, np.float32), np.zeros(n, np.float32), excitation, out)
    return out, state


def test_a_quarter_turn_a_frame_by_hand():
    rotation = np.array([[[0.0], [0.5]]])
    excitation = np.zeros(GRID_FRAMES, np.float32)
    excitation[0] = 2.0
    out = np.zeros((2, GRID_FRAMES), np.float32)
    one, half = np.ones(1, np.float32), np.full(1, 0.5, np.float32)
    modes(np.zeros((2, 1)), rotation, np.full(1, 3.0), one, half, excitation, out)
    assert out[0, :6].tolist() == [0.0, 3.0, 0.0, -0.75, 0.0, 0.1875]
    assert out[1, :6].tolist() == [0.0, 1.5, 0.0, -0.375, 0.0, 0.09375]


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_pitch_within_a_tenth_of_a_cent_and_decay_within_a_hundredth(rate_hz):
    out, _ = struck([440.0], [4.0], rate_hz, 4.0)
    heard = out[0].astype(np.float64)
    window = np.hanning(rate_hz // 4)
    marks = []
    for at in (rate_hz // 10, 3 * rate_hz):
        t = (at + np.arange(window.size)) / rate_hz
        marks.append(np.sum(window * heard[at : at + window.size] * np.exp(-2j * np.pi * 440.0 * t)))
    apart_s = (3 * rate_hz - rate_hz // 10) / rate_hz
    off_hz = np.angle(marks[1] / marks[0]) / (2 * np.pi * apart_s)
    assert abs(1200 * np.log2(1 + off_hz / 440.0)) < 0.1
    t60_s = -60.0 * apart_s / (20 * np.log10(abs(marks[1] / marks[0])))
    assert abs(t60_s / 4.0 - 1.0) < 0.01
    t = np.arange(heard.size) / rate_hz
    np.testing.assert_allclose(heard, 10 ** (-3 * t / 4.0) * np.sin(2 * np.pi * 440.0 * t), atol=1e-6)


def test_modes_near_half_the_rate_are_silent():
    out, _ = struck([0.49 * 48000, 30000.0], [2.0, 2.0], 48000, 0.1)
    assert not np.any(out)
    out, _ = struck([0.48 * 48000], [2.0], 48000, 0.1)
    assert np.max(np.abs(out[0])) > 0.9


def test_dead_tails_come_to_rest_and_wake_again():
    state = np.array([[1e-9, 1e-11], [0.0, 0.0]])
    rotation = np.stack(mode_coefficients(np.array([200.0, 300.0]), np.array([5.0, 5.0]), 48000))[None]
    level = np.ones(2, np.float32)
    out = np.zeros((2, GRID_FRAMES), np.float32)
    silence = np.zeros(GRID_FRAMES, np.float32)
    modes(state, rotation, np.ones(2), level, level, silence, out)
    assert np.any(state[:, 0])
    assert not np.any(state[:, 1])
    state *= 0.01
    before = out.copy()
    modes(state, rotation, np.ones(2), level, level, silence, out)
    assert not np.any(state)
    assert np.array_equal(out, before)
    blow = silence.copy()
    blow[-2] = 1e-3
    modes(state, rotation, np.ones(2), level, level, blow, out)
    assert np.any(out != before)
    assert np.any(state)


def test_a_gliding_mode_follows_its_rotations():
    rate_hz, steps = 48000, 200
    frequency_hz = np.linspace(400.0, 300.0, steps)
    rotation = np.stack(mode_coefficients(frequency_hz, np.full(steps, 1e9), rate_hz), axis=1)[:, :, None]
    excitation = np.zeros(steps * GRID_FRAMES, np.float32)
    excitation[0] = 1.0
    out = np.zeros((2, excitation.size), np.float32)
    one = np.ones(1, np.float32)
    modes(np.zeros((2, 1)), np.ascontiguousarray(rotation), np.ones(1), one, one, excitation, out)
    turns = np.cumsum(np.repeat(frequency_hz, GRID_FRAMES) / rate_hz) - frequency_hz[0] / rate_hz
    np.testing.assert_allclose(out[0], np.sin(2 * np.pi * turns), atol=1e-6)


@pytest.mark.parametrize("n", [1, 12, 67])
@pytest.mark.parametrize("glides", [False, True])
def test_a_span_may_be_cut_anywhere(n, glides):
    rng = np.random.default_rng(n)
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps = sum(sizes)
    frequency_hz = rng.uniform(100, 9000, n)
    rows = [
        np.stack(mode_coefficients(frequency_hz * (1 - 0.3 * k / steps), rng.uniform(0.01, 0.2, n), 48000.0))
        for k in range(steps if glides else 1)
    ]
    rotation = np.array(rows)
    strike = rng.uniform(-1, 1, n)
    left, right = (rng.uniform(-1, 1, n).astype(np.float32) for _ in range(2))
    excitation = np.zeros(steps * GRID_FRAMES, np.float32)
    for at in (3, 700, 9000):
        excitation[at : at + 50] = rng.uniform(-1, 1, 50)
    whole, whole_state = np.zeros((2, excitation.size), np.float32), np.zeros((2, n))
    modes(whole_state, rotation, strike, left, right, excitation, whole)
    state, parts, at = np.zeros((2, n)), [], 0
    for size in sizes:
        frames = slice(at * GRID_FRAMES, (at + size) * GRID_FRAMES)
        part = np.zeros((2, size * GRID_FRAMES), np.float32)
        turns = rotation[at : at + size] if glides else rotation
        modes(state, turns, strike, left, right, excitation[frames].copy(), part)
        parts.append(part)
        at += size
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert np.array_equal(whole_state, state)


def test_a_bank_in_a_hand_is_bent_by_cents_and_tilted_by_octaves():
    frequency_hz, t60_s, height = np.array([200.0, 400.0, 20_000.0]), np.ones(3), np.array([0.0, 1.0, 3.0])
    bend_cents, tilt = np.array([0.0, 1200.0]), np.array([0.0, -1.0])
    rotation = bent_modes(frequency_hz, t60_s, height, bend_cents, tilt, 48_000.0)
    for row, wanted_hz, wanted_s in (
        (0, frequency_hz, t60_s),
        (1, 2.0 * frequency_hz, np.array([1.0, 0.5, 0.125])),
    ):
        np.testing.assert_allclose(
            rotation[row], mode_coefficients(wanted_hz, wanted_s, 48_000.0), atol=1e-12
        )
    still = bent_modes(frequency_hz, t60_s, height, np.full(4, 50.0), np.zeros(4), 48_000.0)
    assert still.shape == (1, 2, 3)
