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
def drift(key: np.uint64, phase: F64, increment: F64, out: F64) -> None:
    """Writes `n` slow random curves, each breathing on its own, -1 to 1.

    Each is a cubic B-spline through chance: smooth up to its curvature, never resting on its lattice. RMS is
    about 0.4. `phase` (n,) counts lattice points and is state: start curves anywhere, 0 will do.
    `increment` (steps + 1, n) is lattice points a step, ramped. `out` (steps + 1, n) is overwritten: row k is
    the value at the start of step k, the last row the value at the end. `key` is np.uint64.
    """
    steps = increment.shape[0] - 1
    for i in range(phase.shape[0]):
        lane = mixed(key, i)
        for step in range(steps + 1):
            point = math.floor(phase[i])
            x = phase[i] - point
            y = 1.0 - x
            before = y * y * y
            here = 4.0 - 3.0 * x * x * (1.0 + y)
            there = 4.0 - 3.0 * y * y * (1.0 + x)
            after = x * x * x
            sum_of_four = (
                before * hashed(lane, point - 1)
                + here * hashed(lane, point)
                + there * hashed(lane, point + 1)
                + after * hashed(lane, point + 2)
            )
            out[step, i] = sum_of_four / 3.0 - 1.0
            if step < steps:
                phase[i] += 0.5 * (increment[step, i] + increment[step + 1, i])


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


def swell(age_s: ArrayLike, attack_s: float, hold_s: float, release_s: float) -> F64:
    """The level of something that swells, stays and fades, at the given ages: 0 to 1, raised cosines.

    Before its birth (age below 0) and from the end of its release on it is 0. A rise or fall of 0 s jumps.
    """
    age = np.asarray(age_s, dtype=np.float64)
    rise = np.clip(age / attack_s, 0.0, 1.0) if attack_s > 0.0 else (age >= 0.0).astype(np.float64)
    left = attack_s + hold_s + release_s - age
    fall = np.clip(left / release_s, 0.0, 1.0) if release_s > 0.0 else (left > 0.0).astype(np.float64)
    return 0.25 * (1.0 - np.cos(np.pi * rise)) * (1.0 - np.cos(np.pi * fall))


def levels(gain_db: F64) -> F64:
    """Linear levels of gains in decibels, of any shape; more than twice as fast as a power of ten."""
    linear: F64 = np.exp2(gain_db * (math.log2(10.0) / 20.0))
    return linear
