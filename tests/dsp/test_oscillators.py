"""Oscillators by their spectrum: alias level, the textbook's harmonics, and edges where a glide puts them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.oscillators import LATENCY_FRAMES, TAIL, pulses, saws, triangles

RATES_HZ = (44100, 48000, 96000)
LEVEL = {saws: 2 / math.pi, pulses: 4 / math.pi, triangles: 8 / math.pi**2}


def sounded(oscillator, cycles, width=None, phase=0.0):
    """One voice at full level on the left, with pitch (and width) at the steps' borders."""
    cycles = np.asarray(cycles, dtype=np.float64)[:, None]
    level = np.ones(cycles.shape, np.float32)
    out = np.zeros((2, (len(cycles) - 1) * GRID_FRAMES), np.float32)
    widths = () if width is None else (np.ascontiguousarray(np.broadcast_to(width, cycles.shape)),)
    state = np.array([phase])
    oscillator(state, np.zeros((2, TAIL), np.float32), cycles, *widths, level, 0 * level, out)
    assert not np.any(out[1])
    assert 0.0 <= state[0] < 1.0
    return out[0].astype(np.float64)


def held(oscillator, frequency_hz, rate_hz, steps=600):
    cycles = np.full(steps + 1, frequency_hz / rate_hz)
    width = 0.3 if oscillator is pulses else None
    return sounded(oscillator, cycles, width, phase=0.123)[GRID_FRAMES:]


def alias_db(wave, frequency_hz, rate_hz):
    """Energy below 20 kHz that lies on no harmonic, against the energy that does."""
    window = np.kaiser(wave.size, 16.0)
    power = np.abs(np.fft.rfft(wave * window)) ** 2
    at_hz = np.fft.rfftfreq(wave.size, 1.0 / rate_hz)
    from_harmonic = np.abs(at_hz - frequency_hz * np.round(at_hz / frequency_hz))
    harmonic = from_harmonic < 12.0 * rate_hz / wave.size
    low = at_hz < 20000.0
    return 10.0 * np.log10(power[low & ~harmonic].sum() / power[low & harmonic].sum())


def waves(turns, oscillator, width, harmonics):
    """The Fourier series, summed: what the oscillator should be, up to a harmonic."""
    total = np.zeros(turns.size)
    for k in range(1, harmonics + 1):
        if oscillator is saws:
            total -= 2 / (math.pi * k) * np.sin(2 * np.pi * k * turns)
        elif oscillator is pulses:
            total += (
                2 / (math.pi * k) * (np.sin(2 * np.pi * k * turns) - np.sin(2 * np.pi * k * (turns - width)))
            )
        elif k % 2:
            total -= 8 / (math.pi * k) ** 2 * np.cos(2 * np.pi * k * turns)
    return total


def low_passed(wave, cutoff):
    """A brick wall at `cutoff` cycles a frame; the ends, where it rings, are cut off."""
    spectrum = np.fft.rfft(wave * np.hanning(wave.size))
    spectrum[int(cutoff * wave.size) :] = 0.0
    return np.fft.irfft(spectrum, wave.size)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("frequency_hz", [110.3, 2093.0, 5274.0])
@pytest.mark.parametrize("oscillator", [saws, pulses, triangles])
def test_alias_lies_under_minus_100_db(oscillator, frequency_hz, rate_hz):
    assert alias_db(held(oscillator, frequency_hz, rate_hz), frequency_hz, rate_hz) < -105.0


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("oscillator", [saws, pulses, triangles])
def test_harmonics_are_the_textbooks(oscillator, rate_hz):
    bins, frames = 37, 300 * GRID_FRAMES
    frequency_hz = bins * rate_hz / frames
    wave = held(oscillator, frequency_hz, rate_hz, steps=301)
    found = np.abs(np.fft.rfft(wave)) * 2.0 / frames
    assert found[0] < 1e-5
    for k in range(1, int(0.36 * rate_hz / frequency_hz)):
        true = LEVEL[oscillator] / k
        if oscillator is pulses:
            true *= abs(math.sin(math.pi * k * 0.3))
        if oscillator is triangles:
            true *= k % 2 / k
        assert abs(found[k * bins] - true) < 2e-3 * true + 1e-6


