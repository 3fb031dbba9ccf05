"""Grains that can be counted by hand, and grains that are measured."""

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.grains import grains, oversampled, record


def cloud(*slots, attack=0.5, left=1.0, right=1.0):
    """Slots of (begin, length, position, ratio)."""
    begin, length, position, ratio = zip(*slots, strict=True)
    n = len(slots)
    return (
        np.array(begin, np.int64),
        np.array(length, np.int64),
        np.array(position, np.float64),
        np.array(ratio, np.float64),
        np.full(n, attack, np.float32),
        np.full(n, left, np.float32),
        np.full(n, right, np.float32),
    )


def ones(frames=256):
    return np.ones((2, 2 * frames), np.float32)


def played(slots, source, steps, start=0, points=6):
    out = np.zeros((2, steps * GRID_FRAMES), np.float32)
    grains(*slots, source, start, out, points)
    return out


def test_a_grain_is_a_hann_window_where_it_lies_and_nothing_else():
    slots = cloud((70, 8, 0, 1), left=1.0, right=0.5)
    out = played(slots, ones(), 3)
    hann = [0, 0.146447, 0.5, 0.853553, 1, 0.853553, 0.5, 0.146447]
    np.testing.assert_allclose(out[0, 70:78], hann, atol=1e-5)
    np.testing.assert_allclose(out[1], 0.5 * out[0], atol=1e-7)
    assert not out[:, :70].any()
    assert not out[:, 78:].any()


def test_a_window_can_rise_quickly_and_fall_slowly():
    out = played(cloud((0, 64, 0, 1), attack=0.25), ones(), 1)[0]
    n = np.arange(64)
    rises = 0.5 - 0.5 * np.cos(np.pi * n / 16)
    falls = 0.5 + 0.5 * np.cos(np.pi * (n - 16) / 48)
    np.testing.assert_allclose(out, np.where(n < 16, rises, falls), atol=1e-5)


def test_grains_overlap_by_addition_and_empty_slots_stay_silent():
    out = played(cloud((0, 8, 0, 1), (4, 8, 9, -1), (0, 0, 0, 1)), ones(), 1)[0]
    np.testing.assert_allclose(out[4:8], 1, atol=1e-5)
    np.testing.assert_allclose(out[2], 0.5, atol=1e-5)


def test_a_slot_is_free_when_its_grain_is_over_and_not_before():
    slots = cloud((0, 64, 0, 1), (0, 65, 0, 1), (200, 10, 0, 1))
    played(slots, ones(), 1)
    np.testing.assert_array_equal(slots[1], [0, 65, 10])
    played(slots, ones(), 1, start=64)
    np.testing.assert_array_equal(slots[1], [0, 0, 10])


def test_hann_grains_at_half_their_length_give_the_source_back():
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 4096)).astype(np.float32)
    slots = cloud(*((begin, 512, begin, 1.0) for begin in range(0, 4096, 256)))
    out = played(slots, oversampled(audio), 64)
    np.testing.assert_allclose(out[:, 256:4096], audio[:, 256:4096], atol=1e-5)


def test_a_grain_reads_backwards_and_in_a_circle():
    source = np.zeros((2, 200), np.float32)
    source[:, ::2] = np.arange(100)
    out = played(cloud((-1000, 10**6, 1010, -1.0)), source, 1)[0]
    window = played(cloud((-1000, 10**6, 0, -1.0)), ones(), 1)[0]
    np.testing.assert_allclose(out / window, (10 - np.arange(64)) % 100, rtol=1e-4, atol=1e-3)


