"""Saws, pulses and triangles without aliasing: strings of sharp edges, each edge rounded to the band.

A naive wave is exact between its edges; at each edge it lacks only the difference between an ideal step
and a band-limited one, 32 frames long and looked up in a table by where between two frames the edge lies.
Triangles have corners for edges, and use the integral of that difference. Source: Brandt 2001, "Hard sync
without aliasing" (BLEP); Esqueda, Valimaki & Bilbao 2016, "Rounding corners with BLAMP".

Half of the difference comes before the edge, so every wave is heard `LATENCY_FRAMES` late. The edges' exact
times are solved from the parabola that a gliding phase is within a step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, kernel

_TAPS = 32
LATENCY_FRAMES = _TAPS // 2
"""How much later than its phase a wave is heard."""
TAIL = GRID_FRAMES + _TAPS
"""The strip on which a step's waves are drawn: 64 frames that leave with it, 32 that spill into the next."""

# Places between two frames at which the difference is tabled; in between it is read off a straight line.
_PLACES = 256
# The rounded step's cutoff in cycles a frame, and its Kaiser window. By Kaiser's formula 32 taps at beta 9
# are 90 dB down from 0.545 on, where at 44.1 kHz aliases begin to fall below 20 kHz. The price is treble:
# measured at 48 kHz, 0.1 dB at 18.8 kHz and 2.7 dB at 20.9 kHz.
_CUTOFF = 0.455
_KAISER_BETA = 9.0


def _edge_tables() -> tuple[F32, F32]:
    """What naive steps and naive corners lack: rows by place between two frames, columns by frame."""
    at = np.arange(-_TAPS // 2 * _PLACES, _TAPS // 2 * _PLACES + 1) / _PLACES
    impulse = np.sinc(2.0 * _CUTOFF * at) * np.kaiser(at.size, _KAISER_BETA)

    def integral(values: F64) -> F64:
        return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / (2 * _PLACES))])

    rounded_step = integral(impulse)
    scale = 1.0 / rounded_step[-1]
    rounded_step = rounded_step * scale
    rounded_corner = integral(rounded_step)
    rounded_corner += at[-1] - rounded_corner[-1]

    column = np.arange(_TAPS)
    place = np.arange(_PLACES + 1)[:, None]
    index = (column + 1) * _PLACES - place
    behind = column >= _TAPS // 2
    step = rounded_step[index] - behind
    corner = rounded_corner[index] - np.where(behind, at[index], 0.0)
    return step.astype(np.float32), corner.astype(np.float32)


_STEP_LACKS, _CORNER_LACKS = _edge_tables()
_FRAME = np.arange(GRID_FRAMES, dtype=np.float32)
# A plain 0 is a type of its own to numba, and would compile `add_stretch` twice.
_START: Any = np.int64(0)


@kernel
def edge_frame(distance: float, slope: float, bend: float) -> float:
    """When a phase that runs as slope * t + bend * t * t has covered `distance`: in frames, 0 to 64."""
    if distance < 0.0:
        distance, slope, bend = -distance, -slope, -bend
    speed = slope + math.sqrt(max(slope * slope + 4.0 * bend * distance, 0.0))
    if speed * GRID_FRAMES <= 2.0 * distance:
        return float(GRID_FRAMES)
    return 2.0 * distance / speed


@kernel
def add_edge(strip: F32, table: F32, at: float, left: float, right: float) -> None:
    """Draws on the strip what an edge at frame `at` (0 to 64) lacks, times its height on either side."""
    frame = min(int(at), GRID_FRAMES - 1)
    place = (at - frame) * _PLACES
    row = min(int(place), _PLACES - 1)
    further = np.float32(place - row)
    here, there = table[row], table[row + 1]
    left_strip = strip[0, frame + 1 : frame + 1 + _TAPS]
    right_strip = strip[1, frame + 1 : frame + 1 + _TAPS]
    left_height, right_height = np.float32(left), np.float32(right)
    for k in range(_TAPS):
        value = here[k] + further * (there[k] - here[k])
        left_strip[k] += left_height * value
        right_strip[k] += right_height * value


