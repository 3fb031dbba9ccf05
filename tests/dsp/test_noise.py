import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.noise import brown, brown_state, impulses, pink, pink_state, white

KEY = 0xFEDCBA9876543210


def density_db(x, rate_hz, centre_hz):
    """The mean power density of an octave, in dB."""
    from scipy.signal import welch

    f, power = welch(x.astype(np.float64), rate_hz, nperseg=16384)
    inside = (f >= centre_hz / 2**0.5) & (f < centre_hz * 2**0.5)
    return 10 * np.log10(power[:, inside].mean() if x.ndim > 1 else power[inside].mean())


def made(kind, lanes, frames, rate_hz=48000, start=0, key=KEY):
    out = np.zeros((lanes, frames), np.float32)
    if kind == "white":
        white(key, start, out)
    elif kind == "pink":
        pink(pink_state(lanes), key, start, out)
    else:
        brown(brown_state(lanes, rate_hz), key, start, out)
    return out


def test_white_is_uniform_and_flat():
    x = made("white", 4, 1 << 18)
    assert np.abs(x).max() <= 1.0
    assert x.mean() == pytest.approx(0, abs=0.003)
    assert x.std() == pytest.approx(3**-0.5, rel=0.003)
    counts = np.histogram(x, 64, (-1, 1))[0]
    expected = x.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * (2 * 63) ** 0.5
    levels_db = [density_db(x, 48000, f) for f in (125, 500, 2000, 8000, 16000)]
    assert np.ptp(levels_db) < 0.3


def test_all_frames_of_a_step_are_strangers():
    x = made("white", 1, 65536 * GRID_FRAMES).reshape(-1, GRID_FRAMES)
    shared = np.corrcoef(x, rowvar=False) - np.eye(GRID_FRAMES)
    assert np.abs(shared).max() < 5 / 65536**0.5


def test_lanes_keys_and_neighbours_are_strangers():
    x = made("white", 3, 1 << 16)
    other = made("white", 1, 1 << 16, key=KEY + 1)
    far = made("white", 1, 1 << 16, start=1 << 32)
    rows = np.vstack([x, other, far])
    assert np.abs(np.corrcoef(rows) - np.eye(5)).max() < 0.02
    power = np.abs(np.fft.rfft(x[0])) ** 2
    own = np.fft.irfft(power)
    assert np.abs(own[1:4096]).max() / own[0] < 0.025
    # Nor are two of them the same noise, shifted.
    shared = np.fft.irfft(np.fft.rfft(x[0]) * np.conj(np.fft.rfft(other[0])))
    assert np.abs(shared).max() / own[0] < 0.025


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_pink_falls_by_3_db_an_octave(rate_hz):
    x = made("pink", 8, 1 << 19, rate_hz)
    centres_hz = 16000 / 2.0 ** np.arange(9)
    # Pink noise has its mean density in an octave 3.01 dB under that of the octave below.
    steps_db = np.diff([density_db(x, rate_hz, f) for f in centres_hz])
    np.testing.assert_allclose(steps_db[:-1], 3.01, atol=0.3)
    assert steps_db[-1] == pytest.approx(3.01, abs=0.6)  # 62 Hz: few bins, wide scatter
    assert x.std() == pytest.approx(3**-0.5, rel=0.12)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_pink_response_is_pink_from_40_hz_to_16_khz(rate_hz):
    """Without the scatter of noise: what turns white into pink, from the noise itself."""
    from scipy.signal import csd, welch

    w, p = made("white", 16, 1 << 19), made("pink", 16, 1 << 19)
    f, across = csd(w, p, rate_hz, nperseg=1 << 16)
    _, alone = welch(w, rate_hz, nperseg=1 << 16)
    gain = np.abs(across.mean(axis=0)) / alone.mean(axis=0)
    octaves_hz = 16000 / 2.0 ** np.arange(9.6)
    levels_db = [10 * np.log10((gain[(f > c * 0.9) & (f < c / 0.9)] ** 2).mean()) for c in octaves_hz]
    np.testing.assert_allclose(np.diff(levels_db), 3.01, atol=0.3)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
def test_brown_falls_by_6_db_an_octave_as_loud_at_any_rate(rate_hz):
    x = made("brown", 8, 1 << 19, rate_hz)
    centres_hz = (125, 250, 500, 1000, 2000, 4000)
    steps_db = np.diff([density_db(x, rate_hz, f) for f in centres_hz])
    np.testing.assert_allclose(steps_db, -6.02, atol=0.3)
    assert x.std() == pytest.approx(3**-0.5, rel=0.1)


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
@pytest.mark.parametrize("lanes", [3, 35])
def test_a_lane_is_the_same_alone_and_among_many(kind, lanes):
    """To the bit, also where the count of frames needs another 32 bits."""
    start = (1 << 32) - 5 * GRID_FRAMES
    many, alone = (made(kind, n, 10 * GRID_FRAMES, start=start) for n in (lanes, 1))
    np.testing.assert_array_equal(many[:1], alone)
    np.testing.assert_array_equal(many, made(kind, lanes + 1, 10 * GRID_FRAMES, start=start)[:-1])


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
@pytest.mark.parametrize("lanes", [3, 19])
def test_noise_is_the_same_however_the_span_is_cut(kind, lanes):
    frames = 129 * GRID_FRAMES
    whole = made(kind, lanes, frames)
    state = pink_state(lanes) if kind == "pink" else brown_state(lanes, 48000)
    at = 0
    for steps in (1, 2, 3, 60, 1, 62):
        out = np.zeros((lanes, steps * GRID_FRAMES), np.float32)
        if kind == "white":
            white(KEY, at, out)
        else:
            (pink if kind == "pink" else brown)(state, KEY, at, out)
        np.testing.assert_array_equal(out, whole[:, at : at + out.shape[1]])
        at += out.shape[1]


@pytest.mark.parametrize("density", [0.0, 0.0007, 0.02, 0.5])
def test_impulses_come_as_often_as_asked_and_at_random(density):
    frames = 1 << 18
    out = np.ones(frames, np.float32)
    impulses(KEY, 0, np.full(frames // GRID_FRAMES + 1, density), out)
    times = np.flatnonzero(out)
    assert times.size == pytest.approx(density * frames, abs=4 * (density * frames) ** 0.5)
    if density:
        gaps = np.diff(times)
        assert gaps.std() / gaps.mean() == pytest.approx((1 - density) ** 0.5, rel=0.2)
        assert abs((out[times] > 0).mean() - 0.5) < 0.15
        assert np.abs(out).max() <= 1


def test_impulses_follow_their_density_and_not_the_blocks():
    steps = 1024
    density = np.linspace(0, 0.2, steps + 1)
    whole = np.zeros(steps * GRID_FRAMES, np.float32)
    impulses(7, 6400, density, whole)
    halves = [np.count_nonzero(half) for half in np.split(whole, 2)]
    assert halves[1] / halves[0] == pytest.approx(3, rel=0.1)
    for a, b in ((0, 1), (1, 8), (8, 136), (136, 137)):
        part = np.zeros((b - a) * GRID_FRAMES, np.float32)
        impulses(7, 6400 + a * GRID_FRAMES, density[a : b + 1], part)
        np.testing.assert_array_equal(part, whole[a * GRID_FRAMES : b * GRID_FRAMES])
