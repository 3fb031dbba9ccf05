"""Convolution: a sound as a recorded room answers it, by that room's response.

The response is cut in two levels of equal parts, 512 and 8192 frames long. A part's spectrum, times the
spectrum of what came in as long ago as the part lies in the response, is the part's share of the answer;
the short parts are there in time, the long ones are cheap. Everything but the newest sound's product with a
level's first part can be added up before that sound is complete, and is, a little with every 512 frames: so
no frame costs much more than another.

The answer comes `LATENCY_FRAMES` late.

Source: Gardner, Efficient convolution without input-output delay, JAES 43, 1995; Wefers, Partitioned
convolution algorithms for real-time auralization, 2015, ch. 5 and 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resonance.dsp import F32, I64, kernel

LATENCY_FRAMES = 512
"""How late the answer is: as long as the short parts."""

# What costs least for a response of 6 s: measured, against 2048, 4096 and 16384.
_LONG = 8192
_TURNS = _LONG // LATENCY_FRAMES
# A long block is complete 8192 frames after its first, and its answer comes 512 late: so much of the response
# is left to the short parts.
_SHORT_PARTS = _TURNS - 1


class Level(NamedTuple):
    """Parts of one length of the response, and what they remember. A spectrum is its real and imaginary parts
    one after the other, 2 · (length + 1) numbers for each channel.
    """

    response: F32  # (parts, 2, 2 (length + 1)) spectra
    past: F32  # (parts, 2, 2 (length + 1)) spectra of what came in, in a circle
    newest: I64  # (1,) of them
    ahead: F32  # (2, 2 (length + 1)) what is added up already of the next answer
    added: I64  # (1,) how many parts are in it
    rest: I64  # (1,) for how many blocks nothing but zeros came in
    incoming: F32  # (2, 2 length) the block before and the one that is coming
    answer: F32  # (2, 2 length) whose second half is heard while it comes
    spectrum: NDArray[np.complex64]  # (2, length + 1) scratch


class ConvolutionState(NamedTuple):
    """All that a convolution remembers."""

    clock: I64  # (1,) frames so far, in the long block that is coming
    levels: tuple[Level, ...]  # the short parts, then the long ones, where the response has any


def _level(response: F32, length: int) -> Level:
    parts = -(-response.shape[1] // length)
    padded = np.zeros((2, parts * length), np.float32)
    padded[:, : response.shape[1]] = response
    blocks = np.zeros((parts, 2, 2 * length), np.float32)
    blocks[:, :, :length] = padded.reshape(2, parts, length).swapaxes(0, 1)
    found = np.fft.rfft(blocks)
    spectra = np.concatenate((found.real, found.imag), axis=-1, dtype=np.float32)
    return Level(
        response=spectra,
        past=np.zeros_like(spectra),
        newest=np.zeros(1, np.int64),
        ahead=np.zeros_like(spectra[0]),
        added=np.ones(1, np.int64),
        rest=np.full(1, parts),
        incoming=np.zeros((2, 2 * length), np.float32),
        answer=np.zeros((2, 2 * length), np.float32),
        spectrum=np.zeros((2, length + 1), np.complex64),
    )


def convolution_state(response: F32) -> ConvolutionState:
    """A room at rest that answers with `response` (2, frames), left to what is left and right to right."""
    short = response[:, : _SHORT_PARTS * LATENCY_FRAMES]
    long = response[:, _SHORT_PARTS * LATENCY_FRAMES :]
    levels = [_level(short, LATENCY_FRAMES)]
    if long.shape[1]:
        levels.append(_level(long, _LONG))
    return ConvolutionState(np.zeros(1, np.int64), tuple(levels))


@kernel
def _add_products(response: F32, past: F32, newest: int, first: int, last: int, total: F32) -> None:
    """Adds the products of the response's parts `first` up to `last` with what came in as long ago."""
    parts, bins = response.shape[0], response.shape[2] // 2
    for part in range(first, last):
        came = past[(newest - part) % parts]
        for channel in range(2):
            re, im = came[channel, :bins], came[channel, bins:]
            own_re, own_im = response[part, channel, :bins], response[part, channel, bins:]
            total_re, total_im = total[channel, :bins], total[channel, bins:]
            for k in range(bins):
                total_re[k] += re[k] * own_re[k] - im[k] * own_im[k]
            for k in range(bins):
                total_im[k] += re[k] * own_im[k] + im[k] * own_re[k]


def _add_ahead(level: Level, turns_left: int) -> None:
    """Adds up a share of the next answer: what is missing of it, over the turns that are left."""
    added, parts = int(level.added[0]), len(level.response)
    until = added + -(-(parts - added) // turns_left)
    if level.rest[0] < parts:
        _add_products(level.response, level.past, int(level.newest[0]) + 1, added, until, level.ahead)
    level.added[0] = until


def _complete(level: Level) -> None:
    """Answers a block that has come in, and makes room for the next."""
    parts, bins = len(level.response), level.spectrum.shape[1]
    length = bins - 1
    level.rest[0] = 0 if level.incoming[:, length:].any() else level.rest[0] + 1
    if level.rest[0] > parts:
        level.answer[:] = 0.0
    else:
        newest = level.newest[0] = (level.newest[0] + 1) % parts
        spectrum = np.fft.rfft(level.incoming, out=level.spectrum)  # type: ignore[arg-type]
        level.past[newest, :, :bins], level.past[newest, :, bins:] = spectrum.real, spectrum.imag
        _add_products(level.response, level.past, int(newest), 0, 1, level.ahead)
        spectrum.real, spectrum.imag = level.ahead[:, :bins], level.ahead[:, bins:]
        np.fft.irfft(spectrum, out=level.answer)  # type: ignore[arg-type]
    level.incoming[:, :length] = level.incoming[:, length:]
    level.ahead[:] = 0.0
    level.added[0] = 1


def stand(state: ConvolutionState, frame: int) -> None:
    """Goes on at an absolute frame, after a rest as without one: where its blocks begin hangs on it."""
    state.clock[0] = frame % _LONG


def convolve(state: ConvolutionState, x: F32, out: F32) -> None:
    """Adds the room's answer to `x` (2, frames) to `out` (2, frames), `LATENCY_FRAMES` late.

    After as much silence as the response is long it costs next to nothing.
    """
    done, frames = 0, x.shape[1]
    while done < frames:
        clock = int(state.clock[0])
        count = min(frames - done, LATENCY_FRAMES - clock % LATENCY_FRAMES)
        for level in state.levels:
            length = level.answer.shape[1] // 2
            at = length + clock % length
            level.incoming[:, at : at + count] = x[:, done : done + count]
            out[:, done : done + count] += level.answer[:, at : at + count]
        done += count
        clock += count
        if clock % LATENCY_FRAMES == 0:
            for level in state.levels:
                length = level.answer.shape[1] // 2
                _add_ahead(level, (length - (clock - LATENCY_FRAMES) % length) // LATENCY_FRAMES)
                if clock % length == 0:
                    _complete(level)
        state.clock[0] = clock % _LONG
