"""Partials against the true sine and the exact integral of a gliding pitch."""

from __future__ import annotations

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.partials import cosine, sines


def exact_phase(phase, cycles):
    """The phase of one partial at every frame: the integral of its pitch, a straight line in each step."""
    steps = len(cycles) - 1
    j = np.arange(GRID_FRAMES)
    rows, start = [], phase
    for step in range(steps):
        rise = (cycles[step + 1] - cycles[step]) / GRID_FRAMES
        rows.append(start + cycles[step] * j + 0.5 * rise * j**2)
        start += GRID_FRAMES * 0.5 * (cycles[step] + cycles[step + 1])
    return np.concatenate(rows), start


def exact_ramp(values):
    return np.interp(np.arange((len(values) - 1) * GRID_FRAMES), np.arange(len(values)) * GRID_FRAMES, values)


def test_cosine_is_within_float32_of_the_true_one():
    turns = np.linspace(-0.5, 0.5, 4001).astype(np.float32)
    error = [cosine(turn) - np.cos(2 * np.pi * float(turn)) for turn in turns]
    assert np.max(np.abs(error)) < 3e-7


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("frequency_hz", [27.5, 997.0, 15000.0])
def test_a_held_tone_is_pure(rate_hz, frequency_hz):
    steps = 400
    cycles = np.full((steps + 1, 1), frequency_hz / rate_hz)
    level = np.ones((steps + 1, 1), np.float32)
    out = np.zeros((2, steps * GRID_FRAMES), np.float32)
    sines(np.array([0.3]), cycles, level, level, out)
    true = np.sin(2 * np.pi * (0.3 + frequency_hz / rate_hz * np.arange(out.shape[1])))
    error_db = 20 * np.log10(np.std(out[0] - true) / np.std(true))
    assert error_db < -120.0


def test_a_glide_follows_the_integral_of_its_pitch():
    rng = np.random.default_rng(1)
    steps = 60
    cycles = np.cumsum(rng.uniform(-0.004, 0.004, steps + 1)) + 0.1
    left = rng.uniform(-1, 1, steps + 1).astype(np.float32)
    right = rng.uniform(-1, 1, steps + 1).astype(np.float32)
    phase = np.array([0.77])
    out = np.zeros((2, steps * GRID_FRAMES), np.float32)
    sines(phase, cycles[:, None], left[:, None], right[:, None], out)
    turns, end = exact_phase(0.77, cycles)
    wave = np.sin(2 * np.pi * turns)
    np.testing.assert_allclose(out[0], wave * exact_ramp(left), atol=3e-6)
    np.testing.assert_allclose(out[1], wave * exact_ramp(right), atol=3e-6)
    assert abs((phase[0] - end + 0.5) % 1.0 - 0.5) < 1e-9
    assert 0.0 <= phase[0] < 1.0


def test_outputs_are_added_and_silent_partials_still_turn():
    phase = np.array([0.25, 0.5])
    cycles = np.full((2, 2), 0.01)
    level = np.zeros((2, 2), np.float32)
    out = np.full((2, GRID_FRAMES), 0.5, np.float32)
    sines(phase, cycles, level, level, out)
    assert np.all(out == 0.5)
    np.testing.assert_allclose(phase, [0.89, 0.14], atol=1e-12)


def test_what_rises_past_half_the_rate_fades_without_a_click():
    cycles = np.array([[0.49], [0.499], [0.51], [0.6], [0.7]])
    level = np.ones((5, 1), np.float32)
    out = np.zeros((2, 4 * GRID_FRAMES), np.float32)
    sines(np.zeros(1), cycles, level, level, out)
    assert np.max(np.abs(out[0, :GRID_FRAMES])) > 0.9
    assert np.max(np.abs(out[0, 2 * GRID_FRAMES - 4 : 2 * GRID_FRAMES])) < 0.1
    assert not np.any(out[:, 2 * GRID_FRAMES :])


def test_a_span_may_be_cut_anywhere():
    rng = np.random.default_rng(2)
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps, n = sum(sizes), 9
    cycles = rng.uniform(0.0, 0.55, (steps + 1, n))
    left, right = (rng.uniform(-1, 1, (steps + 1, n)).astype(np.float32) for _ in range(2))
    left[rng.random((steps + 1, n)) < 0.3] = 0.0
    whole, whole_phase = np.zeros((2, steps * GRID_FRAMES), np.float32), np.linspace(0, 0.9, n)
    phase = whole_phase.copy()
    sines(whole_phase, cycles, left, right, whole)
    parts, at = [], 0
    for size in sizes:
        rows = slice(at, at + size + 1)
        part = np.zeros((2, size * GRID_FRAMES), np.float32)
        sines(phase, cycles[rows], left[rows], right[rows], part)
        parts.append(part)
        at += size
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert np.array_equal(whole_phase, phase)
