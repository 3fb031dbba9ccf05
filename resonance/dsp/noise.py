"""Noise: white, pink, brown, and single impulses, each a pure function of a key and the absolute frame.

No generator's state is kept: every step begins with a hash of its own number, so a voice can start anywhere
and blocks of any length agree. All three have the same RMS, -4.8 dB. An octave of pink or brown noise is as
loud at every sample rate; white noise is spread up to half the rate, so for a band of it to be as loud as at
48 kHz, multiply it by sqrt(rate_hz / 48000).
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from resonance.dsp import F32, F64, GRID_FRAMES, aligned, kernel
from resonance.dsp.turning import BLOCK, LANES, in_rows

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
Six = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]

_FULL, _AS_IT_IS = np.float32(2.0**-31), np.float32(1.0)  # from 32 bits and a sign: to -1..1, and not

# Sums of first-order low-passes, and a bit of the white itself now and a frame ago: a least-squares fit of
# -3.01 dB an octave from 0.0001 to 0.47 cycles a frame, true to 0.17 dB. The method is Kellet's (musicdsp.org
# 76, 1999), the numbers are new. Gains make it as loud as the white noise it comes from. What float32 adds
# lies 114 dB below.
_PINK_POLES = tuple(map(np.float32, (0.9995287, 0.9976482, 0.9911732, 0.9677641, 0.8854721, 0.6236423)))
_PINK_GAINS = tuple(
    np.float32(gain / 0.1929797) for gain in (0.0107948, 0.012224, 0.0220337, 0.0417179, 0.0796736, 0.1583049)
)
_PINK_DELAYED = np.float32(0.0488667 / 0.1929797)
_PINK_DIRECT = np.float32(0.1929797 * 2.0**-31)

_LEAK_HZ = 10.0  # under hearing: brown noise falls by 6 dB an octave from here on

# A step's first number is a hash; each further one is the one before times this plus that. Two of 64 such
# numbers correlate by less than 1e-6, however far apart. Source: Steele and Vigna, Computationally easy,
# spectrally good multipliers for congruential pseudorandom number generators, 2022, for 32 bits.
_MULTIPLIER, _INCREMENT = np.uint32(0xADB4A92D), np.uint32(0x9E3779B9)


def _jumps() -> tuple[U32, U32]:
    """What makes of a step's first number each of its numbers at once: times this, plus that."""
    times, plus = [1], [0]
    for _ in range(GRID_FRAMES - 1):
        times.append(times[-1] * int(_MULTIPLIER) % 2**32)
        plus.append((plus[-1] * int(_MULTIPLIER) + int(_INCREMENT)) % 2**32)
    return np.array(times, np.uint32), np.array(plus, np.uint32)


_TIMES, _PLUS = _jumps()

# Lanes side by side: what each low-pass holds, and the white before.
_STATES = len(_PINK_POLES) + 1
_S0, _S1, _S2, _S3, _S4, _S5, _BEFORE = range(0, _STATES * LANES, LANES)


class _Scratch(threading.local):
    """Where a thread lays lanes side by side."""

    def __init__(self) -> None:
        self.keys = np.zeros(LANES, np.uint64)
        self.numbers = np.zeros(LANES, np.uint32)
        self.lanes = aligned(_STATES * LANES)
        self.turned = aligned(2 * BLOCK)


_scratch = _Scratch()


@kernel
def _scrambled(number: np.uint64) -> np.uint64:
    """A 64-bit number with its bits thoroughly mixed.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    z = np.uint64(number) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _lane_key(key: np.uint64, lane: int) -> np.uint64:
    return _scrambled(key ^ _scrambled(np.uint64(lane)))


@kernel
def _first(lane_key: np.uint64, start: int) -> np.uint32:
    """The number that a step's noise begins with."""
    return np.uint32(_scrambled(lane_key + np.uint64(start)) >> np.uint64(32))


