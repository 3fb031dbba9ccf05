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
    """A recording made ready for grains: (1, frames) or (2, frames) becomes twice as long.

    It is read in a circle, so its end is taken to lead into its beginning.
    """
    ready = np.empty((len(audio), 2 * audio.shape[1]), np.float32)
    ready[:, 0::2] = audio
    taps = np.concatenate((_HALF_WAY[::-1], _HALF_WAY))
    for channel, line in enumerate(audio):
        circle = np.take(line, np.arange(1 - len(_HALF_WAY), len(line) + len(_HALF_WAY)), mode="wrap")
        ready[channel, 1::2] = np.correlate(circle, taps)
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


# A grain is prepared in stretches of so many frames; longer ones gain nothing more.
_STRETCH = 512

# Places are whole numbers of 2^-32 points: exact, so that a stretch may begin anywhere.
_POINT = 1 << 32
_HALF_BITS = 0x7FFFFFFF
_A_HALF_BIT = np.float32(2.0**-31)


class _Scratch(threading.local):
    """Where a thread prepares a stretch of a grain: places, six weights, how far between two points, the
    window, and what was read.
    """

    def __init__(self) -> None:
        self.places = np.empty(_STRETCH, np.int64)
        self.weights = np.empty((9, _STRETCH), np.float32)


_scratch = _Scratch()


@kernel
def _place(at: int, speed: int, places: I64, fraction: F32) -> None:
    """Writes the whole part of each place, and what is left of it, from 0 to 1."""
    for i in range(fraction.size):
        now = at + speed * i
        places[i] = now >> 32
        fraction[i] = np.float32(np.int32((now >> 1) & _HALF_BITS)) * _A_HALF_BIT


@kernel
def _weigh(fraction: F32, weights: F32) -> None:
    """Writes the Lagrange weights of six points, from two before to three after the whole part."""
    # Two at a time, since a loop that writes many arrays is not made parallel.
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for i in range(fraction.size):
        f = fraction[i]
        inner = (f + _ONE) * f * (f - _ONE) * (f - _TWO)
        w0[i] = inner * (f - _THREE) * np.float32(-1.0 / 120.0)
        w5[i] = inner * (f + _TWO) * np.float32(1.0 / 120.0)
    for i in range(fraction.size):
        f = fraction[i]
        inner = (f + _TWO) * f * (f - _ONE) * (f - _THREE)
        w1[i] = inner * (f - _TWO) * np.float32(1.0 / 24.0)
        w4[i] = inner * (f + _ONE) * np.float32(-1.0 / 24.0)
    for i in range(fraction.size):
        f = fraction[i]
        outer = (f + _TWO) * (f + _ONE) * (f - _TWO) * (f - _THREE)
        w2[i] = outer * (f - _ONE) * np.float32(-1.0 / 12.0)
        w3[i] = outer * f * np.float32(1.0 / 12.0)


@kernel
def _read(line: F32, places: I64, fraction: F32, weights: F32, points: int, inside: bool, heard: F32) -> None:
    """Writes what a line holds at the places, from six points each or from two; `inside`: without a seam."""
    size = np.uint64(line.size)
    if points == 2:
        for i in range(heard.size):
            # Unsigned, so that no index is looked at twice for being negative.
            i0 = np.uint64(places[i] if inside else places[i] % line.size)
            i1 = i0 + np.uint64(1)
            if not inside:
                i1 = i1 % size
            heard[i] = line[i0] + fraction[i] * (line[i1] - line[i0])
        return
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for i in range(heard.size):
        i0 = np.uint64(places[i] - 2 if inside else (places[i] - 2) % line.size)
        i1, i2, i3 = i0 + np.uint64(1), i0 + np.uint64(2), i0 + np.uint64(3)
        i4, i5 = i0 + np.uint64(4), i0 + np.uint64(5)
        if not inside:
            i1, i2, i3, i4, i5 = i1 % size, i2 % size, i3 % size, i4 % size, i5 % size
        heard[i] = (w0[i] * line[i0] + w1[i] * line[i1] + w2[i] * line[i2]) + (
            w3[i] * line[i3] + w4[i] * line[i4] + w5[i] * line[i5]
        )


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
    points: int,
    places: I64,
    weights: F32,
    out: F32,
) -> None:
    size, frames, apart = source.shape[1], out.shape[1], source.shape[0] - 1
    for n in range(begin.size):
        if length[n] <= 0 or begin[n] >= start + frames:
            continue
        end = begin[n] + length[n]
        speed = np.int64(np.rint(2.0 * ratio[n] * _POINT))
        origin = np.int64(((2.0 * position[n]) % size) * _POINT)
        now = max(begin[n], start)
        while now < min(end, start + frames):
            count = min(min(end, start + frames) - now, _STRETCH)
            fraction, window, heard = weights[6][:count], weights[7][:count], weights[8][:count]
            at = (origin + speed * (now - begin[n])) % (size * _POINT)
            _place(at, speed, places, fraction)
            if points != 2:
                _weigh(fraction, weights)
            _window(now - begin[n], length[n], attack[n], window)
            first, last = at >> 32, (at + speed * count) >> 32
            inside = min(first, last) >= 3 and max(first, last) < size - 4
            for channel in range(2):
                if channel <= apart:
                    _read(source[channel], places, fraction, weights, points, inside, heard)
                level = left[n] if channel == 0 else right[n]
                sound = out[channel, now - start : now - start + count]
                for i in range(count):
                    sound[i] += (window[i] * level) * heard[i]
            now += count
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
    points: int = 6,
) -> None:
    """Adds every grain's share of the block that begins at absolute frame `start` to `out` (2, frames).

    A grain is one index of all the arrays (n,): it begins at frame `begin` and lasts `length` frames, 0 for
    an empty slot; reads `source` (1 or 2, 2 · size), from `oversampled` or `record`, from `position` in
    frames of the original on, in a circle, at `ratio`, negative for backwards; rises for the share `attack`
    of its length and falls for the rest, both as a raised cosine (0.5 is Hann's window); and is `left` and
    `right` loud. A grain that ends in this block leaves its slot empty.

    With `points` = 2 a place is read off the straight line between two points: for crackle, hiss and other
    noise, at a third to half of the cost. A sine of 1 kHz then comes out clean to -70 dB, one of 5 kHz to
    -45 dB.
    """
    prepared = (_scratch.places, _scratch.weights)
    _grains(begin, length, position, ratio, attack, left, right, source, start, points, *prepared, out)
