"""What it is made of: spectra, their centre and flatness, single partials, formants, roughness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from resonance.analysis.levels import columns, db
from resonance.dsp import F64

HEARD_DB = -70.0
"""Frames below this level take no part in averages. Source: the dream map, on how evidence is measured."""

BLACKMAN_HARRIS = (0.35875, -0.48829, 0.14128, -0.01168)
"""A window whose side lobes stay under -92 dB: they are no partials. Source: Harris 1978, table 1."""


def spectrum(x: ArrayLike, rate_hz: float, window_s: float = 0.085) -> tuple[F64, F64]:
    """The averaged spectrum: frequencies in Hz and mean magnitudes; a sine of amplitude a peaks at a."""
    length = _length(rate_hz, window_s)
    total = np.zeros(length // 2 + 1)
    count = 0
    for magnitudes, _ in _heard_spectra(columns(x), length):
        total += magnitudes.sum(axis=0)
        count += len(magnitudes)
    return _bins_hz(rate_hz, length), total / count


def centroid_hz(x: ArrayLike, rate_hz: float, window_s: float = 0.085) -> float:
    """How bright it is: the mean frequency, weighted by magnitude, averaged over frames above -70 dBFS.

    NaN where no frame is.
    """
    values = centroids_hz(x, rate_hz, window_s)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def centroids_hz(x: ArrayLike, rate_hz: float, window_s: float = 0.085) -> F64:
    """The brightness of each frame, half a window apart; NaN in frames under -70 dBFS."""
    length = _length(rate_hz, window_s)
    frequencies_hz = _bins_hz(rate_hz, length)
    values = [
        np.where(heard, (m @ frequencies_hz) / np.maximum(m.sum(axis=1), 1e-30), np.nan)
        for m, heard in _heard_spectra(columns(x), length)
    ]
    return np.concatenate(values) if values else np.zeros(0)


def flatness(x: ArrayLike, rate_hz: float, window_s: float = 0.085) -> float:
    """0 for tones, toward 1 for noise: geometric over arithmetic mean power, 20 Hz to 20 kHz.

    Averaged over frames above -70 dBFS; white noise reads 0.56, as a periodogram's powers are exponential.
    NaN where nothing is heard.
    """
    length = _length(rate_hz, window_s)
    frequencies_hz = _bins_hz(rate_hz, length)
    inside = (frequencies_hz >= 20.0) & (frequencies_hz <= 20_000.0)
    values: list[float] = []
    for magnitudes, heard in _heard_spectra(columns(x), length):
        powers = magnitudes[heard][:, inside] ** 2 + 1e-24
        values.extend(np.exp(np.log(powers).mean(axis=1)) / powers.mean(axis=1))
    return float(np.mean(values)) if values else float("nan")


def partials(
    x: ArrayLike, rate_hz: float, count: int = 20, low_hz: float = 20.0, high_hz: float = 20_000.0
) -> tuple[F64, F64]:
    """The strongest partials, strongest first: frequencies in Hz, and levels in dBFS of a full sine.

    Read from averaged windows of up to 5.5 s with a parabola through the logarithms, which places a steady
    tone within a hundredth of a bin: under a cent at 55 Hz from 2 s of sound. Nothing under -140 dBFS counts.
    """
    sound = columns(x)
    length = min(len(sound), round(5.5 * rate_hz))
    power = _blackman_power(sound, length)
    return _strongest(power, rate_hz / (2 * (len(power) - 1)), count, low_hz, high_hz, -140.0)


def roughness(x: ArrayLike, rate_hz: float, window_s: float = 0.3) -> float:
    """How much its partials rub against each other, at equal level.

    The whole is brought to -20 dBFS RMS. In each frame above -70 dBFS the 60 strongest partials within 60 dB
    of the greatest are compared in pairs; the result is the mean over those frames. Partials closer than
    13 Hz merge into one: they beat, and are not rough. 0 for silence.
    Source: Vassilakis 2001, Perceptual and Physical Properties of Amplitude Fluctuation, eq. 6.23, with the
    curve of Sethares 1998.
    """
    sound = columns(x)
    power = float(np.mean(sound**2)) if sound.size else 0.0
    if power == 0.0:
        return 0.0
    sound = sound * (0.1 / np.sqrt(power))
    length = min(len(sound), round(window_s * rate_hz))
    values = []
    for start in range(0, len(sound) - length + 1, max(1, length // 2)):
        frame = sound[start : start + length]
        if db(np.mean(frame**2)) < HEARD_DB:
            continue
        powers = _blackman_power(frame, length)
        bin_hz = rate_hz / (2 * (len(powers) - 1))
        frequencies_hz, levels_db = _strongest(
            powers, bin_hz, 60, 20.0, 20_000.0, float(db(powers.max())) - 60.0
        )
        values.append(_pair_roughness(frequencies_hz, 10.0 ** (levels_db / 20.0)))
    return float(np.mean(values)) if values else 0.0


def formant_peaks_hz(
    x: ArrayLike, rate_hz: float, count: int = 4, pitch_hz: float = 220.0, high_hz: float = 5000.0
) -> F64:
    """Where the vowel is: the lowest peaks of the spectrum's envelope, in Hz, ascending.

    `pitch_hz` is the highest pitch sung: the envelope is the highest level within that width, smoothed as
    far, since harmonics cannot show more. A peak stands out by 2 dB.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import find_peaks

    power = _blackman_power(columns(x), min(len(columns(x)), round(0.1 * rate_hz)))
    bin_hz = rate_hz / (2 * (len(power) - 1))
    levels_db = db(power[: int(high_hz / bin_hz)])
    # Harmonics fill the valleys between them; what lies 60 dB down says nothing of the vowel.
    width = max(3, round(pitch_hz / bin_hz))
    filled = maximum_filter1d(np.maximum(levels_db, levels_db.max() - 60.0), width)
    window = np.hanning(width + 2)
    envelope = np.convolve(np.pad(filled, width, "edge"), window / window.sum(), "same")[width:-width]
    found, _ = find_peaks(envelope, prominence=2.0)
    return np.asarray(found[:count] * bin_hz, np.float64)


