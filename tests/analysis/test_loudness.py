"""The meter against EBU Tech 3341 and 3342's own signals, and against pyloudnorm."""

import numpy as np
import pytest

from resonance.analysis.loudness import Meter, k_weighting

RATES_HZ = [44_100, 48_000, 96_000]


def tone(level_db, seconds, rate_hz=48_000, frequency_hz=1000.0, channels=2):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    one = 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * t)
    return np.repeat(one[:, None], channels, 1).astype(np.float32)


def tones(parts, rate_hz=48_000):
    """(level in dBFS of each channel's peak, seconds), as the documents write them."""
    return np.concatenate([tone(level_db, seconds, rate_hz) for level_db, seconds in parts])


def metered(audio, rate_hz=48_000, block=7919, **options):
    meter = Meter(rate_hz, audio.shape[1], **options)
    for start in range(0, len(audio), block):
        meter.add(audio[start : start + block])
    return meter


def test_weighting_is_the_table_at_48_khz():
    """Source: BS.1770-4, tables 1 and 2."""
    shelf, high_pass = k_weighting(48_000)
    table = [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585]
    assert shelf == pytest.approx(table, abs=1e-8)
    assert high_pass == pytest.approx([1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621], abs=1e-8)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("level_db", [-23.0, -33.0])
def test_3341_cases_1_and_2_a_steady_tone(level_db, rate_hz):
    meter = metered(tone(level_db, 20, rate_hz), rate_hz)
    for reading in (meter.momentary, meter.short_term, meter.integrated()):
        assert reading == pytest.approx(level_db, abs=0.1)


@pytest.mark.parametrize(
    "parts",
    [
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
    ids=["case 3", "case 4", "case 5"],
)
def test_3341_gating(parts):
    assert metered(tones(parts)).integrated() == pytest.approx(-23.0, abs=0.1)


def test_3341_case_6_five_channels():
    levels_db = (-28, -28, -24, -30, -30)
    audio = np.concatenate([tone(level_db, 20, channels=1) for level_db in levels_db], axis=1)
    assert metered(audio).integrated() == pytest.approx(-23.0, abs=0.1)


def test_3341_case_9_short_term_is_constant():
    meter = metered(tones([(-20, 1.34), (-30, 1.66)] * 5), remembers=True)
    _, _, short_term = meter.curve(0.1)
    assert short_term[29:] == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("silence_s", [0.0, 0.3, 1.5, 2.85])
def test_3341_case_10_short_term_maximum(silence_s):
    audio = np.concatenate([tone(-300, silence_s), tone(-23, 3), tone(-300, 1)])
    assert metered(audio).short_term_max == pytest.approx(-23.0, abs=0.1)


def test_3341_case_12_momentary_is_constant():
    meter = metered(tones([(-20, 0.18), (-30, 0.22)] * 25), remembers=True)
    _, momentary, _ = meter.curve(0.1)
    assert momentary[3:] == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("silence_s", [0.0, 0.1, 0.2])
def test_3341_case_13_momentary_maximum(silence_s):
    audio = np.concatenate([tone(-300, silence_s), tone(-23, 0.4), tone(-300, 1)])
    assert metered(audio).momentary_max == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(
    ("divisor", "phase", "level", "expected_db"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
    ids=["case 15", "case 16", "case 17", "case 18", "case 19"],
)
def test_3341_true_peaks(divisor, phase, level, expected_db, rate_hz):
    n = np.arange(rate_hz // 2)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / (0.02 * rate_hz))
    audio = (level * fade * np.sin(2 * np.pi * n / divisor + np.radians(phase))).astype(np.float32)
    found_db = metered(audio[:, None], rate_hz).true_peak_dbtp
    assert expected_db - 0.4 <= found_db <= expected_db + 0.2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(-20, 20), (-30, 20)], 10),
        ([(-20, 20), (-15, 20)], 5),
        ([(-40, 20), (-20, 20)], 20),
        ([(-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)], 15),
    ],
    ids=["case 1", "case 2", "case 3", "case 4"],
)
def test_3342_loudness_range(parts, expected):
    assert metered(tones(parts)).loudness_range() == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_integrated_as_pyloudnorm(rate_hz):
    import pyloudnorm

    generator = np.random.default_rng(1)
    audio = (0.1 * generator.standard_normal((8 * rate_hz, 2))).cumsum(axis=0)
    audio = (np.diff(audio, axis=0) + 0.01 * audio[1:]) * np.linspace(0.001, 0.3, len(audio) - 1)[:, None]
    meter = metered(audio.astype(np.float32), rate_hz)
    assert meter.integrated() == pytest.approx(pyloudnorm.Meter(rate_hz).integrated_loudness(audio), abs=0.1)


def test_block_size_does_not_matter():
    audio = (0.1 * np.random.default_rng(2).standard_normal((200_000, 2))).astype(np.float32)
    readings = [
        (m.integrated(), m.loudness_range(), m.momentary_max, m.true_peak_dbtp)
        for m in (metered(audio, block=size) for size in (997, 64, 200_000))
    ]
    assert readings[0] == pytest.approx(readings[1], abs=1e-6)
    assert readings[0] == pytest.approx(readings[2], abs=1e-6)


def test_a_peak_at_a_border_of_blocks_is_found():
    audio = np.zeros((1000, 1), np.float32)
    audio[499:501] = 0.5
    found = [metered(audio, block=size).true_peak_dbtp for size in (1000, 500, 501, 1)]
    assert max(found) - min(found) < 1e-6
    assert found[0] > 20 * np.log10(0.5) + 1.5


def test_a_peak_in_the_last_sample_is_found():
    audio = np.zeros((1000, 1), np.float32)
    audio[-1] = 0.5
    assert [metered(audio, block=size).true_peak_dbtp for size in (1000, 999, 7)] == [20 * np.log10(0.5)] * 3


def test_silence_reads_nothing():
    meter = metered(np.zeros((96_000, 2), np.float32))
    assert meter.integrated() == meter.momentary == meter.true_peak_dbtp == -np.inf
    assert meter.loudness_range() == 0.0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="channels"):
        Meter(48_000, 3)
    with pytest.raises(ValueError, match="frames"):
        Meter(48_000, 2).add(np.zeros((2, 480), np.float32))