@kernel
def add_stretch(
    strip: F32,
    begin: int,
    end: int,
    value: float,
    slope: float,
    bend: float,
    gains: tuple[float, float, float, float],
) -> None:
    """Draws the naive wave from frame `begin` up to `end`; value, slope and bend are the wave's at frame 0.

    `gains` are the levels at frame 0 and their rises a frame: left, left rise, right, right rise.
    """
    first = np.float32(value + begin * (slope + begin * bend))
    rise = np.float32(slope + 2.0 * begin * bend)
    curve = np.float32(bend)
    left, left_rise = np.float32(gains[0] + begin * gains[1]), np.float32(gains[1])
    right, right_rise = np.float32(gains[2] + begin * gains[3]), np.float32(gains[3])
    left_strip = strip[0, LATENCY_FRAMES + begin : LATENCY_FRAMES + end]
    right_strip = strip[1, LATENCY_FRAMES + begin : LATENCY_FRAMES + end]
    for j in range(end - begin):
        t = _FRAME[j]
        wave = first + t * (rise + t * curve)
        left_strip[j] += wave * (left + t * left_rise)
        right_strip[j] += wave * (right + t * right_rise)


@kernel
def add_saw(
    strip: F32, start: float, slope: float, bend: float, wraps: int, gains: tuple[float, float, float, float]
) -> None:
    """Draws one step of a saw whose phase begins at `start` and wraps so many times (below 0: backwards)."""
    way = 1 if wraps >= 0 else -1
    begin = _START
    floor = 0
    for edge in range(abs(wraps) + 1):
        end = GRID_FRAMES
        if edge < abs(wraps):
            at = edge_frame((edge + 1 if wraps > 0 else -edge) - start, slope, bend)
            end = min(int(at), GRID_FRAMES - 1) + 1
            fall = -2.0 * way
            add_edge(
                strip, _STEP_LACKS, at, fall * (gains[0] + at * gains[1]), fall * (gains[2] + at * gains[3])
            )
        add_stretch(strip, begin, end, 2.0 * (start - floor) - 1.0, 2.0 * slope, 2.0 * bend, gains)
        begin = end
        floor += way


@kernel
def add_triangle(
    strip: F32,
    start: float,
    slope: float,
    bend: float,
    corners: int,
    gains: tuple[float, float, float, float],
) -> None:
    """Draws one step of a triangle; its phase counts half cycles from `start` (0 to 2): up, then down."""
    begin = _START
    half = int(start)
    for corner in range(corners + 1):
        way = 2.0 if half % 2 == 0 else -2.0
        end = GRID_FRAMES
        if corner < corners:
            at = edge_frame(half + 1 - start, slope, bend)
            end = min(int(at), GRID_FRAMES - 1) + 1
            turn = -2.0 * way * (slope + 2.0 * bend * at)
            add_edge(
                strip, _CORNER_LACKS, at, turn * (gains[0] + at * gains[1]), turn * (gains[2] + at * gains[3])
            )
        add_stretch(strip, begin, end, way * (start - half - 0.5), way * slope, way * bend, gains)
        begin = end
        half += 1


@kernel
def ramp_gains(left: F32, right: F32, step: int, i: int) -> tuple[float, float, float, float]:
    """A voice's levels at the start of a step, and their rises a frame."""
    return (
        float(left[step, i]),
        (float(left[step + 1, i]) - left[step, i]) / GRID_FRAMES,
        float(right[step, i]),
        (float(right[step + 1, i]) - right[step, i]) / GRID_FRAMES,
    )


@kernel
def leave(strip: F32, out: F32, step: int) -> None:
    """Adds the strip's finished frames to the output and moves the rest to its front."""
    for channel in range(2):
        for j in range(GRID_FRAMES):
            out[channel, step * GRID_FRAMES + j] += strip[channel, j]
        for j in range(_TAPS):
            strip[channel, j] = strip[channel, GRID_FRAMES + j]
        for j in range(_TAPS, TAIL):
            strip[channel, j] = 0.0


