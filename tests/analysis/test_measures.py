"""Each measure on a sound whose answer is known beforehand."""

import numpy as np
import pytest

from resonance.analysis import measures
from resonance.tuning import Tuning

RATE_HZ = 48_000
RATES_HZ = [44_100, 48_000, 96_000]


def times(seconds, rate_hz=RATE_HZ):
    return np.arange(round(seconds * rate_hz)) / rate_hz


def sine(frequency_hz, seconds, level=0.1, rate_hz=RATE_HZ):
    return level * np.sin(2 * np.pi * frequency_hz * times(seconds, rate_hz))


def noise(seconds, level=0.1, seed=1, rate_hz=RATE_HZ):
    return level * np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))


def test_envelope_of_a_sine_is_its_rms():
    levels = measures.envelope_db(sine(1000, 1.0, 0.5), RATE_HZ)
    assert len(levels) == 20
    assert levels == pytest.approx(20 * np.log10(0.5) - 3.0103, abs=0.01)
    assert measures.envelope_db(np.zeros(4800), RATE_HZ).max() < -200


def test_layouts_that_are_no_sound_are_refused():
    with pytest.raises(ValueError, match="frames"):
        measures.envelope_db(np.zeros((2, 4800)), RATE_HZ)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_third_octaves_of_a_sine_lie_in_one_band(rate_hz):
    centres, levels = measures.third_octave_levels(sine(1000, 2.0, 0.5, rate_hz), rate_hz)
    loudest = np.argmax(levels)
    assert centres[loudest] == pytest.approx(1000, rel=0.01)
    assert levels[loudest] == pytest.approx(-9.03, abs=0.1)
    assert np.delete(levels, loudest).max() < -40


def test_third_octaves_of_white_noise_rise_by_one_db():
    _, levels = measures.third_octave_levels(noise(20.0), RATE_HZ, 200, 16000)
    assert np.diff(levels).mean() == pytest.approx(1.0, abs=0.05)


def test_band_level_of_what_lies_in_it():
    x = sine(60, 2.0, 0.5) + sine(1000, 2.0, 0.05)
    assert measures.band_level_db(x, RATE_HZ, 20, 120) == pytest.approx(-9.03, abs=0.05)
    assert measures.band_level_db(x, RATE_HZ, 500, 2000) == pytest.approx(-29.03, abs=0.05)


def test_stereo_correlation():
    left, right = noise(2.0, seed=1), noise(2.0, seed=2)
    assert measures.stereo_correlation(np.stack([left, left], 1)) == pytest.approx(1.0)
    assert measures.stereo_correlation(np.stack([left, -left], 1)) == pytest.approx(-1.0)
    assert abs(measures.stereo_correlation(np.stack([left, right], 1))) < 0.02


def test_mono_loss():
    left, right = noise(10.0, seed=1), noise(10.0, seed=2)
    _, same = measures.mono_loss_db(np.stack([left, left], 1), RATE_HZ)
    _, unrelated = measures.mono_loss_db(np.stack([left, right], 1), RATE_HZ)
    _, opposed = measures.mono_loss_db(np.stack([left, -left], 1), RATE_HZ)
    assert np.abs(same).max() < 1e-6
    assert unrelated[10:] == pytest.approx(3.01, abs=0.7)
    assert opposed.min() > 60


def test_envelope_autocorrelation_finds_a_loop():
    envelope = -30 + 0.01 * np.arange(2000) + np.tile(np.random.default_rng(0).standard_normal(200), 10)
    lags, correlations = measures.envelope_autocorrelation(envelope, 0.05, 5.0, 30.0)
    assert lags[np.argmax(correlations)] % 10.0 == pytest.approx(0.0, abs=1e-6)
    assert correlations.max() > 0.95
    free = np.random.default_rng(0).standard_normal(2000)
    assert measures.envelope_autocorrelation(free, 0.05, 5.0, 30.0)[1].max() < 0.2


