"""The shared space against what a room is: decay by octave, Gaussian tails, wide and calm."""

from itertools import pairwise

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.space import LINES, space, space_coefficients, space_state

OCTAVES_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)


def asked_t60_s(low_s, mid_s, high_s, frequency_hz):
    """What the documentation of `space_coefficients` promises."""
    low, mid, high, f = 1 / low_s, 1 / mid_s, 1 / high_s, frequency_hz
    return 1 / (mid + (low - mid) / (1 + (f / 250) ** 2) + (high - mid) / (1 + (4000 / f) ** 2))


def answer(x, rate_hz, t60_s=(6.0, 5.0, 2.0), size_m=20.0, seed=3, cuts=None):
    state = space_state(rate_hz, size_m, seed)
    steps = x.shape[1] // GRID_FRAMES
    t60 = space_coefficients(*(np.broadcast_to(t, steps + 1) for t in t60_s), rate_hz)
    out = np.zeros_like(x)
    for a, b in cuts or [(0, steps)]:
        part = np.zeros((2, (b - a) * GRID_FRAMES), np.float32)
        piece = np.ascontiguousarray(x[:, a * GRID_FRAMES : b * GRID_FRAMES])
        space(state, np.ascontiguousarray(t60[a : b + 1]), piece, part)
        out[:, a * GRID_FRAMES : b * GRID_FRAMES] = part
    return out


def burst(rate_hz, seconds, burst_s=0.05, seed=1):
    frames = int(seconds * rate_hz) // GRID_FRAMES * GRID_FRAMES
    x = np.zeros((2, frames), np.float32)
    long = int(burst_s * rate_hz)
    x[:, :long] = np.random.default_rng(seed).standard_normal((2, long))
    return x


