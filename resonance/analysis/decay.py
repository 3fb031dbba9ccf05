"""How long it rings: the time in which one partial, or one octave, falls by 60 dB."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from resonance.analysis.levels import db, mono
from resonance.dsp import F64


def t60_s(x: ArrayLike, rate_hz: float, frequency_hz: float, width_hz: float | None = None) -> float:
    """The decay time of one partial, in s: inf where it does not decay, NaN where there is too little of it.

    The partial is brought to 0 Hz and smoothed over 2 / `width_hz` (by default a sixth of its frequency,
    30 Hz at most), so neighbours farther than `width_hz` are not heard. A line is fitted to its level in
    dB, from its peak until it has fallen by 40 dB or to 10 dB over the floor.
    """
    from scipy.signal import fftconvolve

    sound = mono(x)
    width_hz = min(30.0, frequency_hz / 6.0) if width_hz is None else width_hz
    length = round(2.0 * rate_hz / width_hz)
    if len(sound) < 2 * length:
        return float("nan")
    turn = np.exp(-2j * np.pi * frequency_hz / rate_hz * np.arange(len(sound)))
    window = np.hanning(length + 2)[1:-1]
    envelope = np.abs(fftconvolve(sound * turn, window / window.sum(), "valid"))[:: max(1, length // 8)]
    step_s = max(1, length // 8) / rate_hz
    levels_db = db(envelope**2)
    # The window still holds the attack until it has passed the peak.
    first = int(np.argmax(levels_db)) + 8
    top_db = levels_db.max()
    tail_db = float(np.median(levels_db[-max(1, len(levels_db) // 20) :]))
    # An end that is less than 25 dB down need not be a floor: the tone may still ring.
    floor_db = max(tail_db + 10.0, top_db - 40.0) if tail_db < top_db - 25.0 else tail_db - 10.0
    under = np.flatnonzero(levels_db[first:] < floor_db)
    last = first + int(under[0]) if len(under) else len(levels_db)
    return _fall_time_s(levels_db[first:last], step_s)


def band_t60_s(
    x: ArrayLike, rate_hz: float, centre_hz: float, from_db: float = -5.0, to_db: float = -35.0
) -> float:
    """The decay time of an octave band of a tail that begins at its loudest, in s; NaN where it is too short.

    Source: Schroeder 1965, backward integration; ISO 3382-1, 2009, for the 5 to 35 dB it is read from.
    """
    from scipy.signal import butter, sosfilt

    sections = butter(
        4, [centre_hz / np.sqrt(2.0), centre_hz * np.sqrt(2.0)], "bandpass", fs=rate_hz, output="sos"
    )
    band = sosfilt(sections, mono(x))
    left = np.cumsum(band[::-1] ** 2)[::-1]
    levels_db = db(left / max(left[0], 1e-300))
    first, last = np.searchsorted(-levels_db, [-from_db, -to_db])
    if last >= len(levels_db):
        return float("nan")
    return _fall_time_s(levels_db[first:last], 1.0 / rate_hz)


def _fall_time_s(levels_db: F64, step_s: float) -> float:
    """How long a line through the levels takes to fall by 60 dB."""
    if len(levels_db) < 4:
        return float("nan")
    slope = float(np.polyfit(np.arange(len(levels_db)) * step_s, levels_db, 1)[0])
    return -60.0 / slope if slope < 0.0 else float("inf")