def test_modulation_has_its_rate_and_depth():
    x = sine(1000, 8.0) * (1 + 0.3 * np.sin(2 * np.pi * 7 * times(8.0)))
    frequencies, depths = measures.am_spectrum(x, RATE_HZ)
    assert frequencies[np.argmax(depths)] == pytest.approx(7.0, abs=0.05)
    assert depths.max() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_spectrum_peaks_at_a_sine_with_its_amplitude(rate_hz):
    frequencies, magnitudes = measures.spectrum(sine(3000, 1.0, 0.25, rate_hz), rate_hz)
    assert frequencies[np.argmax(magnitudes)] == pytest.approx(3000, abs=12)
    assert magnitudes.max() == pytest.approx(0.25, rel=0.16)


def test_centroid_of_two_equal_tones_is_between_them():
    assert measures.centroid_hz(sine(1000, 1.0) + sine(3000, 1.0), RATE_HZ) == pytest.approx(2000, rel=0.02)
    assert measures.centroid_hz(noise(2.0), RATE_HZ) == pytest.approx(12_000, rel=0.02)


def test_silence_takes_no_part_in_the_centroid():
    x = np.concatenate([sine(1000, 1.0), noise(3.0, 1e-5)])
    assert measures.centroid_hz(x, RATE_HZ) == pytest.approx(1000, rel=0.08)
    assert np.isnan(measures.centroid_hz(np.zeros(48_000), RATE_HZ))


def test_flatness_of_noise_and_tone():
    assert measures.flatness(noise(2.0), RATE_HZ) == pytest.approx(np.exp(-np.euler_gamma), abs=0.01)
    assert measures.flatness(sine(1000, 2.0), RATE_HZ) < 1e-3


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_partials_are_found_within_a_cent(rate_hz):
    played = np.array([55.13, 110.4, 164.9, 441.7, 3520.3])
    levels = np.array([0.3, 0.1, 0.03, 0.01, 0.003])
    x = sum(sine(f, 3.0, a, rate_hz) for f, a in zip(played, levels, strict=True))
    found, found_db = measures.partials(x, rate_hz, 5)
    assert np.abs(1200 * np.log2(found / played)).max() < 0.1
    assert found_db == pytest.approx(20 * np.log10(levels), abs=0.05)


def test_partials_of_a_tone_have_no_side_lobes():
    _, levels = measures.partials(sine(441.7, 2.0, 1.0), RATE_HZ, 10)
    assert (levels[1:] < -85).all()


def vassilakis(f1, f2, a1, a2):
    """The published formula, for one pair."""
    s = 0.24 / (0.0207 * min(f1, f2) + 18.96)
    z = np.exp(-3.5 * s * abs(f2 - f1)) - np.exp(-5.75 * s * abs(f2 - f1))
    return (a1 * a2) ** 0.1 * 0.5 * (2 * min(a1, a2) / (a1 + a2)) ** 3.11 * z


def test_roughness_of_a_pair_is_the_formula():
    x = sine(200, 3.0) + sine(240, 3.0)
    assert measures.roughness(x, RATE_HZ) == pytest.approx(vassilakis(200, 240, 0.1, 0.1), rel=0.03)


