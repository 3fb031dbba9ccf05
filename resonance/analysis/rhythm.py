"""When things happen: heart beats, clicks, and whether a crowd of values has two centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from resonance import rng
from resonance.analysis.levels import columns, db, mono
from resonance.dsp import F64, kernel

CLICK_ORDER = 32
CLICK_FRAMES = 4096
CLICK_SPREAD = 16.0
"""A click's surprise is this many times the median surprise around it; noise stays under 9 in an hour."""

CLICK_DB = -60.0
"""No surprise below this level is a click, whatever surrounds it."""


def beats(x: ArrayLike, rate_hz: float, high_hz: float = 150.0) -> tuple[F64, F64]:
    """The heart's beats: times in s of every lub, and of the dub that follows it (NaN where none does).

    Onsets are where the level below `high_hz`, over 20 ms, rises by 6 dB or more within 60 ms to a peak no
    more than 24 dB under the strongest. Of two onsets that stand closer to each other than half the usual
    beat the first is the lub.
    """
    onsets_s = _low_onsets_s(mono(x), rate_hz, high_hz)
    if len(onsets_s) < 3:
        return onsets_s, np.full(len(onsets_s), np.nan)
    # Two onsets make one beat where there are dubs: the time from each to the next but one.
    gaps_s = np.diff(onsets_s)
    has_dubs = np.median(gaps_s[1:] + gaps_s[:-1]) * 0.45 > np.percentile(gaps_s, 25)
    beat_s = float(np.median(gaps_s[1:] + gaps_s[:-1])) if has_dubs else float(np.median(gaps_s))
    lubs, dubs = [], []
    index = 0
    while index < len(onsets_s):
        is_pair = index < len(gaps_s) and gaps_s[index] < 0.45 * beat_s
        lubs.append(onsets_s[index])
        dubs.append(onsets_s[index + 1] if is_pair else np.nan)
        index += 2 if is_pair else 1
    return np.array(lubs), np.array(dubs)


def clicks(x: ArrayLike, rate_hz: float) -> F64:
    """Times in s at which the waveform jumps as nothing around it foretold; any channel counts.

    Each stretch of 4096 frames is predicted from the 32 samples before each sample; a click is an error over
    `CLICK_SPREAD` times the median error there and over -60 dBFS. A step of -40 dBFS in tonal music at
    -20 dBFS is found. Sharp attacks made on purpose (glass, crackle) are found as well. Errors within 5 ms
    are one.
    Source: after Godsill & Rayner 1998, Digital Audio Restoration, ch. 5.
    """
    found = np.concatenate([_surprises(channel) for channel in columns(x).T])
    times_s = np.unique(found) / rate_hz
    return times_s[np.diff(times_s, prepend=-np.inf) > 0.005]


