import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.dynamics import limiter, limiter_latency, limiter_state

CEILING_DB = -1.0
CEILING = 10 ** (CEILING_DB / 20)


def limited(x: np.ndarray, rate_hz: int, spans=None) -> np.ndarray:
    """`x` (2, frames) through the limiter, with its latency taken off."""
    latency = limiter_latency(rate_hz)
    frames = -(-(x.shape[1] + latency) // GRID_FRAMES) * GRID_FRAMES
    padded, out = np.zeros((2, frames), np.float32), np.zeros((2, frames), np.float32)
    padded[:, : x.shape[1]] = x
    state = limiter_state(rate_hz)
    at = 0
    for steps in spans or [frames // GRID_FRAMES]:
        part = np.zeros((2, min(steps * GRID_FRAMES, frames - at)), np.float32)
        limiter(state, CEILING, padded[:, at : at + part.shape[1]].copy(), part)
        out[:, at : at + part.shape[1]] = part
        at += part.shape[1]
        if at == frames:
            break
    return out[:, latency : latency + x.shape[1]]


def true_peak_db(x: np.ndarray) -> float:
    """By sixteen times oversampling with a Kaiser window, nothing shared with the limiter's detector."""
    from scipy.signal import resample_poly

    dense = resample_poly(x.astype(np.float64), 16, 1, axis=1, window=("kaiser", 9.0))
    return 20 * np.log10(max(np.abs(dense).max(), np.abs(x).max()))


def overs(rate_hz: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(4)
    frames = rate_hz // 2
    n = np.arange(frames)
    bursts = (n * 7 / rate_hz) % 1 < 0.2
    both = np.ones((2, 1))
    signals = {
        "noise": 3 * chance.standard_normal((2, frames)),
        "noise bursts": 10 * chance.standard_normal((2, frames)) * bursts,
        "square": 10 * np.sign(np.sin(2 * np.pi * 997 / rate_hz * n + 0.01)) * both,
        "high square": 10 * np.sign(np.sin(2 * np.pi * 5003 / rate_hz * n + 0.01)) * both,
        "a quarter of the rate at 45 degrees": 1.4 * np.sin(np.pi / 2 * n + np.pi / 4) * both,
        "clicks": 10 * (chance.random((2, frames)) < 0.001) * chance.choice([-1, 1], (2, frames)),
        "bass": 10 * np.sin(2 * np.pi * 45 / rate_hz * n) * both,
        "one side": np.stack([10 * chance.uniform(-1, 1, frames), np.zeros(frames)]),
    }
    for cycles in (0.31, 0.3701, 0.4001, 0.43, 0.46):
        signals[f"sine bursts at {cycles}"] = 10 * np.sin(2 * np.pi * cycles * n) * bursts * both
    return signals


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_no_true_peak_passes_the_ceiling(rate_hz):
    for name, x in overs(rate_hz).items():
        assert true_peak_db(x) > 0, name
        assert true_peak_db(limited(x, rate_hz)) <= CEILING_DB, name


def test_what_is_under_the_ceiling_comes_out_to_the_bit():
    x = (0.15 * np.random.default_rng(2).standard_normal((2, 48000))).astype(np.float32)
    assert true_peak_db(x) < CEILING_DB - 0.5
    np.testing.assert_array_equal(limited(x, 48000), x)


def test_it_comes_back_to_the_bit_after_an_over():
    x = np.full((2, 20 * 48000), 0.1, np.float32)
    x[:, 1000:1100] = 5.0
    out = limited(x, 48000)
    assert out[0, 2000] < 0.09
    np.testing.assert_array_equal(out[:, -48000:], x[:, -48000:])


def test_latency_is_whole_blocks_and_under_1_5_ms():
    for rate_hz in (44100, 48000, 88200, 96000, 192000):
        assert limiter_latency(rate_hz) % GRID_FRAMES == 0
        assert 0.001 <= limiter_latency(rate_hz) / rate_hz < 0.0015


@pytest.mark.parametrize("bass_hz", [45, 50, 80, 110])
def test_a_bass_is_made_softer_and_not_distorted(bass_hz):
    rate_hz = 48000
    n = np.arange(4 * rate_hz)
    x = np.tile(2.0 * np.sin(2 * np.pi * bass_hz / rate_hz * n), (2, 1))
    settled = limited(x, rate_hz)[0, 2 * rate_hz :]
    spectrum = np.abs(np.fft.rfft(settled * np.hanning(settled.size)))
    spectrum[: spectrum.size // rate_hz] = 0
    fundamental = bass_hz * settled.size // rate_hz
    rest = spectrum.copy()
    rest[fundamental - 4 : fundamental + 5] = 0
    assert np.sqrt((rest**2).sum() / (spectrum**2).sum()) < 0.001


def test_both_sides_share_one_gain():
    x = np.random.default_rng(3).uniform(-1, 1, (2, 48000))
    x[0] *= 8
    out = limited(x, 48000)
    np.testing.assert_allclose(out[0] / x[0], out[1] / x[1], rtol=1e-5)


def test_a_dense_passage_lets_go_more_slowly_than_a_click():
    rate_hz = 48000
    gains = []
    for loud_s in (0.002, 2.0):
        x = np.full((2, 4 * rate_hz), 0.1)
        end = rate_hz // 2 + int(loud_s * rate_hz)
        x[:, rate_hz // 2 : end] = 4.0
        gains.append(limited(x, rate_hz)[0, end + rate_hz // 5] / 0.1)
    assert gains[0] > gains[1] + 0.1


def test_it_is_the_same_however_the_span_is_cut():
    x = np.random.default_rng(5).standard_normal((2, 129 * GRID_FRAMES)) * np.linspace(
        0, 3, 129 * GRID_FRAMES
    )
    np.testing.assert_array_equal(limited(x, 48000), limited(x, 48000, [*range(1, 40)]))