def click(rate_hz, seconds):
    x = np.zeros((2, int(seconds * rate_hz) // GRID_FRAMES * GRID_FRAMES), np.float32)
    x[:, 0] = 1.0
    return x


def octave(x, rate_hz, centre_hz):
    from scipy.signal import butter, sosfiltfilt

    edges = [centre_hz / 2**0.5, centre_hz * 2**0.5]
    return sosfiltfilt(butter(3, edges, "band", fs=rate_hz, output="sos"), x.astype(np.float64))


def measured_t60_s(bands, rate_hz):
    """Schroeder's backward integration of several answers together, fitted from -4 to -20 dB."""
    energy = sum((band**2).sum(axis=0)[::-1].cumsum()[::-1] for band in bands)
    energy = energy[int(0.25 * rate_hz) :]
    level_db = 10 * np.log10(energy / energy[0])
    first, last = np.argmax(level_db < -4), np.argmax(level_db < -20)
    n = np.arange(first, last, 32)
    return -60 / np.polyfit(n / rate_hz, level_db[n], 1)[0]


@pytest.mark.parametrize(
    ("rate_hz", "size_m", "t60_s"),
    [
        (44100, 25, (5.0, 3.5, 1.5)),
        (48000, 25, (3.0, 4.0, 2.0)),
        (48000, 12, (2.0, 2.0, 1.0)),
        (96000, 25, (5.0, 3.5, 1.5)),
    ],
)
def test_t60_is_as_asked_in_every_octave(rate_hz, size_m, t60_s):
    seeds = range(3)
    tails = [answer(burst(rate_hz, 4.5, seed=s), rate_hz, t60_s, size_m, s) for s in seeds]
    for centre_hz in OCTAVES_HZ:
        measured = measured_t60_s([octave(tail, rate_hz, centre_hz) for tail in tails], rate_hz)
        # The octave's own mean: a filter's width shifts nothing when T60 moves slowly over it.
        asked = asked_t60_s(*t60_s, centre_hz)
        assert measured == pytest.approx(asked, rel=0.1), f"{centre_hz} Hz"


def roughest(tail, rate_hz, t60_s):
    """How far the highest resonances of a tail stand out, in dB over the mean of their surroundings.

    The tail is first freed of its decay. A Gaussian noise has a Rayleigh spectrum, whose highest of some
    thousand bins stands 9 to 12 dB out; a mode that rings stands out much further.
    """
    n = np.arange(tail.size)
    flat = tail * 10 ** (3 * n / (t60_s * rate_hz)) * np.hanning(tail.size)
    power = np.abs(np.fft.rfft(flat)) ** 2
    low, high = (int(f * tail.size / rate_hz) for f in (300, 3000))
    width = 400
    around = np.convolve(power, np.ones(width) / width, mode="same")
    return 10 * np.log10((power / around)[low:high].max())


def test_no_mode_rings():
    rate_hz, t60_s = 48000, 3.0
    part = slice(rate_hz, 3 * rate_hz)
    tails = [answer(click(rate_hz, 3.2), rate_hz, (t60_s,) * 3, 20.0, seed)[0, part] for seed in range(3)]
    envelope = 10 ** (-3 * np.arange(2 * rate_hz) / (t60_s * rate_hz))
    noises = [np.random.default_rng(s).standard_normal(2 * rate_hz) * envelope for s in range(3)]
    comb = np.zeros(3 * rate_hz)
    comb[:: rate_hz // 40] = 1.0
    comb[:: rate_hz // 53] += 1.0
    ringing = comb[: 2 * rate_hz] * envelope
    limit_db = 13.0
    assert max(roughest(tail, rate_hz, t60_s) for tail in noises) < limit_db
    assert max(roughest(tail, rate_hz, t60_s) for tail in tails) < limit_db
    assert roughest(ringing, rate_hz, t60_s) > limit_db
    assert roughest(undersized(rate_hz, 3 * rate_hz, t60_s)[part], rate_hz, t60_s) > limit_db


def undersized(rate_hz, frames, t60_s):
    """A network of four short lines that never move: what must fail."""
    delays = np.array([149, 211, 263, 293])
    gains = 10 ** (-3 * delays / (t60_s * rate_hz))
    mixing = 0.5 * np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    lines, out = np.zeros((4, frames + 300)), np.zeros(frames)
    lines[:, 0] = 1.0
    for n in range(1, frames):
        heard = np.array(
            [
                lines[k, n - d] * g if n >= d else 0.0
                for k, (d, g) in enumerate(zip(delays, gains, strict=True))
            ]
        )
        out[n] = heard.sum()
        lines[:, n] = mixing @ heard
    return out


def test_echoes_are_dense_within_150_ms():
    """Source: Abel and Huang, A simple, robust measure of reverberation echo density, AES 121, 2006."""
    from scipy.special import erfc

    rate_hz, width = 48000, 960
    tail = answer(click(rate_hz, 0.5), rate_hz, (4.0, 4.0, 3.0), 25.0)[0].astype(np.float64)
    first = np.argmax(np.abs(tail) > 1e-9)
    window = np.hanning(2 * width + 1)
    window /= window.sum()

    def density(at):
        part = tail[at - width : at + width + 1]
        return (window * (np.abs(part) > np.sqrt((window * part**2).sum()))).sum() / erfc(1 / np.sqrt(2))

    profile = [density(first + int(t * rate_hz)) for t in np.arange(0.15, 0.4, 0.01)]
    assert min(profile) > 0.85
    assert np.mean(profile) == pytest.approx(1.0, abs=0.06)


def test_left_and_right_share_little_and_their_sum_loses_nothing():
    from scipy.signal import coherence

    rate_hz = 48000
    x = np.tile(np.random.default_rng(1).standard_normal(10 * rate_hz // 64 * 64).astype(np.float32), (2, 1))
    out = answer(x, rate_hz, (2.0, 2.0, 1.0))[:, 3 * rate_hz :]
    f, shared = coherence(out[0], out[1], rate_hz, nperseg=1024)
    assert np.median(shared[f > 200]) < 0.1
    together_db = 10 * np.log10((out.sum(axis=0) ** 2).mean() / (out**2).mean(axis=1).sum())
    assert abs(together_db) < 1.5


@pytest.mark.parametrize("t60_s", [1.0, 4.0, 12.0])
def test_a_steady_sound_returns_about_as_loud_as_it_went_in(t60_s):
    rate_hz = 48000
    seconds = 3 + 1.2 * t60_s
    x = np.random.default_rng(1).standard_normal((2, int(seconds * rate_hz) // 64 * 64)).astype(np.float32)
    out = answer(x, rate_hz, (t60_s,) * 3)[:, -2 * rate_hz :]
    level = octave(out, rate_hz, 1000).std() / octave(x, rate_hz, 1000).std()
    assert 20 * np.log10(level) == pytest.approx(0, abs=1.5)


def test_an_hour_at_30_s_stays_bounded():
    """Full-scale noise that never stops, for as long as the network needs to grow.

    The time in which energy settles at T60 30 s is 30 s; four times that is as good as an hour.
    """
    rate_hz = 44100
    chance = np.random.default_rng(1)
    state = space_state(rate_hz, 30.0, 1)
    t60 = np.tile(space_coefficients(30.0, 30.0, 30.0, rate_hz), (129, 1))
    levels = []
    for _ in range(4 * 30 * rate_hz // 8192):
        x = chance.uniform(-1, 1, (2, 8192)).astype(np.float32)
        out = np.zeros_like(x)
        space(state, t60, x, out)
        levels.append(out.std() / x.std())
    half = len(levels) // 2
    assert np.mean(levels[half:]) == pytest.approx(1, rel=0.4)
    assert np.mean(levels[half:]) == pytest.approx(np.mean(levels[half // 2 : half]), rel=0.15)


def test_it_falls_to_exact_silence():
    rate_hz = 48000
    state = space_state(rate_hz, 10.0, 1)
    t60 = np.tile(space_coefficients(0.5, 0.5, 0.5, rate_hz), (129, 1))
    x = np.random.default_rng(1).standard_normal((2, 8192)).astype(np.float32)
    for _ in range(60):
        out = np.zeros_like(x)
        space(state, t60, x, out)
        x[:] = 0
    assert not out.any()
    assert not state.lines.any()
    assert not state.shelves[-3 * LINES :].any()


def test_t60_moves_without_a_click():
    """A sine's reverberation, while T60 goes from 6 s to 2 s in one second, has nothing new in its highs."""
    from scipy.signal import butter, sosfilt

    rate_hz = 48000
    steps = 4 * rate_hz // GRID_FRAMES
    n = np.arange(steps * GRID_FRAMES)
    fade = np.minimum(n / rate_hz, 1) ** 2 * (3 - 2 * np.minimum(n / rate_hz, 1))
    x = np.tile((0.5 * fade * np.sin(2 * np.pi * 200 / rate_hz * n)).astype(np.float32), (2, 1))
    moving = np.interp(np.arange(steps + 1) * GRID_FRAMES / rate_hz, [2, 3], [6.0, 2.0])
    out = answer(x, rate_hz, (moving, moving, moving / 2))
    highs = sosfilt(butter(8, 4000, "high", fs=rate_hz, output="sos"), out)
    part = slice(2 * rate_hz, 3 * rate_hz)
    assert 20 * np.log10(np.abs(highs[:, part]).max() / np.abs(out[:, part]).max()) < -95


@pytest.mark.parametrize("short_s", [0.2, 0.5])
def test_t60_that_is_torn_up_does_not_bloom(short_s):
    """What was let in to return as loud at a short T60 does not stay for a long one."""
    rate_hz, steps = 48000, 6 * 750
    x = np.random.default_rng(1).standard_normal((2, steps * GRID_FRAMES)).astype(np.float32)
    torn = np.where(np.arange(steps + 1) < 2 * 750, short_s, 8.0)
    out = answer(x, rate_hz, (torn, torn, torn), size_m=28.0)
    level_db = [20 * np.log10(part.std()) for part in np.split(out, 60, axis=1)]
    assert max(level_db[20:]) < np.mean(level_db[10:20]) + 2.0


def test_it_is_the_same_however_the_span_is_cut():
    steps = 200
    x = np.random.default_rng(1).standard_normal((2, steps * GRID_FRAMES)).astype(np.float32)
    moving = np.geomspace(6, 1, steps + 1)
    borders = np.unique(np.concatenate([[0], np.cumsum(np.arange(1, 19)), [171, 180, steps]]))
    cuts = list(pairwise(borders))
    whole = answer(x, 48000, (moving, 2.0, moving / 3), cuts=[(0, 128), (128, steps)])
    np.testing.assert_array_equal(whole, answer(x, 48000, (moving, 2.0, moving / 3), cuts=cuts))


def test_a_seed_is_a_room_and_another_seed_another():
    x = click(48000, 0.5)
    first, again, other = (answer(x, 48000, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first[0], other[0])[0, 1]) < 0.2


@pytest.mark.parametrize("size_m", [3.0, 101.0])
def test_a_size_out_of_range_is_refused(size_m):
    with pytest.raises(ValueError, match="between 4 and 100 metres"):
        space_state(48000, size_m, 1)


def test_a_space_at_rest_wakes_as_if_it_had_not_slept() -> None:
    """Rest is an economy: a burst after a long silence sounds the same however the silence was cut."""
    rate_hz = 48_000.0
    steps = 3000
    x = np.zeros((2, steps * GRID_FRAMES), np.float32)
    x[:, -200 * GRID_FRAMES :] = np.random.default_rng(1).standard_normal((2, 200 * GRID_FRAMES)) * 0.1
    heard = []
    for cut in (steps, 7):
        state = space_state(rate_hz, 14.0, 1)
        out = np.zeros_like(x)
        for first in range(0, steps, cut):
            frames = slice(first * GRID_FRAMES, min(steps, first + cut) * GRID_FRAMES)
            piece = np.ascontiguousarray(x[:, frames])
            part = np.zeros_like(piece)
            t60 = np.broadcast_to(space_coefficients(2.0, 2.0, 1.0, rate_hz), (piece.shape[1] // 64 + 1, 3))
            space(state, np.ascontiguousarray(t60), piece, part)
            out[:, frames] = part
        heard.append(out)
    assert np.array_equal(heard[0], heard[1])
    assert heard[0].any()
    assert not heard[0][:, : -200 * GRID_FRAMES].any()