@kernel
def _uniform(key: np.uint64, start: int, lane: int, level: np.float32, out: F32) -> None:
    """Writes a step of noise to `out` (64,)."""
    first = _first(_lane_key(key, lane), start)
    for i in range(out.size):
        # numba computes in 64 bits, half as fast, unless it is told at every turn that 32 are meant.
        number = np.uint32(np.uint32(first * _TIMES[i]) + _PLUS[i])
        out[i] = np.float32(np.int32(number)) * level


@kernel
def _white(key: np.uint64, start: int, out: F32) -> None:
    for lane in range(out.shape[0]):
        for begin in range(0, out.shape[1], GRID_FRAMES):
            _uniform(key, start + begin, lane, _FULL, out[lane, begin : begin + GRID_FRAMES])


@kernel
def _pink_frame(held: Six, before: np.float32, white: np.float32) -> tuple[Six, np.float32]:
    """What the low-passes hold after a frame, and what is heard of it."""
    s0, s1 = _PINK_POLES[0] * held[0] + white, _PINK_POLES[1] * held[1] + white
    s2, s3 = _PINK_POLES[2] * held[2] + white, _PINK_POLES[3] * held[3] + white
    s4, s5 = _PINK_POLES[4] * held[4] + white, _PINK_POLES[5] * held[5] + white
    # No sum is of two products: which of them would be rounded is up to the compiler, in each kernel anew.
    late = _PINK_GAINS[5] * s5 + (_PINK_DELAYED * before + white)
    fast = _PINK_GAINS[3] * s3 + (_PINK_GAINS[4] * s4 + late)
    slow = _PINK_GAINS[0] * s0 + (_PINK_GAINS[1] * s1 + (_PINK_GAINS[2] * s2 + fast))
    return (s0, s1, s2, s3, s4, s5), _PINK_DIRECT * slow


@kernel
def _pink_lanes(state: F32, key: np.uint64, start: int, beside: int, out: F32) -> None:
    """One lane after another."""
    for lane in range(beside, out.shape[0]):
        held = state[0, lane], state[1, lane], state[2, lane], state[3, lane], state[4, lane], state[5, lane]
        before = state[6, lane]
        for begin in range(0, out.shape[1], GRID_FRAMES):
            sound = out[lane, begin : begin + GRID_FRAMES]
            _uniform(key, start + begin, lane, _AS_IT_IS, sound)
            for i in range(GRID_FRAMES):
                white = sound[i]
                held, sound[i] = _pink_frame(held, before, white)
                before = white
        for k in range(6):
            state[k, lane] = held[k]
        state[6, lane] = before


@kernel
def _pink_step(numbers: U32, lanes: F32, turned: F32) -> None:
    """Makes a step of pink noise of lanes side by side."""
    for i in range(GRID_FRAMES):
        at = LANES * i
        for k in range(LANES):
            white = np.float32(np.int32(numbers[k]))
            numbers[k] = np.uint32(np.uint32(numbers[k] * _MULTIPLIER) + _INCREMENT)
            slow = lanes[_S0 + k], lanes[_S1 + k], lanes[_S2 + k]
            fast = lanes[_S3 + k], lanes[_S4 + k], lanes[_S5 + k]
            held, turned[at + k] = _pink_frame(slow + fast, lanes[_BEFORE + k], white)
            lanes[_S0 + k], lanes[_S1 + k], lanes[_S2 + k] = held[0], held[1], held[2]
            lanes[_S3 + k], lanes[_S4 + k], lanes[_S5 + k] = held[3], held[4], held[5]
            lanes[_BEFORE + k] = white


@kernel
def _pink_beside(
    state: F32,
    key: np.uint64,
    start: int,
    beside: int,
    keys: U64,
    numbers: U32,
    lanes: F32,
    turned: F32,
    out: F32,
) -> None:
    """Many lanes at a time, side by side: each to the bit what it would be alone."""
    for lane in range(0, beside, LANES):
        for k in range(LANES):
            keys[k] = _lane_key(key, lane + k)
            for row in range(_STATES):
                lanes[LANES * row + k] = state[row, lane + k]
        for begin in range(0, out.shape[1], GRID_FRAMES):
            for k in range(LANES):
                numbers[k] = _first(keys[k], start + begin)
            _pink_step(numbers, lanes, turned)
            in_rows(turned, lane, begin, out)
        for k in range(LANES):
            for row in range(_STATES):
                state[row, lane + k] = lanes[LANES * row + k]


