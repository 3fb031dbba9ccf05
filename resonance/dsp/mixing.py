"""Adding voices up: levels, delays to the exact frame, the air between, and mono lows.

`mix` is where the engine notices a voice that has gone wrong, before it reaches anything else.
"""

from __future__ import annotations

import math

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel, strict_kernel

LIMIT = 16.0
"""+24 dBFS: a voice this loud has run away."""

_LIMIT_BITS = int(np.float32(LIMIT).view(np.int32))
_MAGNITUDE_BITS = 0x7FFFFFFF

# Far under hearing, far over the smallest normal number: what is left of a state below it becomes zero.
_SILENT = 1e-20


@strict_kernel
def mix(
    voice: F32,
    carry: F32,
    lag: int,
    levels: tuple[float, float],
    gain: F64,
    send: F64,
    first: int,
    dry: F32,
    wet: F32,
) -> float:
    """Adds a voice to the mix at its exact frame, and its send to the shared space.

    `voice` (2, frames) sounds `lag` frames late, 0 to 63; `carry` (2, 64), state, holds what is still owed
    between calls. `gain` and `send` (steps + 1,) are linear, and so are `levels`, which are the voice's own,
    of both: from step `first` on `dry` gets voice · gain, `wet` gets voice · gain · send. Returns the voice's
    peak before gain; or infinity, having added nothing and forgotten what was owed, when a sample of it is
    not finite or over `LIMIT`.
    """
    # The bits of a float without its sign, read as a whole number, sort as magnitudes do, infinities and
    # NaN on top; and a maximum of whole numbers is found many at a time.
    bits = voice.view(np.int32)
    loudest = np.int32(0)
    for channel in range(2):
        for i in range(voice.shape[1]):
            loudest = max(loudest, np.int32(bits[channel, i] & _MAGNITUDE_BITS))
    if loudest > _LIMIT_BITS:
        carry[:, :] = 0.0
        return math.inf

    steps = voice.shape[1] // GRID_FRAMES
    own_gain, own_send = levels
    for channel in range(2):
        for step in range(steps):
            level = np.float32(own_gain * gain[step])
            slope = np.float32(own_gain * (gain[step + 1] - gain[step]) / GRID_FRAMES)
            sent = np.float32(own_send * send[step])
            sent_slope = np.float32(own_send * (send[step + 1] - send[step]) / GRID_FRAMES)
            begin = step * GRID_FRAMES
            near = dry[channel, first * GRID_FRAMES + begin :]
            far = wet[channel, first * GRID_FRAMES + begin :]
            owed = lag if step == 0 else 0
            for i in range(owed):
                value = carry[channel, i] * (level + slope * np.float32(i))
                near[i] += value
                far[i] += value * (sent + sent_slope * np.float32(i))
            own = voice[channel, begin + owed - lag : begin + GRID_FRAMES - lag]
            near, far = near[owed:], far[owed:]
            for i in range(own.size):
                value = own[i] * (level + slope * np.float32(owed + i))
                near[i] += value
                far[i] += value * (sent + sent_slope * np.float32(owed + i))
        for i in range(lag):
            carry[channel, i] = voice[channel, voice.shape[1] - lag + i]
    return float(np.int32(loudest).view(np.float32))


