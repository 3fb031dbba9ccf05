"""Grains: short windowed pieces of a recording, or of the engine's own past, at any pitch.

What they are read from is stored at twice its rate, every second value the sample itself, so that six points
around a place give the sound there to -114 dB. A grain that plays faster than what it reads folds back what
comes to lie over half the rate: at a ratio of 2, material under a quarter of the rate stays clean; the ear
forgives the rest up to there, and a low-pass before is the remedy beyond.

Source: Laakso et al., Splitting the unit delay, IEEE SP Magazine 13, 1996; Niemitalo, Polynomial
interpolators for high-quality resampling of oversampled audio, 2001.
"""

from __future__ import annotations

import math

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel

REACH = 24
"""Samples on each side from which the value half way between two is found."""


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
    ready[:, 1::2] = 0.0
    for k, weight in enumerate(_HALF_WAY):
        ready[:, 1::2] += weight * (np.roll(audio, k, axis=1) + np.roll(audio, -1 - k, axis=1))
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


@kernel
def _rise(t: float) -> float:
    """Half a period of a raised cosine: from 0 at 0 to 1 at 1.

    The sine's Taylor series to the 9th degree, true to 4e-6 at its ends.
    """
    u = np.float32(math.pi) * (t - np.float32(0.5))
    uu = u * u
    sine = u * (
        np.float32(1.0)
        + uu
        * (
            np.float32(-1.0 / 6.0)
            + uu
            * (np.float32(1.0 / 120.0) + uu * (np.float32(-1.0 / 5040.0) + uu * np.float32(1.0 / 362880.0)))
        )
    )
    return np.float32(0.5) + np.float32(0.5) * sine


@kernel
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
    points = source.shape[1]
    frames = out.shape[1]
    for n in range(begin.size):
        if length[n] <= 0 or begin[n] >= start + frames:
            continue
        end = begin[n] + length[n]
        rise = max(attack[n] * length[n], 1e-3)
        fall = max(length[n] - rise, 1e-3)
        for step in range(frames // GRID_FRAMES):
            first = max(begin[n], start + step * GRID_FRAMES)
            count = min(end, start + (step + 1) * GRID_FRAMES) - first
            if count <= 0:
                continue
            age = first - begin[n]
            speed = 2.0 * ratio[n]
            place = (2.0 * position[n] + speed * age) % points
            lowest = min(place, place + speed * count)
            inside = lowest >= 3.0 and max(place, place + speed * count) < points - 4.0
            heard_left = out[0, first - start :]
            heard_right = out[1, first - start :]
            for i in range(count):
                at = place + speed * i
                whole = np.int64(math.floor(at))
                f = np.float32(at - whole)
                # The six weights, from common factors of their products.
                a, b, c, d, e, g = (
                    f + np.float32(2.0),
                    f + np.float32(1.0),
                    f,
                    f - np.float32(1.0),
                    f - np.float32(2.0),
                    f - np.float32(3.0),
                )
                ab, cd, eg = a * b, c * d, e * g
                cdeg, abeg, abcd = cd * eg, ab * eg, ab * cd
                w0 = b * cdeg * np.float32(-1.0 / 120.0)
                w1 = a * cdeg * np.float32(1.0 / 24.0)
                w2 = d * abeg * np.float32(-1.0 / 12.0)
                w3 = c * abeg * np.float32(1.0 / 12.0)
                w4 = g * abcd * np.float32(-1.0 / 24.0)
                w5 = e * abcd * np.float32(1.0 / 120.0)
                i0, i1, i2, i3, i4, i5 = whole - 2, whole - 1, whole, whole + 1, whole + 2, whole + 3
                if not inside:
                    i0, i1, i2 = i0 % points, i1 % points, i2 % points
                    i3, i4, i5 = i3 % points, i4 % points, i5 % points
                now = np.float32(age + i)
                up = min(now / np.float32(rise), np.float32(1.0))
                down = min((np.float32(length[n]) - now) / np.float32(fall), np.float32(1.0))
                level = _rise(min(up, down))
                heard_left[i] += (
                    level
                    * left[n]
                    * (
                        w0 * source[0, i0]
                        + w1 * source[0, i1]
                        + w2 * source[0, i2]
                        + w3 * source[0, i3]
                        + w4 * source[0, i4]
                        + w5 * source[0, i5]
                    )
                )
                heard_right[i] += (
                    level
                    * right[n]
                    * (
                        w0 * source[1, i0]
                        + w1 * source[1, i1]
                        + w2 * source[1, i2]
                        + w3 * source[1, i3]
                        + w4 * source[1, i4]
                        + w5 * source[1, i5]
                    )
                )
        if end <= start + frames:
            length[n] = 0
