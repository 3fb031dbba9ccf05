"""Modes: the ringing of bars, bowls, glass and drumheads, each mode a decaying spiral.

A mode is a complex number that turns and shrinks a little every frame; what strikes it is added to it. In
float64 its pitch and decay stay true for minutes. Source: the phasor form of the coupled-form resonator,
Mathews & Smith 2003, "Methods for synthesizing very high Q parametrically well behaved two pole filters".

A mode left to itself is known ahead: where it will be in 1 to 64 frames is where it is, times the powers of
its turn. So these are tabled, a step of a mode is one straight loop over its frames, and only the leap from
step to step is a recursion. Blows enter likewise: the whole bank's answer to a click, 64 frames of it, is
laid under every frame that is struck.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, aligned, kernel, summing_kernel

# -200 dB: a mode below it has ended. It comes long before denormals, which cost up to 3 times the time.
_SILENCE = 1e-20

# As many float32 as the machine works on at once.
_LANES = 8


def mode_coefficients(frequency_hz: F64, t60_s: F64, rate_hz: float) -> tuple[F64, F64]:
    """How far each mode turns and shrinks in a frame: decay times cosine, and decay times sine, (n,) each.

    `t60_s` is the time in which a mode falls by 60 dB. Modes at or above 0.49 times the rate get zeros.
    Stack the pair for `modes`: `np.stack(mode_coefficients(...))[None]` is one constant rotation.
    """
    frequency_hz = np.asarray(frequency_hz, np.float64)
    # Powers are slow: of no more decay times than there are.
    ringing = 10.0 ** (-3.0 / (np.asarray(t60_s, np.float64) * rate_hz))
    decay = np.where(frequency_hz < 0.49 * rate_hz, ringing, 0.0)
    angle = 2.0 * np.pi * frequency_hz / rate_hz
    return decay * np.cos(angle), decay * np.sin(angle)


@kernel
def _bent(
    frequency_hz: F64, t60_s: F64, height: F64, bend_cents: F64, tilt: F64, rate_hz: float, out: F64
) -> int:
    still = True
    for step in range(1, out.shape[0]):
        still &= bend_cents[step] == bend_cents[0] and tilt[step] == tilt[0]
    rows = 1 if still else out.shape[0]
    for step in range(rows):
        bend = math.exp(bend_cents[step] * (math.log(2.0) / 1200.0))
        for i in range(frequency_hz.size):
            hz = frequency_hz[i] * bend
            out[step, 0, i] = out[step, 1, i] = 0.0
            if hz < 0.49 * rate_hz:
                ringing_s = t60_s[i] * math.exp(math.log(2.0) * height[i] * tilt[step])
                decay = math.exp(-3.0 * math.log(10.0) / (ringing_s * rate_hz))
                angle = 2.0 * math.pi * hz / rate_hz
                out[step, 0, i] = decay * math.cos(angle)
                out[step, 1, i] = decay * math.sin(angle)
    return rows


def bent_modes(frequency_hz: F64, t60_s: F64, height: F64, bend_cents: F64, tilt: F64, rate_hz: float) -> F64:
    """The rotation, for `modes`, of a bank of `n` modes that a hand bends and tilts, a value each a step.

    `tilt` is by how many octaves a mode rings longer for every octave of its `height`. All are float64:
    `bend_cents` and `tilt` (steps,), the rest (n,). Where the hand is still, one row says it all.
    """
    out = np.empty((len(bend_cents), 2, len(frequency_hz)))
    return out[: _bent(frequency_hz, t60_s, height, bend_cents, tilt, rate_hz, out)]


class _Tables:
    """What is known ahead of a bank of `n` modes."""

    def __init__(self, n: int) -> None:
        self.turns = aligned(2, n, GRID_FRAMES)  # each mode's turn by 1 to 64 frames
        self.leap = np.zeros((2, n))  # the last of them, exactly
        self.powers = np.zeros((2, _LANES))  # scratch: the first of them, exactly
        self.answer = aligned(2, _LANES + GRID_FRAMES)  # to a click, after _LANES zeros
        self.blow = aligned(GRID_FRAMES)  # scratch: a step's excitation, backwards
        self.all = self.turns, self.leap, self.powers, self.answer, self.blow


class _Scratch(threading.local):
    """A thread's tables, by the size of the bank."""

    def __init__(self) -> None:
        self._tables: dict[int, _Tables] = {}

    def tables(self, n: int) -> _Tables:
        if n not in self._tables:
            self._tables[n] = _Tables(n)
        return self._tables[n]


_scratch = _Scratch()


