"""Noise: white, pink, brown, and single impulses, each a pure function of a key and the absolute frame.

No generator's state is kept: every sample is a hash of its own number, so a voice can start anywhere and
blocks of any length agree. All three have the same RMS, -4.8 dB. An octave of pink or brown noise is as loud
at every sample rate; white noise is spread up to half the rate, so for a band of it to be as loud as at
48 kHz, multiply it by sqrt(rate_hz / 48000).
"""

from __future__ import annotations

import math

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

# Sums of first-order low-passes, and a bit of the white itself now and a frame ago: a least-squares fit of
# -3.01 dB an octave from 0.0001 to 0.47 cycles a frame, true to 0.17 dB. The method is Kellet's (musicdsp.org
# 76, 1999), the numbers are new. Gains make it as loud as the white noise it comes from.
_PINK_POLES = (0.9995287, 0.9976482, 0.9911732, 0.9677641, 0.8854721, 0.6236423)
_PINK_GAINS = (0.0107948, 0.012224, 0.0220337, 0.0417179, 0.0796736, 0.1583049)
_PINK_DIRECT = 0.1929797
_PINK_DELAYED = 0.0488667

_LEAK_HZ = 10.0  # under hearing: brown noise falls by 6 dB an octave from here on


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
def _uniform(key: np.uint64, start: int, lane: int, out: F32) -> None:
    """Writes noise, uniform from -1 to 1, to `out` (frames,), not across a multiple of 2^32 frames.

    The hash is two rounds of a 32-bit mixer with half of the key before each.
    Source: Wellons, hash-prospector, 2018 (lowbias32).
    """
    own = _scrambled(key ^ _scrambled(np.uint64(lane) + (np.uint64(start >> 32) << np.uint64(32))))
    first, second = np.uint32(own), np.uint32(own >> np.uint64(32))
    begin = np.uint32(start)
    for i in range(out.size):
        z = (begin + np.uint32(i)) ^ first
        z = np.uint32((z ^ (z >> np.uint32(16))) * np.uint32(0x21F0AAAD))
        z = np.uint32((z ^ (z >> np.uint32(15))) * np.uint32(0x735A2D97))
        z = np.uint32((z ^ (z >> np.uint32(15))) + second)
        z = np.uint32((z ^ (z >> np.uint32(16))) * np.uint32(0x21F0AAAD))
        z = np.uint32((z ^ (z >> np.uint32(15))) * np.uint32(0x735A2D97))
        out[i] = np.float32(np.int32(z ^ (z >> np.uint32(15)))) * np.float32(2.0**-31)


@kernel
def _white(key: np.uint64, start: int, out: F32) -> None:
    for lane in range(out.shape[0]):
        for begin in range(0, out.shape[1], GRID_FRAMES):
            _uniform(key, start + begin, lane, out[lane, begin : begin + GRID_FRAMES])


@kernel
def _pink(state: F64, key: np.uint64, start: int, out: F32) -> None:
    _white(key, start, out)
    p0, p1, p2, p3, p4, p5 = _PINK_POLES
    g0, g1, g2, g3, g4, g5 = _PINK_GAINS
    for begin in range(0, out.shape[1], GRID_FRAMES):
        for lane in range(out.shape[0]):
            sound = out[lane, begin:]
            s0, s1, s2 = state[0, lane], state[1, lane], state[2, lane]
            s3, s4, s5 = state[3, lane], state[4, lane], state[5, lane]
            before = state[6, lane]
            for i in range(GRID_FRAMES):
                white = np.float64(sound[i])
                s0 = p0 * s0 + g0 * white
                s1 = p1 * s1 + g1 * white
                s2 = p2 * s2 + g2 * white
                s3 = p3 * s3 + g3 * white
                s4 = p4 * s4 + g4 * white
                s5 = p5 * s5 + g5 * white
                sound[i] = (s0 + s1 + s2) + (s3 + s4 + s5) + _PINK_DIRECT * white + _PINK_DELAYED * before
                before = white
            state[0, lane], state[1, lane], state[2, lane] = s0, s1, s2
            state[3, lane], state[4, lane], state[5, lane] = s3, s4, s5
            state[6, lane] = before


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
        _uniform(key, begin, 0, sound)
        for i in range(GRID_FRAMES):
            chance = np.float64(_scrambled(own + np.uint64(i)) >> np.uint64(11)) * 2.0**-53
            sound[i] = sound[i] if chance < density[step] + slope * i else np.float32(0.0)


def white(key: int | np.uint64, start: int, out: F32) -> None:
    """Writes white noise to `out` (lanes, frames): uniform from -1 to 1, so 4.8 dB under full scale.

    `key` is any 64-bit number, `start` the absolute frame of the block, a multiple of 64. Every lane, and
    every key, is a noise of its own.
    """
    _white(np.uint64(key), start, out)


def pink_state(lanes: int) -> F64:
    """The state `pink` needs, at rest."""
    return np.zeros((len(_PINK_POLES) + 1, lanes))


def pink(state: F64, key: int | np.uint64, start: int, out: F32) -> None:
    """Writes pink noise to `out` (lanes, frames): as much in every octave, and as loud as `white`.

    `state` from `pink_state`; `key` and `start` as for `white`. It falls by 3 dB an octave from 0.0001 cycles
    a frame (5 Hz at 48 kHz) on, and is flat below.
    """
    _pink(state, np.uint64(key), start, out)


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