def dip(values: ArrayLike) -> float:
    """How far the values are from having one centre: 1 / 2n for one, up to 0.25 for two equal ones.

    Source: Hartigan & Hartigan 1985, The Dip Test of Unimodality; the steps of Hartigan 1985, AS 217.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) < 4 or ordered[0] == ordered[-1]:
        return 0.5 / max(1, len(ordered))
    # Ties would be vertical lines: spread them by far less than matters.
    ordered += np.linspace(0.0, 1e-9, len(ordered)) * (ordered[-1] - ordered[0])
    return float(_dip(ordered, *_dip_scratch(len(ordered))))


def dip_pvalue(values: ArrayLike, draws: int = 2000) -> float:
    """How likely values with one centre are to look so divided: below 0.05 they have two or more.

    Against `draws` sets of as many uniform values, the flattest single heap; the draws are always the same.
    """
    count = len(np.asarray(values))
    found = dip(values)
    chance = rng.stream(0, "dip", count)
    scratch = _dip_scratch(count)
    by_chance = [_dip(np.sort(chance.random(count)), *scratch) for _ in range(draws)]
    return (1 + sum(value >= found for value in by_chance)) / (draws + 1)


def _low_onsets_s(sound: F64, rate_hz: float, high_hz: float) -> F64:
    from scipy.signal import butter, find_peaks, sosfiltfilt

    low = sosfiltfilt(butter(4, high_hz, fs=rate_hz, output="sos"), sound)
    hop = round(0.005 * rate_hz)
    powers = (low[: len(low) // hop * hop] ** 2).reshape(-1, hop).mean(axis=1)
    levels_db = db(np.convolve(powers, np.full(4, 0.25), "same"))
    levels_db = np.maximum(levels_db, levels_db.max(initial=-100.0) - 48.0)
    reach = 12
    rise_db = levels_db - np.concatenate([np.full(reach, levels_db[0]), levels_db[:-reach]])
    peaks, _ = find_peaks(rise_db, height=6.0, distance=20)
    tops_db = np.array([levels_db[peak : peak + reach].max() for peak in peaks])
    if not len(peaks):
        return np.zeros(0)
    loud = peaks[tops_db > tops_db.max() - 24.0]
    # The rise is steepest over the whole reach where the onset lies at its beginning.
    onsets = [
        peak - reach + int(np.argmax(np.diff(levels_db[max(0, peak - reach) : peak + 1]))) for peak in loud
    ]
    return np.unique(np.maximum(onsets, 0)) * hop / rate_hz


def _surprises(sound: F64) -> np.ndarray:
    """Frames whose prediction error stands out, in one channel."""
    found = [np.zeros(0, np.int64)]
    window = np.hanning(CLICK_FRAMES + CLICK_ORDER)
    for start in range(0, max(1, len(sound) - CLICK_ORDER), CLICK_FRAMES):
        start = max(0, min(start, len(sound) - CLICK_FRAMES - CLICK_ORDER))
        heard = sound[start : start + CLICK_FRAMES + CLICK_ORDER]
        if len(heard) <= 2 * CLICK_ORDER or np.abs(heard).max() < 10.0 ** (CLICK_DB / 20.0):
            continue
        size = 2 * len(heard)
        alike = np.fft.irfft(np.abs(np.fft.rfft(heard * window[: len(heard)], size)) ** 2, size)[
            : CLICK_ORDER + 1
        ]
        error = np.convolve(heard, _prediction_filter(alike), "valid")
        size_of_error = np.abs(error)
        threshold = max(CLICK_SPREAD * float(np.median(size_of_error)), 10.0 ** (CLICK_DB / 20.0))
        found.append(np.flatnonzero(size_of_error > threshold) + start + CLICK_ORDER)
    return np.concatenate(found)


def _prediction_filter(alike: F64) -> F64:
    """The filter that leaves what the past cannot tell: 1, then the predictor's weights turned over."""
    from scipy.linalg import solve_toeplitz

    # A trace of white noise keeps pure tones solvable.
    column = alike[:-1].copy()
    column[0] *= 1.0 + 1e-9
    return np.concatenate([[1.0], -solve_toeplitz(column, alike[1:])])


def _dip_scratch(count: int) -> tuple[np.ndarray, np.ndarray, F64, F64]:
    return np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count), np.zeros(count)


@kernel
def _dip(x: F64, under: np.ndarray, over: np.ndarray, convex: F64, concave: F64) -> float:
    """The dip of ascending values. Scratch: touching points and heights of the two hulls, (n,) each.

    The distribution's steps lie between i / n and (i + 1) / n. Between `low` and `high`, where the mode may
    be, the greatest convex line under and the least concave line over them are drawn; where these are
    farthest apart the modal interval narrows, and what it loses on both sides says how far off the
    nearest single heap is.
    """
    low, high = 0, len(x) - 1
    dip = 1.0
    while True:
        unders = 0
        overs = 0
        for i in range(low, high + 1):
            while unders > 1:
                a, b = under[unders - 2], under[unders - 1]
                if (b - a) * (x[i] - x[b]) < (i - b) * (x[b] - x[a]):
                    break
                unders -= 1
            under[unders] = i
            unders += 1
            while overs > 1:
                a, b = over[overs - 2], over[overs - 1]
                if (b - a) * (x[i] - x[b]) > (i - b) * (x[b] - x[a]):
                    break
                overs -= 1
            over[overs] = i
            overs += 1
        for k in range(unders - 1):
            a, b = under[k], under[k + 1]
            for i in range(a, b + 1):
                convex[i] = a + (x[i] - x[a]) * (b - a) / (x[b] - x[a])
        for k in range(overs - 1):
            a, b = over[k], over[k + 1]
            for i in range(a, b + 1):
                concave[i] = 1 + a + (x[i] - x[a]) * (b - a) / (x[b] - x[a])
        gap = 0.0
        left, right = low, high
        for k in range(unders):
            i = under[k]
            if concave[i] - convex[i] > gap:
                gap = concave[i] - convex[i]
                left = i
        for k in range(overs):
            i = over[k]
            if concave[i] - convex[i] > gap:
                gap = concave[i] - convex[i]
                left, right = low - 1, i
        if gap <= dip:
            break
        if left < low:
            for k in range(unders):
                if under[k] <= right:
                    left = under[k]
        else:
            for k in range(overs):
                if over[overs - 1 - k] >= left:
                    right = over[overs - 1 - k]
        for i in range(low, left + 1):
            dip = max(dip, i + 1 - convex[i])
        for i in range(right, high + 1):
            dip = max(dip, concave[i] - i)
        if (left == low and right == high) or left >= right:
            break
        low, high = left, right
    return dip / (2.0 * len(x))