@pytest.mark.parametrize("oscillator", [saws, pulses, triangles])
def test_edges_of_a_glide_lie_where_the_parabola_puts_them(oscillator):
    steps, width = 200, 0.3
    cycles = np.where(np.arange(steps + 1) % 2, 0.012, 0.008)
    wave = sounded(oscillator, cycles, width if oscillator is pulses else None, phase=0.4)
    j = np.arange(GRID_FRAMES)
    turns, start = [], 0.4
    for before, now in itertools.pairwise(cycles):
        turns.append(start + before * j + (now - before) * j**2 / (2 * GRID_FRAMES))
        start += GRID_FRAMES * (before + now) / 2
    true = waves(np.concatenate(turns), oscillator, width, harmonics=38)
    wave, true = wave[LATENCY_FRAMES:], true[:-LATENCY_FRAMES]
    error = low_passed(wave - true, 0.15)
    assert 20 * np.log10(np.std(error) / np.std(low_passed(true, 0.15))) < -90.0


@pytest.mark.parametrize("cycles", [1 / 64, 1 / 128, 3 / 64, 1 / 4, 0.01, 0.05])
@pytest.mark.parametrize("width", [0.25, 0.3, 0.5])
def test_edges_on_a_steps_border_are_neither_lost_nor_doubled(cycles, width):
    steps = 100
    turns = np.arange(steps * GRID_FRAMES - LATENCY_FRAMES) * cycles
    for oscillator in (saws, pulses, triangles):
        wave = sounded(oscillator, np.full(steps + 1, cycles), width if oscillator is pulses else None)
        harmonics = int(0.36 / cycles)
        error = low_passed(wave[LATENCY_FRAMES:] - waves(turns, oscillator, width, harmonics), 0.35)
        assert np.max(np.abs(error)) < 2e-4


def test_a_width_may_outrun_its_wave():
    steps = 400
    width = 0.5 + 0.47 * np.cos(np.arange(steps + 1) * 1.1)[:, None]
    cycles = 0.0011
    wave = sounded(pulses, np.full(steps + 1, cycles), width, phase=0.2)
    frame = np.arange(steps * GRID_FRAMES)
    turns = 0.2 + cycles * frame
    moving = np.interp(frame, np.arange(steps + 1) * GRID_FRAMES, width[:, 0])
    naive = 2 * ((turns - moving) % 1.0) - 2 * (turns % 1.0)
    error = (wave[LATENCY_FRAMES:] - naive[:-LATENCY_FRAMES])[GRID_FRAMES:]
    assert np.mean(np.abs(error) > 0.2) < 0.02
    assert np.max(np.abs(wave)) < 2.5


def test_levels_ramp_and_voices_add_up():
    steps = 40
    rng = np.random.default_rng(5)
    cycles = np.tile([0.003, 0.0071], (steps + 1, 1))
    left = rng.uniform(0, 1, (steps + 1, 2)).astype(np.float32)
    both = np.ones((2, steps * GRID_FRAMES), np.float32)
    saws(np.array([0.1, 0.6]), np.zeros((2, TAIL), np.float32), cycles, left, left, both)
    apart = np.ones((2, steps * GRID_FRAMES))
    for i, phase in enumerate((0.1, 0.6)):
        wave = sounded(saws, cycles[:, i], phase=phase)
        late = np.arange(steps * GRID_FRAMES) - LATENCY_FRAMES
        apart += wave * np.interp(late, np.arange(steps + 1) * GRID_FRAMES, left[:, i])
    # An edge is drawn at its own frame's level while the ramp moves on around it: a difference of up to
    # 16 frames of ramp on a residual of at most 1/2.
    assert np.max(np.abs(both - apart)) < 0.2
    assert np.sqrt(np.mean((both - apart) ** 2)) < 0.01


@pytest.mark.parametrize("oscillator", [saws, pulses, triangles])
def test_a_span_may_be_cut_anywhere(oscillator):
    rng = np.random.default_rng(2)
    sizes = [1, 2, 1, 128, 5, 64, 3]
    steps, n = sum(sizes), 5
    cycles = rng.uniform(0.0, 0.49, (steps + 1, n)) ** 3
    widths = (rng.uniform(0.02, 0.98, (steps + 1, n)),) if oscillator is pulses else ()
    left, right = (rng.uniform(-1, 1, (steps + 1, n)).astype(np.float32) for _ in range(2))
    controls = (cycles, *widths, left, right)

    def rendered(cuts):
        phase, tail, parts, at = np.linspace(0, 0.9, n), np.zeros((2, TAIL), np.float32), [], 0
        for size in cuts:
            part = np.zeros((2, size * GRID_FRAMES), np.float32)
            oscillator(phase, tail, *(control[at : at + size + 1] for control in controls), part)
            parts.append(part)
            at += size
        return np.concatenate(parts, axis=1), phase, tail

    for whole, cut in zip(rendered([steps]), rendered(sizes), strict=True):
        assert np.array_equal(whole, cut)
