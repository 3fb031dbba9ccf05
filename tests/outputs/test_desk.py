"""Between the piece and the ring: nothing is touched that need not be, and nothing passes the ceiling."""

import numpy as np
import pytest

from resonance.analysis.loudness import Meter
from resonance.dsp.dynamics import limiter, limiter_latency, limiter_state
from resonance.outputs.speakers.desk import Desk
from resonance.units import level_from_db


def mastered(seconds: float, rate_hz: float = 48_000.0) -> np.ndarray:
    """Loud music as the engine gives it: noise and a bass, driven into its ceiling, (frames, 2)."""
    frames = int(seconds * rate_hz) // 64 * 64
    chance = np.random.default_rng(1)
    x = np.cumsum(chance.normal(0.0, 0.05, (2, frames)), axis=1)
    x = (x - np.convolve(x[0], np.ones(500) / 500, "same")) * 4.0
    out = np.empty((2, frames), np.float32)
    limiter(limiter_state(rate_hz), level_from_db(-1.0), x.astype(np.float32), out)
    return out.T


def through(desk: Desk, audio: np.ndarray, block: int = 1000) -> np.ndarray:
    return np.concatenate([desk.through(audio[at : at + block]) for at in range(0, len(audio), block)])


def test_at_0_db_and_in_the_same_rate_nothing_is_touched_and_nothing_is_late() -> None:
    audio = mastered(3.0)
    assert np.abs(audio).max() > 0.8
    desk = Desk(48_000.0, 48_000.0)
    out = through(desk, audio)
    assert desk.latency_frames == 0
    assert np.array_equal(out, audio[: len(out)])


def test_the_ceiling_comes_in_without_a_click() -> None:
    wave = 0.5 * np.sin(2.0 * np.pi * 200.0 * np.arange(96_000) / 48_000.0)
    audio = np.stack([wave, wave], axis=1).astype(np.float32)
    desk = Desk(48_000.0, 48_000.0)
    before = through(desk, audio[:48_000])
    desk.boost = 1.0001
    out = np.concatenate([before, through(desk, audio[48_000:])])[:, 0]
    late = desk.latency_frames
    assert late == limiter_latency(48_000.0)
    curved = np.abs(np.diff(out, 2))
    assert curved.max() < 1.3 * np.abs(np.diff(wave, 2)).max()
    assert np.allclose(out[60_000:], 1.0001 * wave[60_000 - late : len(out) - late], atol=1e-5)


@pytest.mark.parametrize(("rate_hz", "boost_db"), [(48_000.0, 12.0), (44_100.0, 0.0), (96_000.0, 6.0)])
def test_no_true_peak_passes_the_ceiling(rate_hz: float, boost_db: float) -> None:
    desk = Desk(48_000.0, rate_hz)
    desk.boost = level_from_db(boost_db)
    out = through(desk, mastered(3.0))
    meter = Meter(int(rate_hz))
    meter.add(out)
    assert meter.true_peak_dbtp <= -1.0
    assert meter.true_peak_dbtp > -6.0


def test_two_pieces_at_once_do_not_pass_the_ceiling_either() -> None:
    desk = Desk(48_000.0, 48_000.0)
    desk.added = True
    while not desk.guarded:
        assert np.abs(desk.through(mastered(0.1))).max() <= level_from_db(-1.0)
    out = through(desk, mastered(3.0) * np.float32(1.4))
    assert np.abs(out).max() <= level_from_db(-1.0)
    assert np.abs(out).max() > 0.8


def test_the_volume_moves_without_a_zipper() -> None:
    desk = Desk(48_000.0, 48_000.0)
    audio = np.full((48_000, 2), 0.1, np.float32)
    calm = through(desk, audio)
    desk.boost = 2.0
    rising = through(desk, audio)
    assert calm[-1, 0] == np.float32(0.1)
    assert rising[-1, 0] == pytest.approx(0.2, abs=1e-5)
    assert np.abs(np.diff(rising[:, 0])).max() < 2e-4


def test_another_rate_keeps_time_and_pitch() -> None:
    audio = np.sin(2.0 * np.pi * 440.0 * np.arange(96_000) / 48_000.0).astype(np.float32) * 0.3
    out = through(Desk(48_000.0, 44_100.0), np.stack([audio, audio], axis=1))
    assert len(out) == pytest.approx(88_200, abs=2000)
    spectrum = np.abs(np.fft.rfft(out[8192 : 8192 + 44_100, 0] * np.hanning(44_100)))
    assert np.argmax(spectrum) == 440