@kernel
def saws(phase: F64, tail: F32, cycles: F64, left: F32, right: F32, out: F32) -> None:
    """Adds rising saws, -1 to 1, each gliding in pitch and level, `LATENCY_FRAMES` late.

    `phase` (voices,) in cycles is state, kept in 0..1; `tail` (2, TAIL) float32 too, zeros at first.
    `cycles` (steps + 1, voices) are cycles a frame, 0 to under 0.5; `left` and `right` (steps + 1, voices)
    float32 levels; `out` (2, frames) float32.
    """
    for step in range(cycles.shape[0] - 1):
        for i in range(phase.shape[0]):
            slope, now = cycles[step, i], cycles[step + 1, i]
            end = phase[i] + 0.5 * GRID_FRAMES * (slope + now)
            wraps = math.floor(end)
            gains = ramp_gains(left, right, step, i)
            if gains != (0.0, 0.0, 0.0, 0.0):
                add_saw(tail, phase[i], slope, (now - slope) / (2.0 * GRID_FRAMES), wraps, gains)
            phase[i] = end - wraps
        leave(tail, out, step)


@kernel
def pulses(phase: F64, tail: F32, cycles: F64, width: F64, left: F32, right: F32, out: F32) -> None:
    """Adds pulses that are high for `width` of each cycle, without DC, `LATENCY_FRAMES` late.

    A pulse is 2 from top to bottom: the difference of two saws. `width` (steps + 1, voices) lies in
    0.02..0.98 and may move at any speed; all else as in `saws`.
    """
    for step in range(cycles.shape[0] - 1):
        for i in range(phase.shape[0]):
            slope, now = cycles[step, i], cycles[step + 1, i]
            bend = (now - slope) / (2.0 * GRID_FRAMES)
            end = phase[i] + 0.5 * GRID_FRAMES * (slope + now)
            wraps = math.floor(end)
            left_level, left_rise, right_level, right_rise = ramp_gains(left, right, step, i)
            if left_level != 0.0 or left_rise != 0.0 or right_level != 0.0 or right_rise != 0.0:
                # The fall's cell is found the same way at a step's end and at the next one's start, so that
                # no rounding loses a fall between them.
                behind = phase[i] - width[step, i]
                cell = math.floor(behind)
                falls = math.floor(end - wraps - width[step + 1, i]) + wraps - cell
                drift = slope - (width[step + 1, i] - width[step, i]) / GRID_FRAMES
                gains = (left_level, left_rise, right_level, right_rise)
                minus = (-left_level, -left_rise, -right_level, -right_rise)
                add_saw(tail, behind - cell, drift, bend, falls, gains)
                add_saw(tail, phase[i], slope, bend, wraps, minus)
            phase[i] = end - wraps
        leave(tail, out, step)


@kernel
def triangles(phase: F64, tail: F32, cycles: F64, left: F32, right: F32, out: F32) -> None:
    """Adds triangles, -1 to 1, that begin at their lowest, `LATENCY_FRAMES` late; arguments as in `saws`."""
    for step in range(cycles.shape[0] - 1):
        for i in range(phase.shape[0]):
            slope, now = cycles[step, i], cycles[step + 1, i]
            end = phase[i] + 0.5 * GRID_FRAMES * (slope + now)
            wraps = math.floor(end)
            gains = ramp_gains(left, right, step, i)
            if gains != (0.0, 0.0, 0.0, 0.0):
                start = 2.0 * phase[i]
                corners = math.floor(2.0 * (end - wraps)) + 2 * wraps - math.floor(start)
                add_triangle(tail, start, 2.0 * slope, (now - slope) / GRID_FRAMES, corners, gains)
            phase[i] = end - wraps
        leave(tail, out, step)
