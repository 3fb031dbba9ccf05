"""Slow movement: smooth chance that never repeats, swells, and controls that glide.

Chance here is a function of where one is, not of what was drawn before: a hash of key and place. So it is
the same wherever a span begins, and days in it is as fresh and as fine as at the start.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from resonance.dsp import F64, GRID_FRAMES, kernel

# Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators": SplitMix64's golden gamma, and
# its mixing function, Stafford's variant 13 of MurmurHash3's finalizer.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)


@kernel
def mixed(key: np.uint64, index: int) -> np.uint64:
    """64 random bits that belong to a key and a whole number, which may be negative."""
    bits = np.uint64(key) + (np.uint64(index) + _ONE) * _GAMMA
    bits = (bits ^ (bits >> _30)) * _MIX_1
    bits = (bits ^ (bits >> _27)) * _MIX_2
    return bits ^ (bits >> _31)


@kernel
def hashed(key: np.uint64, index: int) -> float:
    """Chance that belongs to a key and a whole number: 0 to under 1, even.

    From Python, pass keys as `np.uint64(key)`: one type is one compilation.
    """
    return float(mixed(key, index) >> _11) * 2.0**-53


@kernel
def _between(lane: np.uint64, number: int) -> tuple[float, float, float, float]:
    """The cubic from one lattice point to the next, by rising powers."""
    before, here = hashed(lane, number - 1), hashed(lane, number)
    there, after = hashed(lane, number + 1), hashed(lane, number + 2)
    level = (before + 4.0 * here + there) / 3.0 - 1.0
    return level, there - before, before - 2.0 * here + there, (after - before) / 3.0 + here - there


@kernel
def _wandered(lane: np.uint64, at: float, pace: float, increment: F64, out: F64) -> float:
    """Writes one curve of `drift`, from lattice point `at` on, and returns where it has come to."""
    steps = out.size - 1
    drawn = np.floor(at) - 1.0  # from which point on the polynomial holds: seldom another
    curve = _between(lane, 0)
    for step in range(steps + 1):
        point = np.floor(at)
        if point != drawn:
            drawn, curve = point, _between(lane, int(point))
        x = at - point
        out[step] = curve[0] + x * (curve[1] + x * (curve[2] + x * curve[3]))
        if step < steps:
            at += 0.5 * pace * (increment[step] + increment[step + 1])
    return at


@kernel
def drift(key: np.uint64, phase: F64, increment: F64, out: F64) -> None:
    """Writes `n` slow random curves, each breathing on its own, -1 to 1.

    Each is a cubic B-spline through chance: smooth up to its curvature, never resting on its lattice. RMS is
    about 0.4. `phase` (n,) counts lattice points and is state: start curves anywhere, 0 will do.
    `increment` (steps + 1, n) is lattice points a step, ramped. `out` (steps + 1, n) is overwritten: row k is
    the value at the start of step k, the last row the value at the end. `key` is np.uint64.
    """
    for i in range(phase.size):
        phase[i] = _wandered(mixed(key, i), phase[i], 1.0, increment[:, i], out[:, i])


@kernel
def drift_together(key: np.uint64, phase: F64, pace: F64, increment: F64, out: F64) -> None:
    """`drift` where all hurry as one: each goes at its own `pace` (n,) times `increment` (steps + 1,)."""
    for i in range(phase.size):
        phase[i] = _wandered(mixed(key, i), phase[i], pace[i], increment, out[:, i])


def glide_coefficient(settle_s: float, rate_hz: float) -> float:
    """The coefficient with which `glide` covers 63 % (1 - 1/e) of its way in `settle_s`; 0 s jumps."""
    return 1.0 if settle_s <= 0.0 else -math.expm1(-GRID_FRAMES / (rate_hz * settle_s))


@kernel
def glide(value: F64, target: F64, coefficient: float, out: F64) -> None:
    """Writes a control that follows its target smoothly, by a share of what is left, step by step.

    `value` (1,) is state; `target` and `out` are (steps + 1,); `coefficient` (0 to 1) is the share covered in
    one step, see `glide_coefficient`. Row 0 is the value at the span's start.
    """
    out[0] = value[0]
    for step in range(target.shape[0] - 1):
        value[0] += coefficient * (target[step + 1] - value[0])
        out[step + 1] = value[0]


def glided(age_s: F64, begins_s: F64, values: F64, glide_s: float) -> F64:
    """Values that hold from tone to tone, with a smooth glide of `glide_s` around each border.

    `values` (n,) hold from the ages `begins_s` (n,) on; the result has the shape of `age_s` (m,).
    """
    out = np.full(len(age_s), float(values[0]))
    for begin_s, before, now in zip(begins_s[1:], values[:-1], values[1:], strict=True):
        x = np.clip((age_s - begin_s) / glide_s + 0.5, 0.0, 1.0)
        out += (now - before) * x * x * (3.0 - 2.0 * x)
    return out


def swell(age_s: ArrayLike, attack_s: float, hold_s: float, release_s: float) -> F64:
    """The level of something that swells, stays and fades, at the given ages: 0 to 1, raised cosines.

    Before its birth (age below 0) and from the end of its release on it is 0. A rise or fall of 0 s jumps.
    """
    age = np.asarray(age_s, dtype=np.float64)
    rise = np.clip(age / attack_s, 0.0, 1.0) if attack_s > 0.0 else (age >= 0.0).astype(np.float64)
    left = attack_s + hold_s + release_s - age
    fall = np.clip(left / release_s, 0.0, 1.0) if release_s > 0.0 else (left > 0.0).astype(np.float64)
    return 0.25 * (1.0 - np.cos(np.pi * rise)) * (1.0 - np.cos(np.pi * fall))


# 2^x on -1/2..1/2, true to 8e-16. Source: interpolation at Chebyshev's points, in 60 digits.
_POWER = (
    1.0,
    0.69314718055995,
    0.24022650695910097,
    0.05550410866444772,
    0.009618129107606888,
    0.0013333558230164974,
    0.0001540353044173605,
    1.5252657260200837e-05,
    1.321544258792169e-06,
    1.0208690299958306e-07,
    7.072585949269224e-09,
)
# Added to a double, it leaves the nearest whole number in the last bits. Source: Schraudolph, A fast, compact
# approximation of the exponential function, Neural Computation 11, 1999, put the other way round.
_WHOLE = 1.5 * 2.0**52

A_DECIBEL, A_CENT = math.log2(10.0) / 20.0, 1.0 / 1200.0
"""A decibel and a cent in octaves, of level and of pitch: what `power_of_two` takes."""


@kernel
def power_of_two(exponent: float) -> float:
    """2 to the power of an exponent, which is held within -1000 and 1000; for kernels, many at a time."""
    x = min(max(exponent, -1000.0), 1000.0)
    shifted = np.float64(x + _WHOLE)
    f = x - (shifted - _WHOLE)
    power = _POWER[10]
    for k in range(9, -1, -1):
        power = _POWER[k] + f * power
    bits = (shifted.view(np.int64) << 52) + np.float64(power).view(np.int64)
    return np.int64(bits).view(np.float64)


@kernel
def _powers_of_two(exponent: F64, scale: float, out: F64) -> None:
    """Writes 2 to the power of `scale` times each exponent, (n,)."""
    for i in range(exponent.size):
        out[i] = power_of_two(exponent[i] * scale)


def _powers(exponent: F64, scale: float) -> F64:
    flat = np.ascontiguousarray(exponent, np.float64).ravel()
    out = np.empty(flat.size)
    _powers_of_two(flat, scale, out)
    return out.reshape(np.shape(exponent))


def levels(gain_db: F64) -> F64:
    """Linear levels of gains in decibels, of any shape; ten times as fast as a power of ten."""
    return _powers(gain_db, A_DECIBEL)


def octaves(height: F64) -> F64:
    """Ratios of heights in octaves, of any shape; ten times as fast as a power of two."""
    return _powers(height, 1.0)


def ratios(interval_cents: F64) -> F64:
    """Ratios of intervals in cents, of any shape; ten times as fast as a power of two."""
    return _powers(interval_cents, A_CENT)