def strays_db(ratio, tone_hz=5000.0, points=6):
    """What lies beside a sine that is read at another pitch, in one long grain, without its window."""
    rate_hz, frames = 48000, 1 << 14
    turns = 2 * np.pi * tone_hz / rate_hz
    source = oversampled(np.sin(turns * np.arange(rate_hz)).astype(np.float32)[None])
    out = played(cloud((0, frames, 0.37, ratio)), source, frames // GRID_FRAMES, points=points)
    n = np.arange(frames)[2000:-2000]
    sound = out[0].astype(np.float64)[n] / (0.5 - 0.5 * np.cos(2 * np.pi * n / frames))
    basis = np.stack([np.sin(turns * ratio * n), np.cos(turns * ratio * n)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, sound, rcond=None)
    assert np.hypot(*fit) == pytest.approx(1, rel=1e-4 if points == 6 else 0.02)
    return 20 * np.log10((sound - basis @ fit).std() / sound.std())


@pytest.mark.parametrize("ratio", [0.501, 1.4983, -1.4983, 2.0])
def test_a_5_khz_sine_at_another_pitch_is_clean(ratio):
    assert strays_db(ratio) < -90


@pytest.mark.parametrize("ratio", [0.501, 1.4983, -1.4983])
def test_two_points_are_as_clean_as_they_say(ratio):
    assert strays_db(ratio, 1000.0, points=2) < -70
    assert strays_db(ratio, 5000.0, points=2) < -45


def test_one_channel_sounds_as_two_that_are_alike():
    audio = np.random.default_rng(2).uniform(-1, 1, (1, 3000)).astype(np.float32)
    slots = ((0, 2000, 100.3, 1.3), (37, 900, 2900.0, -0.7))
    one = played(cloud(*slots, left=0.3), oversampled(audio), 32)
    two = played(cloud(*slots, left=0.3), oversampled(np.tile(audio, (2, 1))), 32)
    np.testing.assert_array_equal(one, two)


def test_oversampled_keeps_the_samples_and_finds_what_lies_between():
    frames = 1000
    for cycles in (3, 180, 400):
        wave = np.cos(2 * np.pi * cycles / frames * np.arange(0, frames, 0.5) + 0.3)
        ready = oversampled(wave[None, ::2].astype(np.float32))
        assert ready.shape == (1, 2 * frames)
        assert ready.dtype == np.float32
        np.testing.assert_allclose(ready[0], wave, atol=3e-5)


def ring(x, size, cuts):
    past = np.zeros((2, 2 * size), np.float32)
    at = 0
    for steps in cuts:
        record(past, at, x[:, at : at + steps * GRID_FRAMES].copy())
        at += steps * GRID_FRAMES
    return past


def test_the_past_can_be_read_back_wherever_the_ring_turned():
    size, frames = 1024, 24 * GRID_FRAMES
    wave = np.sin(2 * np.pi * 0.13 * np.arange(0, frames, 0.5))
    past = ring(np.tile(wave[::2].astype(np.float32), (2, 1)), size, [1, 2, 5, 7, 9])
    held = np.arange(frames - size + 64, frames - 64)
    np.testing.assert_allclose(past[0, 2 * (held % size)], wave[2 * held], atol=1e-6)
    np.testing.assert_allclose(past[1, 2 * (held % size) + 1], wave[2 * held + 1], atol=1e-5)
    out = played(cloud((frames, 300, frames - 600, 1.0)), past, 4, start=frames)[0]
    window = played(cloud((frames, 300, 0, 1.0)), ones(), 4, start=frames)[0]
    np.testing.assert_allclose(out, window * wave[2 * (frames - 600) :: 2][:256], atol=1e-5)


def test_the_past_is_the_same_however_the_span_is_cut():
    x = np.random.default_rng(1).uniform(-1, 1, (2, 129 * GRID_FRAMES)).astype(np.float32)
    whole = ring(x, 40 * GRID_FRAMES, [1, 128])
    np.testing.assert_array_equal(whole, ring(x, 40 * GRID_FRAMES, [3, 1, 1, 60, 64]))


@pytest.mark.parametrize("points", [2, 6])
def test_grains_are_the_same_however_the_span_is_cut(points):
    chance = np.random.default_rng(1)
    source = oversampled(chance.uniform(-1, 1, (2, 3000)).astype(np.float32))
    slots = [
        (int(chance.integers(-500, 8000)), int(chance.integers(1, 6000)), chance.uniform(0, 3000), r)
        for r in chance.uniform(-2, 2, 40)
    ]
    whole = played(cloud(*slots), source, 129, points=points)
    pieces, arrays = [], cloud(*slots)
    at = 0
    for steps in (1, 2, 3, 60, 1, 62):
        pieces.append(played(arrays, source, steps, start=at, points=points))
        at += steps * GRID_FRAMES
    np.testing.assert_array_equal(whole, np.concatenate(pieces, axis=1))