@kernel
def _brown(state: F64, key: np.uint64, start: int, out: F32) -> None:
    _white(key, start, out)
    for begin in range(0, out.shape[1], GRID_FRAMES):
        for lane in range(out.shape[0]):
            sound = out[lane, begin:]
            level, kept = state[0, lane], state[1, lane]
            gain = math.sqrt(1.0 - kept * kept)
            for i in range(GRID_FRAMES):
                level = kept * level + gain * sound[i]
                sound[i] = level
            state[0, lane] = level


@kernel
def _impulses(key: np.uint64, start: int, density: F64, out: F32) -> None:
    for step in range(out.size // GRID_FRAMES):
        begin = start + step * GRID_FRAMES
        sound = out[step * GRID_FRAMES : (step + 1) * GRID_FRAMES]
        slope = (density[step + 1] - density[step]) / GRID_FRAMES
        own = _scrambled(key ^ _scrambled(np.uint64(begin)))
        _uniform(key, begin, 0, _FULL, sound)
        for i in range(GRID_FRAMES):
            chance = np.float64(_scrambled(own + np.uint64(i)) >> np.uint64(11)) * 2.0**-53
            sound[i] = sound[i] if chance < density[step] + slope * i else np.float32(0.0)


def evened(rate_hz: float) -> float:
    """What brings a band of white noise to its level at 48 kHz: its power is spread up to half the rate."""
    return math.sqrt(rate_hz / 48_000.0)


def white(key: int | np.uint64, start: int, out: F32) -> None:
    """Writes white noise to `out` (lanes, frames): uniform from -1 to 1, so 4.8 dB under full scale.

    `key` is any 64-bit number, `start` the absolute frame of the block, a multiple of 64. Every lane, and
    every key, is a noise of its own.
    """
    _white(np.uint64(key), start, out)


def pink_state(lanes: int) -> F32:
    """The state `pink` needs, at rest."""
    return np.zeros((_STATES, lanes), np.float32)


def pink(state: F32, key: int | np.uint64, start: int, out: F32) -> None:
    """Writes pink noise to `out` (lanes, frames): as much in every octave, and as loud as `white`.

    `state` from `pink_state`; `key` and `start` as for `white`. It falls by 3 dB an octave from 0.0001 cycles
    a frame (5 Hz at 48 kHz) on, and is flat below.
    """
    key, beside = np.uint64(key), out.shape[0] // LANES * LANES
    # Kernels of their own: few sounds have so many lanes, and what nobody calls is not compiled.
    if beside > 0:
        scratch = _scratch.keys, _scratch.numbers, _scratch.lanes, _scratch.turned
        _pink_beside(state, key, start, beside, *scratch, out)
    if beside < out.shape[0]:
        _pink_lanes(state, key, start, beside, out)


def brown_state(lanes: int, rate_hz: float) -> F64:
    """The state `brown` needs, at rest: row 0 its level, row 1 what it keeps of it a frame."""
    state = np.zeros((2, lanes))
    state[1] = math.exp(-2.0 * math.pi * _LEAK_HZ / rate_hz)
    return state


def brown(state: F64, key: int | np.uint64, start: int, out: F32) -> None:
    """Writes brown noise to `out` (lanes, frames): 6 dB an octave down from 10 Hz on, as loud as `white`.

    `state` from `brown_state`; `key` and `start` as for `white`. It peaks at about four times its RMS.
    """
    _brown(state, np.uint64(key), start, out)


def impulses(key: int | np.uint64, start: int, density: F64, out: F32) -> None:
    """Writes crackle to `out` (frames,): single impulses at random times, uniform from -1 to 1.

    `density` (steps + 1,) is their mean number a frame; `key` and `start` as for `white`.
    """
    _impulses(np.uint64(key), start, density, out)
