"""Which tones are sung: a pitch track, and how far its tones lie from a tuning's degrees."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from resonance.analysis.levels import db, mono
from resonance.dsp import F64
from resonance.tuning import Tuning
from resonance.units import cents_from_ratio

DIP = 0.15
"""A lag counts as a period where the difference falls below this. Source: YIN, 2002, §II.D."""


def pitch_track(
    x: ArrayLike, rate_hz: float, low_hz: float = 60.0, high_hz: float = 1000.0, hop_s: float = 0.02
) -> tuple[F64, F64]:
    """The pitch of a single voice over time: times in s (window centres) and f0 in Hz, NaN where unvoiced.

    Each window is compared with itself 1 / `high_hz` to 1 / `low_hz` later; the first deep dip of the
    normalised difference is the period, placed between samples by a parabola. Windows under -70 dBFS are
    unvoiced. Source: YIN, de Cheveigné & Kawahara 2002.
    """
    sound = mono(x)
    longest = int(np.ceil(rate_hz / low_hz)) + 2
    shortest = max(2, int(rate_hz / high_hz))
    window = max(longest, round(0.03 * rate_hz))
    hop = max(1, round(hop_s * rate_hz))
    frames = window + longest
    starts = np.arange(0, len(sound) - frames + 1, hop)
    f0_hz = np.full(len(starts), np.nan)
    size = 1 << int(frames + window).bit_length()
    for number, start in enumerate(starts):
        frame = sound[start : start + frames]
        if db(np.mean(frame**2)) < -70.0:
            continue
        alike = np.fft.irfft(np.fft.rfft(frame, size) * np.conj(np.fft.rfft(frame[:window], size)), size)
        energy = np.concatenate([[0.0], np.cumsum(frame**2)])
        later = energy[window : window + longest] - energy[:longest]
        difference = np.maximum(later[0] + later - 2.0 * alike[:longest], 0.0)
        mean = np.cumsum(difference[1:]) / np.arange(1, longest)
        normal = np.concatenate([[1.0], difference[1:] / np.maximum(mean, 1e-30)])
        below = np.flatnonzero(normal[shortest:] < DIP)
        if not len(below):
            continue
        lag = shortest + int(below[0])
        while lag + 1 < longest and normal[lag + 1] < normal[lag]:
            lag += 1
        if lag + 1 < longest:
            before, here, after = difference[lag - 1 : lag + 2]
            bend = before - 2.0 * here + after
            f0_hz[number] = rate_hz / (lag + (0.5 * (before - after) / bend if bend > 0.0 else 0.0))
    return np.asarray((starts + frames / 2.0) / rate_hz, np.float64), f0_hz


def cents_off_degrees(frequencies_hz: ArrayLike, tuning: Tuning) -> F64:
    """How far each frequency lies from the tuning's nearest degree, in cents; NaN stays NaN."""
    return np.array(
        [
            cents_from_ratio(f / tuning.hz(tuning.nearest(f))) if f > 0.0 else np.nan
            for f in np.atleast_1d(np.asarray(frequencies_hz, dtype=np.float64)).tolist()
        ]
    )