def test_roughness_hears_level_not_and_beating_yes():
    rough = sine(200, 2.0) + sine(240, 2.0)
    assert measures.roughness(rough * 0.1, RATE_HZ) == pytest.approx(
        measures.roughness(rough, RATE_HZ), rel=1e-3
    )
    assert measures.roughness(sine(200, 2.0) + sine(300, 2.0), RATE_HZ) < 0.3 * measures.roughness(
        rough, RATE_HZ
    )
    assert measures.roughness(sine(200, 2.0), RATE_HZ) < 1e-3
    assert measures.roughness(np.zeros(48_000), RATE_HZ) == 0.0


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("t60_s", [0.4, 2.0, 8.0])
def test_t60_of_a_partial_beside_others(t60_s, rate_hz):
    t = times(4.0, rate_hz)
    x = sine(440, 4.0, 0.3, rate_hz) * 10 ** (-3 * t / t60_s)
    x += sine(880, 4.0, 0.3, rate_hz) * 10 ** (-3 * t / 0.7)
    x += noise(4.0, 1e-5, rate_hz=rate_hz)
    x = np.concatenate([np.zeros(rate_hz // 10), x])
    assert measures.t60_s(x, rate_hz, 440) == pytest.approx(t60_s, rel=0.03)


def test_t60_of_a_steady_tone_is_no_decay():
    assert measures.t60_s(sine(440, 2.0), RATE_HZ, 440) > 1000


def test_octave_t60_of_a_noise_tail():
    x = noise(6.0) * 10 ** (-3 * times(6.0) / 3.0)
    for centre_hz in (250, 1000, 4000):
        assert measures.band_t60_s(x, RATE_HZ, centre_hz) == pytest.approx(3.0, rel=0.06)


@pytest.mark.parametrize("frequency_hz", [82.4, 220.0, 440.0, 700.0])
def test_pitch_of_a_voice_within_cents(frequency_hz):
    x = sum(sine(frequency_hz * k, 0.5, 0.2 / k) for k in range(1, 9)) + noise(0.5, 1e-4)
    _, f0 = measures.pitch_track(x, RATE_HZ)
    assert np.abs(1200 * np.log2(f0 / frequency_hz)).max() < 3


def test_pitch_is_absent_from_noise_and_silence():
    assert np.isnan(measures.pitch_track(noise(0.5), RATE_HZ)[1]).all()
    assert np.isnan(measures.pitch_track(np.zeros(24_000), RATE_HZ)[1]).all()


def test_pitch_follows_time():
    times_s, f0 = measures.pitch_track(np.concatenate([sine(220, 0.5), sine(330, 0.5)]), RATE_HZ)
    assert f0[times_s < 0.45] == pytest.approx(220, rel=1e-3)
    assert f0[times_s > 0.55] == pytest.approx(330, rel=1e-3)


def test_cents_off_degrees():
    tuning = Tuning()
    off = measures.cents_off_degrees([55.0, 82.5 * 2 ** (10 / 1200), 110 * 2 ** (-7 / 1200), np.nan], tuning)
    assert off[:3] == pytest.approx([0.0, 10.0, -7.0], abs=1e-6)
    assert np.isnan(off[3])


def heart(lubs_s, dub_after_s, seconds):
    x = noise(seconds, 1e-3)
    for lub in lubs_s:
        for at, level in ((lub, 0.5), (lub + dub_after_s, 0.3)):
            t = times(0.25)
            start = round(at * RATE_HZ)
            hit = level * np.exp(-t / 0.05) * np.sin(2 * np.pi * 55 * t) * np.minimum(t / 0.004, 1)
            x[start : start + len(hit)] += hit
    return x


def test_beats_of_a_heart():
    gaps = 60 / 62 * (1 + 0.05 * np.sin(np.arange(18)))
    lubs = 0.4 + np.concatenate([[0], np.cumsum(gaps)])
    x = heart(lubs, 0.29, 20.0) + sine(110, 20.0, 0.02)
    found, dubs = measures.beats(x, RATE_HZ)
    assert found == pytest.approx(lubs, abs=0.025)
    assert dubs - found == pytest.approx(0.29, abs=0.025)


def music(seconds):
    x = sum(sine(f, seconds, 0.05) for f in (55, 110, 137.5, 165, 330, 880, 2637))
    return x * (1 + 0.3 * np.sin(2 * np.pi * 0.7 * times(seconds))) + noise(seconds, 1e-4)


def test_a_step_is_a_click_and_music_is_none():
    x = music(3.0)
    assert len(measures.clicks(x, RATE_HZ)) == 0
    x[70_000:] += 0.01
    assert measures.clicks(x, RATE_HZ) == pytest.approx([70_000 / RATE_HZ], abs=1e-3)


@pytest.mark.parametrize(
    "x", [noise(10.0), np.cumsum(noise(10.0, 1e-3)), sine(50, 2.0, 0.9), np.zeros(48_000)]
)
def test_smooth_material_has_no_clicks(x):
    assert len(measures.clicks(x, RATE_HZ)) == 0


def test_a_tone_cut_off_is_a_click():
    x = sine(441, 1.0, 0.5)
    x[20_010:] = 0.0
    assert measures.clicks(x, RATE_HZ) == pytest.approx([20_010 / RATE_HZ], abs=1e-3)


def test_dip_where_it_is_known():
    assert measures.dip(np.arange(50.0)) == pytest.approx(1 / 100)
    assert measures.dip([0.0] * 20 + [1.0] * 20) == pytest.approx(0.25, abs=0.02)
    values = np.random.default_rng(2).standard_normal(80)
    assert measures.dip(values) == pytest.approx(measures.dip(-3 * values + 7), rel=1e-6)


def brute_dip(values):
    """The dip by its definition, as a linear programme over every place of the mode."""
    from scipy.optimize import linprog

    x = np.sort(values)
    n = len(x)
    best = 1.0
    for mode in range(n):
        # Unknown: the heap's height at each value (twice at the mode, where it may jump), and the distance.
        rows, bounds = [], []
        size = n + 2

        def row(entries, bound, rows=rows, bounds=bounds, size=size):
            line = np.zeros(size)
            for place, weight in entries:
                line[place] += weight
            rows.append(line)
            bounds.append(bound)

        # Places 0..mode are the convex side, mode+1..n the concave side (the mode has one on each).
        side = [(i, i) for i in range(mode + 1)] + [(i + 1, i) for i in range(mode, n)]
        for place, i in side:
            before = place <= mode
            if not (i == mode and not before):
                row([(place, -1), (n + 1, -1)], -(i if i == mode else i + 1) / n)
                row([(place, 1), (n + 1, -1)], i / n)
            if not (i == mode and before):
                row([(place, -1), (n + 1, -1)], -(i + 1) / n)
                row([(place, 1), (n + 1, -1)], (i + 1 if i == mode else i) / n)
        for k in range(n):
            row([(k, 1), (k + 1, -1)], 0)
        for group, sign in ((side[: mode + 1], 1), (side[mode + 1 :], -1)):
            for (a, i), (b, j), (c, k) in zip(group, group[1:], group[2:], strict=False):
                first, second = x[j] - x[i], x[k] - x[j]
                row([(b, sign * (1 / first + 1 / second)), (a, -sign / first), (c, -sign / second)], 0)
        cost = np.zeros(size)
        cost[-1] = 1
        best = min(best, linprog(cost, np.array(rows), bounds, bounds=[(None, None)] * size).fun)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_dip_is_the_distance_to_the_nearest_single_heap(seed):
    generator = np.random.default_rng(seed)
    values = np.concatenate([generator.standard_normal(8), generator.standard_normal(6) + 2.0 * seed])
    assert measures.dip(values) == pytest.approx(brute_dip(values), abs=1e-6)


def test_dip_pvalue_tells_one_heap_from_two():
    generator = np.random.default_rng(3)
    assert measures.dip_pvalue(generator.standard_normal(200), 500) > 0.3
    two = np.concatenate([generator.standard_normal(100), generator.standard_normal(100) + 5])
    assert measures.dip_pvalue(two, 500) < 0.01


def vowel(pitch_hz, formants_hz, seconds=2.0):
    """A sung vowel: harmonics under resonances of 80 Hz width."""
    x = np.zeros(round(seconds * RATE_HZ))
    for k in range(1, int(5000 / pitch_hz)):
        f = k * pitch_hz
        gain = sum(
            1 / np.sqrt(1 + ((f - formant) / 60) ** 2) / (1 + n) for n, formant in enumerate(formants_hz)
        )
        x += sine(f, seconds, 0.1 * gain + 1e-4)
    return x


@pytest.mark.parametrize("formants_hz", [(700, 1150), (320, 800), (450, 1900)])
def test_formants_of_a_sung_vowel(formants_hz):
    found = measures.formant_peaks_hz(vowel(110, formants_hz), RATE_HZ, 2, 120)
    assert found == pytest.approx(formants_hz, abs=60)