@kernel
def _tabulate(rotation: F64, state: F64, struck: bool, powers: F64, turns: F32, leap: F64) -> None:
    """Writes the first 64 powers of the turn of every mode that sounds, or is yet to be struck."""
    for i in range(rotation.shape[1]):
        if not struck and state[0, i] == 0.0 and state[1, i] == 0.0:
            continue
        turn_re, turn_im = rotation[0, i], rotation[1, i]
        re, im = turn_re, turn_im
        for k in range(_LANES):
            powers[0, k], powers[1, k] = re, im
            re, im = re * turn_re - im * turn_im, re * turn_im + im * turn_re
        turn_re, turn_im = powers[0, _LANES - 1], powers[1, _LANES - 1]
        re, im = 1.0, 0.0
        for j in range(0, GRID_FRAMES, _LANES):
            for k in range(_LANES):
                turns[0, i, j + k] = re * powers[0, k] - im * powers[1, k]
                turns[1, i, j + k] = re * powers[1, k] + im * powers[0, k]
            re, im = re * turn_re - im * turn_im, re * turn_im + im * turn_re
        leap[0, i], leap[1, i] = re, im


@kernel
def _answer(strike: F64, left: F32, right: F32, turns: F32, answer: F32) -> None:
    """Writes what is heard of the whole bank in the 64 frames after a click."""
    answer[:, _LANES:] = 0.0
    for i in range(strike.size):
        to_left, to_right = np.float32(left[i] * strike[i]), np.float32(right[i] * strike[i])
        for j in range(GRID_FRAMES):
            answer[0, _LANES + j] += to_left * turns[1, i, j]
            answer[1, _LANES + j] += to_right * turns[1, i, j]


@kernel
def _strike(blow: F32, answer: F32, heard: F32) -> None:
    """Lays the answer under every struck frame of a step, as far as the step's end."""
    for begin in range(0, GRID_FRAMES, _LANES):
        struck = False
        for k in range(_LANES):
            struck |= blow[begin + k] != 0.0
        if struck:
            rest = heard[begin:]
            for j in range(GRID_FRAMES - begin):
                for k in range(_LANES):
                    rest[j] += blow[begin + k] * answer[_LANES - 1 + j - k]


# Reassociation lets the sums run in lanes. It is safe here because the lanes are fixed: a step is added up
# the same way however the span is cut.
@summing_kernel
def _moved(blow: F32, turns: F32, i: int) -> tuple[np.float32, np.float32]:
    """How far a step's blow, given backwards, has moved a mode by the step's end."""
    re = im = np.float32(0.0)
    for j in range(GRID_FRAMES):
        re += blow[j] * turns[0, i, j]
        im += blow[j] * turns[1, i, j]
    return re, im


@kernel
def _modes(
    state: F64,
    rotation: F64,
    strike: F64,
    left: F32,
    right: F32,
    excitation: F32,
    turns: F32,
    leap: F64,
    powers: F64,
    answer: F32,
    backwards: F32,
    out: F32,
) -> None:
    answered = struck = False
    for i in range(excitation.size):
        struck |= excitation[i] != 0.0
    for step in range(out.shape[1] // GRID_FRAMES):
        start = step * GRID_FRAMES
        if step < rotation.shape[0]:
            _tabulate(rotation[step], state, struck, powers, turns, leap)
            answered = False
        for i in range(state.shape[1]):
            re, im = state[0, i], state[1, i]
            if re * re + im * im < _SILENCE:
                state[0, i] = state[1, i] = 0.0
                continue
            left_re, left_im = np.float32(left[i] * re), np.float32(left[i] * im)
            right_re, right_im = np.float32(right[i] * re), np.float32(right[i] * im)
            for j in range(GRID_FRAMES):
                out[0, start + j] += left_re * turns[1, i, j] + left_im * turns[0, i, j]
                out[1, start + j] += right_re * turns[1, i, j] + right_im * turns[0, i, j]
            state[0, i] = re * leap[0, i] - im * leap[1, i]
            state[1, i] = re * leap[1, i] + im * leap[0, i]
        blow = excitation[start : start + GRID_FRAMES]
        struck_now = False
        for j in range(GRID_FRAMES):
            struck_now |= blow[j] != 0.0
        if struck_now:
            if not answered:
                _answer(strike, left, right, turns, answer)
                answered = True
            _strike(blow, answer[0], out[0, start:])
            _strike(blow, answer[1], out[1, start:])
            # The last frame's blow has not turned a mode yet, and is added as it is.
            for j in range(GRID_FRAMES - 1):
                backwards[j] = blow[GRID_FRAMES - 2 - j]
            for i in range(state.shape[1]):
                re, im = _moved(backwards, turns, i)
                state[0, i] += strike[i] * (re + blow[GRID_FRAMES - 1])
                state[1, i] += strike[i] * im


def modes(state: F64, rotation: F64, strike: F64, left: F32, right: F32, excitation: F32, out: F32) -> None:
    """Adds a bank of `n` modes, all struck by the same excitation.

    `state` (2, n) holds real and imaginary parts. `rotation` (k, 2, n) is `mode_coefficients`, stacked: a row
    a step while modes glide, the last of them for all steps that follow. `strike` (n,) float64 is how
    strongly the excitation meets each mode; `left` and `right` (n,) float32 how loudly it is heard;
    `excitation` (frames,) and `out` (2, frames) float32. The imaginary part is heard, so a struck mode begins
    as a sine, at zero, one frame after the blow. Modes below -200 dB are put to rest, and cost nothing.
    """
    tables = _scratch.tables(state.shape[1]).all
    _modes(state, rotation, strike, left, right, excitation, *tables, out)
