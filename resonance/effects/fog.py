"""A syrupy fog: what is far off grows dull, what is near grows thick, and everything drags.

A low-pass closes; short reflections gather around every sound and draw left and right together; and all of
it is heard later and later, through a delay that grows with the density and wavers slowly, so that pitch
drags as well. It is linear: on every stem it is the same fog as on their sum. However hard a hand pulls, it
comes and goes no faster than bends the pitch by a third.

What it follows: only its own density, which the score draws.

Source: Simper, Linear Trapezoidal Integrated SVF, 2013 (cytomic.com).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from resonance.contract import MAX_STEPS, Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES, I64, kernel
from resonance.dsp.delays import delay_line, recall, remember
from resonance.units import hz, part, seconds

_CLEAR_HZ = 20_000.0
_ENTERS = 0.08
"""The fog blends in over this much density, so that there is no border to cross."""

# By ear: times apart by ratios near 1.3, so that no comb stands out; every other one changes sides.
_REFLECTION_S = np.array([0.0073, 0.0109, 0.0151, 0.0197, 0.0263, 0.0349, 0.0451, 0.0587])
_REFLECTION = np.array([0.52, -0.45, 0.41, 0.36, -0.33, 0.29, -0.26, 0.22], np.float32)

_WOW_HZ = np.array([0.067, 0.113, 0.191])  # by ear: slower than breath; no common period under half an hour
_WOW = np.array([0.5, 0.32, 0.18])
_WOW_SHARE = 0.16  # of the delay: 13 ms at most, up to 16 cents

_DRAGS = 0.25 * GRID_FRAMES  # frames a step, at most: a hand that pulls hard bends the pitch by a third or so
_UNKNOWN = -1.0


@dataclass(frozen=True)
class FogPatch:
    """Fog over everything, as dense as the score says."""

    density: float = part(0.0, "how dense it is; at 0 the air is clear, to the bit")
    cutoff_hz: float = hz(700.0, 100.0, 8000.0, "where the low-pass stands when the fog is at its densest")
    thickness: float = part(0.6, "the reflections that gather in it")
    drag_s: float = seconds(0.08, 0.0, 0.25, "how late everything is heard when the fog is at its densest")


class Fog:
    """The fog, running. It remembers a third of a second, and has to hear every span, silent ones too."""

    def __init__(self, patch: FogPatch, setting: Setting) -> None:
        longest_s = 0.25 * (1.0 + _WOW_SHARE)
        self._line = delay_line(math.ceil(longest_s * setting.rate_hz), MAX_STEPS * GRID_FRAMES)
        self._late = np.zeros(2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._taps = np.round(_REFLECTION_S * setting.rate_hz).astype(np.int64)
        self._filter = np.zeros((2, 2))
        self._gathered = np.zeros((2, GRID_FRAMES), np.float32)
        self._wow = setting.stream("wow").random(len(_WOW_HZ))
        self._felt = np.full(2, _UNKNOWN)  # the density and the drag as they are felt

    def render(self, span: Span, x: F32) -> None:
        """Lays the fog on `x` (2, frames), in place."""
        remember(self._line, span.start, x)
        felt = self._follow(span)
        if felt is None:
            self._filter.fill(0.0)
            return
        density, drag_s = felt
        late = self._late[: 2 * span.frames].reshape(2, span.frames)
        recall(self._line, span.start, self._delay(span, density * drag_s), late)
        closing = (span["cutoff_hz"] / _CLEAR_HZ) ** density
        cutoff = np.minimum(_CLEAR_HZ * closing / span.rate_hz, 0.49)
        entered = np.clip(density / _ENTERS, 0.0, 1.0)
        _veil(
            self._filter,
            self._gathered,
            np.tan(np.pi * cutoff),
            entered * entered * (3.0 - 2.0 * entered),
            density * span["thickness"],
            self._line,
            span.start,
            self._taps,
            late,
            x,
        )

    def rest(self, span: Span) -> None:
        """Lets a span go by in silence, after more of it than is remembered."""
        self._follow(span)

    def _follow(self, span: Span) -> F64 | None:
        """Density and drag (2, steps + 1) as they are felt; None where the air is clear."""
        density, drag_s = span["density"], span["drag_s"]
        if self._felt[0] <= 0.0 and not np.count_nonzero(density):
            self._felt[:] = 0.0, drag_s[-1]
            return None
        felt = np.empty((2, span.steps + 1))
        _follow(self._felt, density, drag_s, _DRAGS / ((1.0 + _WOW_SHARE) * span.rate_hz), felt)
        return felt

    def _delay(self, span: Span, late_s: F64) -> F64:
        """How late the world is heard, in frames (steps + 1,), where it is so late but for the wow."""
        time_s = (span.start // GRID_FRAMES + np.arange(span.steps + 1)) * span.step_s
        waver = np.zeros(span.steps + 1)
        for weight, rate_hz, phase in zip(_WOW, _WOW_HZ, self._wow, strict=True):
            waver += weight * np.sin(2.0 * np.pi * (rate_hz * time_s + phase))
        return late_s * span.rate_hz * (1.0 + _WOW_SHARE * waver)


@kernel
def _follow(state: F64, density: F64, drag_s: F64, most_s: float, felt: F64) -> None:
    """Writes what is felt of density and drag (2, borders): no more than moves the delay by `most_s` a step.

    `state` (2,) is what was felt last, where the first border is.
    """
    for border in range(density.size):
        moves_s = most_s if border > 0 else 0.0
        if state[0] < 0.0:
            state[0], state[1] = density[border], drag_s[border]
        else:
            moves = moves_s / max(state[1], 1e-9)
            state[0] = min(max(density[border], state[0] - moves), state[0] + moves)
            # In clear air nobody hears where it stands.
            free_s = moves_s if state[0] > 0.0 else 1.0
            state[1] = min(max(drag_s[border], state[1] - free_s), state[1] + free_s)
        felt[0, border], felt[1, border] = state[0], state[1]


@kernel
def _veil(
    state: F64,
    gathered: F32,
    g: F64,
    share: F64,
    thickness: F64,
    line: F32,
    position: int,
    taps: I64,
    late: F32,
    x: F32,
) -> None:
    """Replaces `x` (2, frames) by a `share` of what is `late`, thickened and dulled.

    `state` (2, 2) is the low-pass's, `gathered` (2, 64) scratch for the reflections, `g` the tangent of its
    cutoff; `g`, `share` and `thickness` are (steps + 1,). Steps without fog are left alone, and put the
    low-pass to rest.
    """
    size = line.shape[1]
    damping = math.sqrt(2.0)
    for step in range(x.shape[1] // GRID_FRAMES):
        if share[step] == 0.0 and share[step + 1] == 0.0:
            state[:, :] = 0.0
            continue
        g_slope = (g[step + 1] - g[step]) / GRID_FRAMES
        share_slope = (share[step + 1] - share[step]) / GRID_FRAMES
        thick_slope = (thickness[step + 1] - thickness[step]) / GRID_FRAMES
        begin = step * GRID_FRAMES
        gathered[:, :] = np.float32(0.0)
        for k in range(taps.size):
            first = (position + begin - taps[k]) % size
            straight = min(GRID_FRAMES, size - first)
            for channel in range(2):
                ring = line[(channel + k) % 2]
                for i in range(straight):
                    gathered[channel, i] += _REFLECTION[k] * ring[first + i]
                for i in range(straight, GRID_FRAMES):
                    gathered[channel, i] += _REFLECTION[k] * ring[first + i - size]
        for i in range(GRID_FRAMES):
            frame = begin + i
            thick = thickness[step] + thick_slope * i
            tangent = g[step] + g_slope * i
            blend = share[step] + share_slope * i
            left = late[0, frame] + thick * gathered[0, i]
            right = late[1, frame] + thick * gathered[1, i]
            a1 = 1.0 / (1.0 + tangent * (tangent + damping))
            for channel in range(2):
                rest = (left if channel == 0 else right) - state[1, channel]
                band = a1 * (state[0, channel] + tangent * rest)
                low = state[1, channel] + tangent * band
                state[0, channel] = 2.0 * band - state[0, channel]
                state[1, channel] = 2.0 * low - state[1, channel]
                x[channel, frame] += blend * (low - x[channel, frame])
        for channel in range(2):
            for k in range(2):
                # Far under hearing, far over the smallest normal number.
                if abs(state[k, channel]) < 1e-20:
                    state[k, channel] = 0.0