@kernel
def ramped(x: F32, gain: F64, out: F32) -> None:
    """Adds `x` (2, frames) to `out` at a level that moves: `gain` (steps + 1,), linear."""
    for channel in range(2):
        for step in range(x.shape[1] // GRID_FRAMES):
            level = np.float32(gain[step])
            slope = np.float32((gain[step + 1] - gain[step]) / GRID_FRAMES)
            begin = step * GRID_FRAMES
            for i in range(GRID_FRAMES):
                out[channel, begin + i] += x[channel, begin + i] * (level + slope * np.float32(i))


@kernel
def _share(cutoff: float) -> float:
    """How much of a change a one-pole low-pass follows at once."""
    g = math.tan(math.pi * min(max(cutoff, 0.0), 0.49))
    return g / (1.0 + g)


@kernel
def absorb(state: F64, cutoff: F64, dry: F32, wet: F32, clear: float = 1.0) -> None:
    """Dulls a sound, and what it sends, as air does with distance: a one-pole low-pass, in place.

    `dry` and `wet` are (2, frames), `state` (4,); `cutoff` (steps + 1,) in cycles a frame, where it is 3 dB
    down; it is held within 0 and 0.49. Steps in which it is at `clear` or over are let through as they are.
    Source: Zavalishin, The Art of VA Filter Design, 2018, ch. 3.10 (one-pole, trapezoidal).
    """
    share = _share(cutoff[0])
    for step in range(dry.shape[1] // GRID_FRAMES):
        end = share if cutoff[step + 1] == cutoff[step] else _share(cutoff[step + 1])
        slope = (end - share) / GRID_FRAMES
        last = (step + 1) * GRID_FRAMES - 1
        if cutoff[step] >= clear and cutoff[step + 1] >= clear:
            share = end
            state[0], state[1], state[2], state[3] = dry[0, last], dry[1, last], wet[0, last], wet[1, last]
            continue
        near_left, near_right, far_left, far_right = state[0], state[1], state[2], state[3]
        for i in range(step * GRID_FRAMES, (step + 1) * GRID_FRAMES):
            # What is heard lies half way between what the air held and what it holds: so one
            # multiplication a frame has to wait for the one before.
            twice = 2.0 * share
            kept = 1.0 - twice
            share += slope
            before = near_left
            near_left = kept * before + twice * dry[0, i]
            dry[0, i] = 0.5 * (before + near_left)
            before = near_right
            near_right = kept * before + twice * dry[1, i]
            dry[1, i] = 0.5 * (before + near_right)
            before = far_left
            far_left = kept * before + twice * wet[0, i]
            wet[0, i] = 0.5 * (before + far_left)
            before = far_right
            far_right = kept * before + twice * wet[1, i]
            wet[1, i] = 0.5 * (before + far_right)
        share = end
        state[0] = near_left if abs(near_left) > _SILENT else 0.0
        state[1] = near_right if abs(near_right) > _SILENT else 0.0
        state[2] = far_left if abs(far_left) > _SILENT else 0.0
        state[3] = far_right if abs(far_right) > _SILENT else 0.0


@kernel
def mono_below(state: F64, cutoff: float, x: F32) -> None:
    """Draws the lows of `x` (2, frames) into the middle, in place: the side loses what lies under `cutoff`.

    `state` (2,); `cutoff` in cycles a frame. The side's high-pass is a second-order Butterworth; the middle
    is left alone. Source: Simper, Linear Trapezoidal Integrated SVF, 2013 (cytomic.com).
    """
    g = math.tan(math.pi * cutoff)
    damping = math.sqrt(2.0)
    a1 = 1.0 / (1.0 + g * (g + damping))
    a2 = g * a1
    a3 = g * a2
    # Multiplied out, so that a frame waits for two multiplications of the one before.
    keep_first, both, keep_second, own = 2.0 * a1 - 1.0, 2.0 * a2, 1.0 - 2.0 * a3, 2.0 * a3
    from_first = damping * a1 + a2
    for step in range(x.shape[1] // GRID_FRAMES):
        first, second = state[0], state[1]
        for i in range(step * GRID_FRAMES, (step + 1) * GRID_FRAMES):
            middle = 0.5 * (np.float64(x[0, i]) + x[1, i])
            side = 0.5 * (np.float64(x[0, i]) - x[1, i])
            high = a1 * (side - second) - from_first * first
            before = first
            first = keep_first * before + both * (side - second)
            second = both * before + (keep_second * second + own * side)
            x[0, i] = middle + high
            x[1, i] = middle - high
        state[0] = first if abs(first) > _SILENT else 0.0
        state[1] = second if abs(second) > _SILENT else 0.0
