"""Your weight, a collapsing star: everything that still sounds glides down, slows, and falls into a point.

What was played is heard ever more slowly, as from a tape whose reel is held: pitch and time sink together,
left and right fall into one, and the level with them, into near silence. When the weight is taken away what
still fell is let go, and the present is heard, unhurried. It is linear: the same on every stem as on the sum.

What it follows: only its own weight, which the score draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from resonance.contract import MAX_STEPS, Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.curves import levels
from resonance.dsp.delays import delay_line, recall, remember
from resonance.units import db, part, semitones

_REACH_S = 12.0
"""How far behind the present the fall can lag; what would fall further is gone."""
_GONE_S = 0.6
_LET_GO_S = 0.4
_TAKES_HOLD_S = 0.3
_TURN = 0.01
"""The weight has turned when it has come back by this much: curves may tremble by less."""

_LATE = 2.5
"""By ear: the level falls later than the pitch, so that the fall is heard."""

_DELAY, _TURNING, _SINKING, _FALLING, _HOLD = range(5)
_AT_REST = [0.0, 0.0, 1.0, 1.0, 0.0]


@dataclass(frozen=True)
class CollapsePatch:
    """A weight under which everything glides down into near silence."""

    weight: float = part(0.0, "how heavy it is; at 0 nothing is touched, to the bit")
    fall_st: float = semitones(30.0, 0.0, 60.0, "how far pitch and time have slowed under the full weight")
    floor_db: float = db(-46.0, -120.0, 0.0, "the level that is left under the full weight")


class Collapse:
    """The collapse, running. It has to hear every span, silent ones too."""

    def __init__(self, patch: CollapsePatch, setting: Setting) -> None:
        reach = math.ceil((_REACH_S + 1.0) * setting.rate_hz)
        # The system gives memory only as it is written to: until something falls the line costs nothing.
        self._line = delay_line(reach, MAX_STEPS * GRID_FRAMES)
        self._position = 0
        self._late = np.zeros(2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._state = np.array(_AT_REST)
        self._rests = True
        self._curves = np.zeros((2, MAX_STEPS + 1))

    def render(self, span: Span, x: F32) -> None:
        """Lets `x` (2, frames) fall, in place."""
        weight = span["weight"]
        if self._rests and not np.count_nonzero(weight):
            # Only the newest step is kept: a fall begins from the present.
            self._position = GRID_FRAMES
            self._line[:, :GRID_FRAMES] = x[:, -GRID_FRAMES:]
            return
        remember(self._line, self._position, x)
        delay, falling = self._curves[:, : span.steps + 1]
        speed = 2.0 ** (-weight * span["fall_st"] / 12.0)
        _fall(self._state, weight, speed, span.step_s, delay, falling)
        late = self._late[: 2 * span.frames].reshape(2, span.frames)
        recall(self._line, self._position, delay * span.rate_hz, late)
        level = levels(span["floor_db"] * weight**_LATE)
        _sink(weight, level, falling, late, x)
        self._position += span.frames
        self._rests = self._state.tolist() == _AT_REST

    def rest(self, span: Span) -> None:
        """Lets a span go by in silence."""
        self.render(span, np.zeros((2, span.frames), np.float32))


@kernel
def _fall(state: F64, weight: F64, speed: F64, step_s: float, delay: F64, falling: F64) -> None:
    """Writes how late the fall is heard, in seconds, and how much it is heard rather than the present.

    `weight` and `speed` (of time, 1 as it is) are (steps + 1,), and so are `delay` and `falling`. `state` is
    the delay, the weight's last turning point, whether it sinks (1) or is let go (0), the share falling,
    and how firm the hold on it is: where a weight sets in at once, the pitch still does not jump.
    """
    for step in range(weight.size):
        delay[step] = state[_DELAY]
        gone = min(1.0, max(0.0, (_REACH_S - state[_DELAY]) / _GONE_S))
        falling[step] = state[_FALLING] * gone
        if step == weight.size - 1:
            return
        now = weight[step + 1]
        if state[_SINKING] == 1.0:
            state[_TURNING] = max(state[_TURNING], now) if now > 0.0 else 0.0
            if now < state[_TURNING] - _TURN or (now == 0.0 and state[_DELAY] > 0.0):
                state[_SINKING], state[_TURNING] = 0.0, now
        elif state[_FALLING] == 0.0:
            # The fall is silent: it comes back to the present, where both are the same, and may begin again.
            state[_TURNING] = min(state[_TURNING], now)
            if state[_DELAY] > 0.0:
                state[_DELAY] = 0.0
            elif now == 0.0 or now > state[_TURNING] + _TURN:
                state[_SINKING], state[_TURNING], state[_FALLING], state[_HOLD] = 1.0, now, 1.0, 0.0
            continue
        if state[_SINKING] == 1.0 and now == 0.0 and state[_DELAY] == 0.0:
            state[_HOLD] = 0.0
            continue
        state[_HOLD] = min(1.0, state[_HOLD] + step_s / _TAKES_HOLD_S)
        slower = state[_HOLD] * (1.0 - 0.5 * (speed[step] + speed[step + 1]))
        state[_DELAY] = min(state[_DELAY] + step_s * slower, _REACH_S)
        if state[_SINKING] == 0.0:
            state[_FALLING] = max(0.0, state[_FALLING] - step_s / _LET_GO_S)


@kernel
def _sink(weight: F64, level: F64, falling: F64, late: F32, x: F32) -> None:
    """Crossfades `x` (2, frames) to what falls, softer and towards the middle, in place.

    `weight`, `level` and `falling` are (steps + 1,). Where nothing falls `x` comes out as it was, bit by bit.
    """
    for step in range(x.shape[1] // GRID_FRAMES):
        fall_slope = (falling[step + 1] - falling[step]) / GRID_FRAMES
        level_slope = (level[step + 1] - level[step]) / GRID_FRAMES
        middle_slope = 0.5 * (weight[step + 1] - weight[step]) / GRID_FRAMES
        for i in range(GRID_FRAMES):
            frame = step * GRID_FRAMES + i
            share = np.float32(falling[step] + fall_slope * i)
            loud = np.float32(level[step] + level_slope * i)
            middle = np.float32(0.5 * weight[step] + middle_slope * i)
            left = x[0, frame] + share * (late[0, frame] - x[0, frame])
            right = x[1, frame] + share * (late[1, frame] - x[1, frame])
            x[0, frame] = loud * (left + middle * (right - left))
            x[1, frame] = loud * (right + middle * (left - right))
