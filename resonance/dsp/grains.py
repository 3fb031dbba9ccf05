"""Grains: short windowed pieces of a recording, or of the engine's own past, at any pitch.

What they are read from is stored at twice its rate, every second value the sample itself, so that six points
around a place give the sound there to -110 dB. A grain that plays faster than its source folds back what
comes to lie over half the rate: at a ratio of 2, material under a quarter of the rate (12 kHz at 48 kHz)
stays clean. For brighter material, or higher ratios, low-pass the source first.

Source: Laakso et al., Splitting the unit delay, IEEE SP Magazine 13, 1996; Niemitalo, Polynomial
interpolators for high-quality resampling of oversampled audio, 2001.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel

REACH = 24
"""Samples on each side from which the value half way between two is found."""

_ONE, _TWO, _THREE = np.float32(1.0), np.float32(2.0), np.float32(3.0)
_S1, _S3, _S5, _S7, _S9 = (
    np.float32((-1.0) ** (power // 2) * math.pi**power / math.factorial(power)) for power in (1, 3, 5, 7, 9)
)


def _half_way() -> F32:
    """Weights of the samples 0.5, 1.5, … away: a Kaiser-windowed sinc, true to 0.43 of the rate, -100 dB."""
    place = np.arange(REACH) + 0.5
    weights = np.sinc(place) * np.i0(10.0 * np.sqrt(1.0 - (place / REACH) ** 2)) / np.i0(10.0)
    return (0.5 * weights / weights.sum()).astype(np.float32)


_HALF_WAY = _half_way()


def oversampled(audio: F32) -> F32:
    """A recording made ready for grains: (1, frames) or (2, frames) becomes (2, 2 · frames).

    It is read in a circle, so its end is taken to lead into its beginning.
    """
    ready = np.empty((2, 2 * audio.shape[1]), np.float32)
    ready[:, 0::2] = audio
    taps = np.concatenate((_HALF_WAY[::-1], _HALF_WAY))
    for channel, line in enumerate(audio):
        circle = np.take(line, np.arange(1 - len(_HALF_WAY), len(line) + len(_HALF_WAY)), mode="wrap")
        ready[channel, 1::2] = np.correlate(circle, taps)
    if len(audio) == 1:
        ready[1] = ready[0]
    return ready


@kernel
def record(past: F32, position: int, x: F32) -> None:
    """Writes `x` (2, frames) into a ring that grains can read, as of absolute frame `position`.

    `past` (2, 2 · size), `size` a whole number of blocks and at least two. The newest block is not ready
    yet, since what lies between its samples depends on the next: read 64 frames or more behind.
    """
    size = past.shape[1] // 2
    for begin in range(0, x.shape[1], GRID_FRAMES):
        at = (position + begin) % size
        ready = (at - GRID_FRAMES) % size
        for channel in range(2):
            line = past[channel]
            fresh = line[2 * at :]
            for i in range(GRID_FRAMES):
                fresh[2 * i] = x[channel, begin + i]
            between = line[2 * ready :]
            for i in range(GRID_FRAMES):
                total = np.float32(0.0)
                for k in range(REACH):
                    before = ready + i - k
                    before += size if before < 0 else 0
                    after = ready + i + 1 + k
                    after -= size if after >= size else 0
                    total += _HALF_WAY[k] * (line[2 * before] + line[2 * after])
                between[2 * i + 1] = total


class _Scratch(threading.local):
    """Where a thread prepares a block of a grain: six weights and the window, and the places they are for."""

    def __init__(self) -> None:
        self.weights = np.empty((7, GRID_FRAMES), np.float32)
        self.places = np.empty(GRID_FRAMES, np.int64)


_scratch = _Scratch()


@kernel
def _prepare(place: float, speed: float, count: int, weights: F32, places: I64) -> None:
    """Writes the Lagrange weights of six points for `count` places, and the whole part of each place.

    Weights 0 to 5 are of the points two before to three after the whole part.
    """
    fraction = weights[6]
    for i in range(count):
        at = place + speed * i
        whole = math.floor(at)
        places[i] = np.int64(whole)
        fraction[i] = np.float32(at - whole)
    # Two at a time, since a loop that writes many arrays is not made parallel.
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for i in range(count):
        f = fraction[i]
        inner = (f + _ONE) * f * (f - _ONE) * (f - _TWO)
        w0[i] = inner * (f - _THREE) * np.float32(-1.0 / 120.0)
        w5[i] = inner * (f + _TWO) * np.float32(1.0 / 120.0)
    for i in range(count):
        f = fraction[i]
        inner = (f + _TWO) * f * (f - _ONE) * (f - _THREE)
        w1[i] = inner * (f - _TWO) * np.float32(1.0 / 24.0)
        w4[i] = inner * (f + _ONE) * np.float32(-1.0 / 24.0)
    for i in range(count):
        f = fraction[i]
        outer = (f + _TWO) * (f + _ONE) * (f - _TWO) * (f - _THREE)
        w2[i] = outer * (f - _ONE) * np.float32(-1.0 / 12.0)
        w3[i] = outer * f * np.float32(1.0 / 12.0)


@kernel
def _window(age: int, lasts: int, attack: float, out: F32) -> None:
    """Writes a grain's window from `age` on: a raised cosine up, and another down."""
    rises = np.float32(attack) * np.float32(lasts)
    upward = np.float32(1.0) / max(rises, np.float32(1e-3))
    downward = np.float32(1.0) / max(np.float32(lasts) - rises, np.float32(1e-3))
    for i in range(out.size):
        up = np.float32(age + i) * upward
        down = np.float32(lasts - age - i) * downward
        u = min(min(up, down), np.float32(1.0)) - np.float32(0.5)
        uu = u * u
        # sin(pi u) by Taylor's series to the 9th degree, true to 4e-6 at its ends.
        sine = u * (_S1 + uu * (_S3 + uu * (_S5 + uu * (_S7 + uu * _S9))))
        out[i] = np.float32(0.5) + np.float32(0.5) * sine


