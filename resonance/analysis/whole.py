"""What is asked of a whole piece: how wide, how pure, whether it repeats, and its scenes told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from resonance.analysis.levels import columns, db, mono, third_octave_levels
from resonance.analysis.spectra import (
    HEARD_DB,
    _bins_hz,
    _blackman_power,
    _heard_spectra,
    _length,
    _strongest,
)
from resonance.dsp import F64
from resonance.tuning import Tuning
from resonance.units import cents_from_ratio

MEL_BANDS = 40
"""Source: Davis & Mermelstein 1980 had 20 up to 5 kHz; 40 up to half of 48 kHz are as dense."""


def bandwidth_hz(x: ArrayLike, rate_hz: float, window_s: float = 0.043, power: float = 1.0) -> float:
    """How wide the spectrum is about its centre: the spread of frequency, weighted by magnitude.

    `power` raises the magnitudes: 2 weights by energy, which is less moved by what is faint.

    Averaged over frames above -70 dBFS; 0 where there are none, since silence is as narrow as can be.
    """
    length = _length(rate_hz, window_s)
    frequencies_hz = _bins_hz(rate_hz, length)
    values: list[float] = []
    for magnitudes, heard in _heard_spectra(columns(x), length):
        magnitudes = magnitudes**power
        total = np.maximum(magnitudes.sum(axis=1), 1e-30)
        centre_hz = (magnitudes @ frequencies_hz) / total
        spread = (magnitudes @ frequencies_hz**2) / total - centre_hz**2
        values.extend(np.sqrt(np.maximum(spread, 0.0))[heard])
    return float(np.mean(values)) if values else 0.0


def pure_share(x: ArrayLike, rate_hz: float, tuning: Tuning, within_cents: float = 10.0) -> float:
    """How much of its tonal energy lies on a tuning's degrees, in any octave: 0 to 1; NaN for silence.

    Tonal is what stands up as a peak: the 100 highest between 50 Hz and 5 kHz, within 60 dB of the greatest.
    """
    sound = mono(x)
    if db(np.mean(sound**2)) < HEARD_DB:
        return float("nan")
    power = _blackman_power(columns(sound), len(sound))
    bin_hz = rate_hz / (2 * (len(power) - 1))
    floor_db = float(db(power.max())) - 60.0
    frequencies_hz, levels_db = _strongest(power, bin_hz, 100, 50.0, 5000.0, floor_db)
    off_cents = [cents_from_ratio(f / tuning.hz(tuning.nearest(f))) for f in frequencies_hz.tolist()]
    energy = 10.0 ** (levels_db / 10.0)
    return float(energy[np.abs(off_cents) < within_cents].sum() / energy.sum())


def mfcc(x: ArrayLike, rate_hz: float, coefficients: int = 13) -> F64:
    """What timbre is told by: mel-frequency cepstral coefficients, (frames, coefficients), frames of 43 ms.

    Source: Davis & Mermelstein 1980; the mel scale of O'Shaughnessy 1987, p. 150.
    """
    from scipy.fft import dct

    sound = mono(x)
    length = _length(rate_hz, 0.043)
    frames = np.lib.stride_tricks.sliding_window_view(sound, length)[:: length // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(length), axis=1)) ** 2
    top_mel = 2595.0 * np.log10(1.0 + 0.5 * rate_hz / 700.0)
    edges_hz = 700.0 * (10.0 ** (np.linspace(0.0, top_mel, MEL_BANDS + 2) / 2595.0) - 1.0)
    rising = (_bins_hz(rate_hz, length) - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - _bins_hz(rate_hz, length)) / np.diff(edges_hz)[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(dct(db(power @ weights.T + 1e-10), norm="ortho", axis=1)[:, :coefficients])


def told_apart(known: Sequence[tuple[str, F64]], heard: Sequence[tuple[str, F64]]) -> list[tuple[str, str]]:
    """Names each span heard by the nearest centre of those known: pairs of what it is and what it was called.

    A span is a name and its `mfcc`; it is known by their means and spreads, each in units of its own spread.
    """
    features = [
        np.array([np.concatenate((c.mean(axis=0), c.std(axis=0))) for _, c in some])
        for some in (known, heard)
    ]
    scale = features[0].std(axis=0)
    names = list(dict.fromkeys(name for name, _ in known))
    belongs = np.array([name for name, _ in known])
    centres = np.array([features[0][belongs == name].mean(axis=0) for name in names])
    away = (((features[1][:, None] - centres) / scale) ** 2).sum(axis=2)
    return [(name, names[nearest]) for (name, _), nearest in zip(heard, away.argmin(axis=1), strict=True)]


def repetition(x: ArrayLike, rate_hz: float, span_s: float = 4.0) -> tuple[float, float, float]:
    """How alike the two most alike of its spans are, -1 to 1 in size, and where both begin, in s.

    Each span of `span_s` is laid on every other place of the piece that does not overlap it; spans under -70
    dBFS do not count. Wherever it is to be left out, hand in silence. What is slow enough to repeat lies
    under 1 kHz, so bring the sound to a rate of 2 kHz first.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    sound = mono(x)
    length = round(span_s * rate_hz)
    size = next_fast_len(len(sound) + length)
    whole = rfft(sound, size)
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    norms = np.sqrt(np.maximum(energy[length:] - energy[:-length], 0.0))
    heard = norms > np.sqrt(length) * 10.0 ** (HEARD_DB / 20.0)
    found = (0.0, 0.0, 0.0)
    for begin in range(0, len(sound) - length + 1, length):
        if not heard[begin]:
            continue
        alike = irfft(whole * np.conj(rfft(sound[begin : begin + length], size)), size)[: len(norms)]
        alike = np.abs(alike) / np.maximum(norms * norms[begin], 1e-12) * heard
        alike[max(0, begin - length + 1) : begin + length] = 0.0
        place = int(alike.argmax())
        found = max(found, (float(alike[place]), begin / rate_hz, place / rate_hz))
    return found


def standing_s(x: ArrayLike, rate_hz: float, by_db: float = 10.0) -> tuple[float, float, float]:
    """For how long a third octave stands out of both its neighbours: the longest time, its start, its centre.

    In s, s and Hz; read second by second, where the band is over -70 dBFS.
    Source: ISO 1996-2, 2017, annex K, which calls a tone prominent by its level over both adjacent bands.
    """
    sound = columns(x)
    seconds = [
        third_octave_levels(sound[round(k * rate_hz) : round((k + 1) * rate_hz)], rate_hz)
        for k in range(int(len(sound) / rate_hz))
    ]
    centres_hz = seconds[0][0]
    levels_db = np.array([levels for _, levels in seconds])
    out = levels_db[:, 1:-1] - np.maximum(levels_db[:, :-2], levels_db[:, 2:]) > by_db
    out &= levels_db[:, 1:-1] > HEARD_DB
    found = (0.0, 0.0, 0.0)
    running = np.zeros(out.shape[1])
    for second, now in enumerate(out):
        running = (running + 1.0) * now
        band = int(running.argmax())
        found = max(
            found, (float(running[band]), second + 1.0 - float(running[band]), float(centres_hz[band + 1]))
        )
    return found