def _pair_roughness(frequencies_hz: F64, amplitudes: F64) -> float:
    """Vassilakis' sum over all pairs of partials."""
    first, second = np.triu_indices(len(frequencies_hz), 1)
    low = np.minimum(amplitudes[first], amplitudes[second])
    high = np.maximum(amplitudes[first], amplitudes[second])
    gap_hz = np.abs(frequencies_hz[first] - frequencies_hz[second])
    scale = 0.24 / (0.0207 * np.minimum(frequencies_hz[first], frequencies_hz[second]) + 18.96)
    beating = np.exp(-3.5 * scale * gap_hz) - np.exp(-5.75 * scale * gap_hz)
    return float(np.sum((low * high) ** 0.1 * 0.5 * (2.0 * low / (low + high)) ** 3.11 * beating))


def _blackman_power(sound: F64, length: int) -> F64:
    """Averaged power of windows of `length`, half overlapping and padded fourfold; a full sine peaks at 1."""
    angle = 2.0 * np.pi * np.arange(length) / length
    window = sum(weight * np.cos(k * angle) for k, weight in enumerate(BLACKMAN_HARRIS))
    size = 4 << int(length - 1).bit_length()
    starts = range(0, len(sound) - length + 1, max(1, length // 2))
    power = np.zeros(size // 2 + 1)
    for start in starts:
        for channel in sound[start : start + length].T:
            power += np.abs(np.fft.rfft(channel * window, size)) ** 2
    return power * (2.0 / np.sum(window)) ** 2 / max(1, len(starts) * sound.shape[1])


def _strongest(
    power: F64, bin_hz: float, count: int, low_hz: float, high_hz: float, floor_db: float
) -> tuple[F64, F64]:
    """The highest local peaks of a power spectrum, with a parabola through the logarithms."""
    levels_db = db(power)
    middle = levels_db[1:-1]
    peaks = np.flatnonzero((middle > levels_db[:-2]) & (middle >= levels_db[2:]) & (middle > floor_db)) + 1
    before, here, after = levels_db[peaks - 1], levels_db[peaks], levels_db[peaks + 1]
    offset = 0.5 * (before - after) / (before - 2.0 * here + after)
    frequencies_hz = (peaks + offset) * bin_hz
    heights_db = here - 0.25 * (before - after) * offset
    inside = np.flatnonzero((frequencies_hz >= low_hz) & (frequencies_hz <= high_hz))
    order = inside[np.argsort(-heights_db[inside], kind="stable")][:count]
    return frequencies_hz[order], heights_db[order]


def _length(rate_hz: float, window_s: float) -> int:
    return 1 << max(4, round(np.log2(window_s * rate_hz)))


def _bins_hz(rate_hz: float, length: int) -> F64:
    return np.asarray(np.fft.rfftfreq(length, 1.0 / rate_hz), np.float64)


def _heard_spectra(sound: F64, length: int) -> Iterator[tuple[F64, np.ndarray]]:
    """Magnitudes (windows, bins) of half-overlapping Hann windows, and whether each is above -70 dBFS.

    Some hundred windows come at a time; what is shorter than one is padded to it.
    """
    if len(sound) < length:
        sound = np.pad(sound, ((0, length - len(sound)), (0, 0)))
    window = np.hanning(length + 1)[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(sound, length, axis=0)[:: length // 2]
    for start in range(0, len(windows), 256):
        some = windows[start : start + 256]
        magnitudes = np.abs(np.fft.rfft(some * window, axis=-1)) * (2.0 / window.sum())
        heard = db((some**2).mean(axis=(1, 2))) > HEARD_DB
        yield np.sqrt((magnitudes**2).mean(axis=1)), heard