@kernel
def _grains(
    begin: I64,
    length: I64,
    position: F64,
    ratio: F64,
    attack: F32,
    left: F32,
    right: F32,
    source: F32,
    start: int,
    weights: F32,
    places: I64,
    out: F32,
) -> None:
    points, frames = source.shape[1], out.shape[1]
    line_left, line_right = source[0], source[1]
    size, window = np.uint64(points), weights[6]
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for n in range(begin.size):
        if length[n] <= 0 or begin[n] >= start + frames:
            continue
        end = begin[n] + length[n]
        to_left, to_right, speed = left[n], right[n], 2.0 * ratio[n]
        for now in range(start, start + frames, GRID_FRAMES):
            first = max(begin[n], now)
            count = min(end, now + GRID_FRAMES) - first
            if count <= 0:
                continue
            place = (2.0 * position[n] + speed * (first - begin[n])) % points
            _prepare(place, speed, count, weights, places)
            _window(first - begin[n], length[n], attack[n], window[:count])
            last = place + speed * count
            inside = min(place, last) >= 3.0 and max(place, last) < points - 4.0
            heard_left = out[0, first - start :]
            heard_right = out[1, first - start :]
            for i in range(count):
                # Unsigned, so that no index is looked at twice for being negative.
                i0 = np.uint64(places[i] - 2 if inside else (places[i] - 2) % points)
                i1, i2, i3 = i0 + np.uint64(1), i0 + np.uint64(2), i0 + np.uint64(3)
                i4, i5 = i0 + np.uint64(4), i0 + np.uint64(5)
                if not inside:
                    i1, i2, i3, i4, i5 = i1 % size, i2 % size, i3 % size, i4 % size, i5 % size
                heard_left[i] += (window[i] * to_left) * (
                    (w0[i] * line_left[i0] + w1[i] * line_left[i1] + w2[i] * line_left[i2])
                    + (w3[i] * line_left[i3] + w4[i] * line_left[i4] + w5[i] * line_left[i5])
                )
                heard_right[i] += (window[i] * to_right) * (
                    (w0[i] * line_right[i0] + w1[i] * line_right[i1] + w2[i] * line_right[i2])
                    + (w3[i] * line_right[i3] + w4[i] * line_right[i4] + w5[i] * line_right[i5])
                )
        if end <= start + frames:
            length[n] = 0


def grains(
    begin: I64,
    length: I64,
    position: F64,
    ratio: F64,
    attack: F32,
    left: F32,
    right: F32,
    source: F32,
    start: int,
    out: F32,
) -> None:
    """Adds every grain's share of the block that begins at absolute frame `start` to `out` (2, frames).

    A grain is one index of all the arrays (n,): it begins at frame `begin` and lasts `length` frames, 0 for
    an empty slot; reads `source` (2, 2 · size), from `oversampled` or `record`, from `position` in frames of
    the original on, in a circle, at `ratio`, negative for backwards; rises for the share `attack` of its
    length and falls for the rest, both as a raised cosine (0.5 is Hann's window); and is `left` and `right`
    loud. A grain that ends in this block leaves its slot empty.
    """
    prepared = (_scratch.weights, _scratch.places)
    _grains(begin, length, position, ratio, attack, left, right, source, start, *prepared, out)
