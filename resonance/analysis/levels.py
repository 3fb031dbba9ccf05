"""How strong, how wide and how it moves: envelopes, third octaves, stereo, and slow modulation.

Sound is a float array of shape (frames,) or (frames, channels), here and in all measures; channels count by
their mean power unless said otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from resonance.dsp import F64

FLOOR_DB = -240.0
"""What silence reads."""


def columns(x: ArrayLike) -> F64:
    """The sound as float64 of shape (frames, channels). Raises ValueError for any other layout."""
    sound = np.asarray(x, dtype=np.float64)
    if sound.ndim == 1:
        sound = sound[:, None]
    if sound.ndim != 2 or sound.shape[1] > 8:
        raise ValueError(f"sound has shape {np.shape(x)}: it must be (frames,) or (frames, channels)")
    return sound


def mono(x: ArrayLike) -> F64:
    """The mean of the channels, shape (frames,)."""
    return columns(x).mean(axis=1)


def db(power: ArrayLike) -> F64:
    """Powers in decibels; never under `FLOOR_DB`."""
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0)))


def rms_db(x: ArrayLike) -> float:
    """The level of the whole in dBFS; a full-scale sine reads -3.01."""
    sound = columns(x)
    return float(db(np.mean(sound**2))) if sound.size else FLOOR_DB


def envelope_db(x: ArrayLike, rate_hz: float, window_s: float = 0.05) -> F64:
    """The level of each window in turn, in dBFS. What is left over at the end is not read."""
    sound = columns(x)
    length = max(1, round(window_s * rate_hz))
    windows = len(sound) // length
    return db((sound[: windows * length] ** 2).reshape(windows, -1).mean(axis=1))


def third_octave_levels(
    x: ArrayLike, rate_hz: float, low_hz: float = 25.0, high_hz: float = 16000.0
) -> tuple[F64, F64]:
    """The spectrum in steps that an ear tells apart: centres in Hz and levels in dBFS, by third octaves."""
    centres_hz = _third_octaves(rate_hz, low_hz, high_hz)
    return centres_hz, db(_band_powers(columns(x), rate_hz, centres_hz).mean(axis=1))


def band_level_db(x: ArrayLike, rate_hz: float, low_hz: float, high_hz: float) -> float:
    """The level of what lies between two frequencies, in dBFS."""
    sound = columns(x)
    spectrum = np.abs(np.fft.rfft(sound, axis=0)) ** 2
    frequencies_hz = np.fft.rfftfreq(len(sound), 1.0 / rate_hz)
    inside = (frequencies_hz >= low_hz) & (frequencies_hz < high_hz)
    return float(db(2.0 * spectrum[inside].sum(axis=0).mean() / len(sound) ** 2))


def stereo_correlation(x: ArrayLike) -> float:
    """1 where left and right are the same, 0 where they know nothing of each other, -1 where opposed.

    Silence reads 1: it is the same on both sides.
    """
    left, right = _pair(x).T
    power = np.sqrt(np.sum(left**2) * np.sum(right**2))
    return float(np.sum(left * right) / power) if power > 0.0 else 1.0


def mono_loss_db(x: ArrayLike, rate_hz: float) -> tuple[F64, F64]:
    """What is lost where left and right are summed: centres in Hz and dB lost, by third octaves.

    0 for the same on both sides, 3 for unrelated sides, large where they cancel. Bands under -90 dBFS
    read 0: nothing is lost of nothing.
    """
    sound = _pair(x)
    centres_hz = _third_octaves(rate_hz, 25.0, 16000.0)
    stereo = _band_powers(sound, rate_hz, centres_hz).mean(axis=1)
    middle = _band_powers(sound.mean(axis=1, keepdims=True), rate_hz, centres_hz)[:, 0]
    return centres_hz, np.where(db(stereo) > -90.0, db(stereo) - db(middle), 0.0)


def envelope_autocorrelation(
    envelope: ArrayLike, step_s: float, low_s: float, high_s: float
) -> tuple[F64, F64]:
    """How alike an envelope is to itself later: lags in s and correlations, -1 to 1.

    A straight trend is taken out; each lag is normalised by the power of what it compares.
    """
    values = np.asarray(envelope, dtype=np.float64)
    steps = np.arange(len(values))
    values = values - np.polyval(np.polyfit(steps, values, 1), steps)
    lags = np.arange(max(1, round(low_s / step_s)), min(round(high_s / step_s), len(values) - 2) + 1)
    size = 1 << int(2 * len(values) - 1).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[lags]
    energy = np.concatenate([[0.0], np.cumsum(values**2)])
    power = np.sqrt(energy[len(values) - lags] * (energy[-1] - energy[lags]))
    return np.asarray(lags * step_s, np.float64), products / np.maximum(power, 1e-30)


def am_spectrum(x: ArrayLike, rate_hz: float, low_hz: float = 0.5, high_hz: float = 40.0) -> tuple[F64, F64]:
    """How fast and how deep the level trembles: frequencies in Hz, depths as a part of the mean level.

    A tone times 1 + 0.3 sin(2π 7 t) has a peak of 0.3 at 7 Hz.
    """
    sound = columns(x)
    length = max(1, int(rate_hz / (8.0 * high_hz)))
    windows = len(sound) // length
    envelope = np.sqrt((sound[: windows * length] ** 2).reshape(windows, -1).mean(axis=1))
    mean = envelope.mean()
    window = np.hanning(windows)
    size = 4 * windows
    depths = 2.0 * np.abs(np.fft.rfft((envelope - mean) * window, size)) / window.sum() / max(mean, 1e-12)
    frequencies_hz = np.asarray(np.fft.rfftfreq(size, length / rate_hz), np.float64)
    inside = (frequencies_hz >= low_hz) & (frequencies_hz <= high_hz)
    return frequencies_hz[inside], depths[inside]


def _pair(x: ArrayLike) -> F64:
    sound = columns(x)
    if sound.shape[1] != 2:
        raise ValueError(f"this is measured on 2 channels, not {sound.shape[1]}")
    return sound


def _third_octaves(rate_hz: float, low_hz: float, high_hz: float) -> F64:
    """Exact base-ten centres. Source: IEC 61260-1, 2014, §5.2."""
    first, last = np.ceil(10.0 * np.log10(low_hz) - 0.5), np.floor(10.0 * np.log10(high_hz) + 0.5)
    centres_hz = 10.0 ** (np.arange(first, last + 1) / 10.0)
    return centres_hz[centres_hz * 10.0**0.05 < rate_hz / 2.0]


def _band_powers(sound: F64, rate_hz: float, centres_hz: F64) -> F64:
    """Mean powers by third octave and channel, from averaged spectra 0.2 s long (0.5 bands of 25 Hz)."""
    from scipy.signal import welch

    length = min(len(sound), round(0.2 * rate_hz) * 2)
    frequencies_hz, density = welch(sound, rate_hz, "hann", length, axis=0)
    edges = np.concatenate([centres_hz * 10.0**-0.05, centres_hz[-1:] * 10.0**0.05])
    total = np.concatenate([np.zeros((1, sound.shape[1])), np.cumsum(density, axis=0)]) * frequencies_hz[1]
    borders_hz = np.concatenate([[0.0], frequencies_hz + frequencies_hz[1] / 2.0])
    return np.diff([np.interp(edges, borders_hz, channel) for channel in total.T], axis=1).T
