"""Chaos: movement with laws but without repeats, slow for controls, at audio rate for storms and roars.

Two runs from the same start are equal to the bit; two starts a hair apart soon part.
"""

from __future__ import annotations

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel, summing_kernel
from resonance.dsp.partials import cosine

# Runge-Kutta steps in a grid step: with the limits below, each stays on its attractor (measured).
_SUBSTEPS = 4
_LORENZ, _ROSSLER = 0, 1


@kernel
def slope(system: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Where a system moves from a point, and how fast."""
    if system == _LORENZ:
        return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z
    return -y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)


@kernel
def follow(
    system: int,
    state: F64,
    dt: F64,
    longest: float,
    centre: tuple[float, float, float],
    reach: tuple[float, float, float],
    out: F64,
) -> None:
    """Follows a system by Runge and Kutta's fourth-order rule, and writes where it is, scaled."""
    x, y, z = state[0], state[1], state[2]
    steps = dt.shape[0] - 1
    for step in range(steps + 1):
        out[step, 0] = (x - centre[0]) / reach[0]
        out[step, 1] = (y - centre[1]) / reach[1]
        out[step, 2] = (z - centre[2]) / reach[2]
        if step < steps:
            h = min(0.5 * (dt[step] + dt[step + 1]), longest) / _SUBSTEPS
            for _ in range(_SUBSTEPS):
                ax, ay, az = slope(system, x, y, z)
                bx, by, bz = slope(system, x + 0.5 * h * ax, y + 0.5 * h * ay, z + 0.5 * h * az)
                cx, cy, cz = slope(system, x + 0.5 * h * bx, y + 0.5 * h * by, z + 0.5 * h * bz)
                dx, dy, dz = slope(system, x + h * cx, y + h * cy, z + h * cz)
                x += h / 6.0 * (ax + 2.0 * (bx + cx) + dx)
                y += h / 6.0 * (ay + 2.0 * (by + cy) + dy)
                z += h / 6.0 * (az + 2.0 * (bz + cz) + dz)
    state[0], state[1], state[2] = x, y, z


@kernel
def lorenz(state: F64, dt: F64, out: F64) -> None:
    """Writes Lorenz's butterfly: it circles one wing, then, no one can say when, the other.

    `state` (3,) is where it is, in the system's own coordinates; the origin is a point it never leaves, so
    start near (1, 1, 25). `dt` (steps + 1,) is how much of its own time a grid step takes, ramped: a turn of
    a wing lasts about 0.75, and more than 0.16 a step counts as 0.16. `out` (steps + 1, 3) is overwritten,
    row 0 with the state before: x / 20, y / 28, (z - 24) / 24, which lie about in -1..1.
    Source: Lorenz 1963, equations 25-27, with his sigma 10, r 28, b 8/3; reaches measured over 10,000 turns.
    """
    follow(_LORENZ, state, dt, 0.16, (0.0, 0.0, 24.0), (20.0, 28.0, 24.0), out)


@kernel
def rossler(state: F64, dt: F64, out: F64) -> None:
    """Writes Rossler's spiral: it winds outwards in a plane, leaps, and is laid back near its middle.

    `state` (3,) as in `lorenz`; start within 2 of the origin, which itself will do: from further
    away it may escape for good. `dt` (steps + 1,) as there: a winding lasts about 5.9, and more than 0.4 a
    step counts as 0.4. `out` (steps + 1, 3) is overwritten: x / 12, y / 12, z / 12 - 1, about in -1..1; the
    last rests near -1 and leaps.
    Source: Rossler 1976, "An equation for continuous chaos", a 0.2, b 0.2, c 5.7; reaches measured likewise.
    """
    follow(_ROSSLER, state, dt, 0.4, (0.0, 0.0, 12.0), (12.0, 12.0, 12.0), out)


@summing_kernel
def feedback_fm(phase: F64, memory: F64, cycles: F64, feedback: F64, left: F32, right: F32, out: F32) -> None:
    """Adds sines that modulate their own pitch: pure, then bright, then torn, then a storm.

    `phase` (voices,) in cycles, kept in 0..1, and `memory` (2, voices), the last two values, are state, zeros
    at first. `cycles` (steps + 1, voices) are cycles a frame; `feedback` (steps + 1, voices) float64 is how
    far, in cycles, a value of 1 pushes the phase: near 0.16 a saw, from 0.3 a buzz, over 0.6 noise. `left`,
    `right` (steps + 1, voices) and `out` (2, frames) float32. Nothing limits its band, and between 0.2 and
    0.8 it carries DC: it is meant for noise, with a high-pass after it. Source: Tomisawa
    1981, US patent 4249447, with its mean of the last two values against hunting.
    """
    a_frame = np.float32(1.0 / GRID_FRAMES)
    last, last_but_one = memory[0], memory[1]
    for step in range(cycles.shape[0] - 1):
        slow, fast = cycles[step], cycles[step + 1]
        push_before, push_now = feedback[step], feedback[step + 1]
        left_before, left_now, right_before, right_now = (
            left[step],
            left[step + 1],
            right[step],
            right[step + 1],
        )
        for j in range(GRID_FRAMES):
            # Each voice waits for its own last value: so they go side by side.
            late = j / GRID_FRAMES
            late_level = np.float32(j) * a_frame
            left_sum = right_sum = np.float32(0.0)
            for i in range(phase.shape[0]):
                push = 0.5 * (push_before[i] + late * (push_now[i] - push_before[i]))
                from_crest = phase[i] - 0.25 + push * (last[i] + last_but_one[i])
                value = cosine(np.float32(from_crest - np.floor(from_crest + 0.5)))
                last_but_one[i] = last[i]
                last[i] = value
                left_sum += value * (left_before[i] + late_level * (left_now[i] - left_before[i]))
                right_sum += value * (right_before[i] + late_level * (right_now[i] - right_before[i]))
                turn = phase[i] + slow[i] + late * (fast[i] - slow[i])
                phase[i] = turn - np.floor(turn)
            out[0, step * GRID_FRAMES + j] += left_sum
            out[1, step * GRID_FRAMES + j] += right_sum
