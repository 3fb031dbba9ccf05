"""A mirror, vast and starless, reflecting your soul: the piece hears its own past, backwards.

A few seconds of every scene so far come back one after the other, the latest first, each backwards and the
quiet ones nearer than they were, read by long grains that overlap so evenly that time alone is turned. As the
score turns it over, its spectrum turns too: what was dark comes back as a sheen, what was bright as a murmur.
It is there while its scene is: when the mirror breaks, what it showed is gone.

What it follows: energy hurries from one scene to the next; the score's own field `turned`.

Source: single sideband by a pair of allpass chains, Niemitalo 2001, "Hilbert transform" (yehar.com).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice, ready_frames
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.filters import HIGH, LOW, svf
from resonance.dsp.grains import grains
from resonance.dsp.mixing import mono_below
from resonance.units import db, hz, part, seconds

_GRAIN_S = 1.0
_HOP_S = 0.5  # half a grain: Hann windows add up to one
_MOST_GRAINS = 40
_END = 32  # frames from either end of what is reflected that no grain begins in
_MONO_BELOW_HZ = 190.0  # the side is 8 dB down at 120 Hz, and 12 dB an octave more below
_LOUD, _MOST_LIFT = 0.06, 3.0  # what was quieter comes back up to 10 dB louder: a mirror has no distance
_UNTURNED_HZ = 140.0  # by ear: what lies under it would come back as a whistle
# Squares of the allpasses' coefficients; their two chains are a quarter turn apart from 20 Hz up.
_REAL = np.array([0.6923878, 0.9360654322959, 0.9882295226860, 0.9987488452737]) ** 2
_IMAGINARY = np.array([0.4021921162426, 0.8561710882420, 0.9722909545651, 0.9952884791278]) ** 2


@dataclass(frozen=True)
class Mirror(Patch):
    """The piece's own past, backwards; and, as it turns, bright for dark."""

    send_db: float = db(-9.0, -120.0, 12.0, "level sent to the shared space")
    reflection_s: float = seconds(7.0, 2.0, 8.0, "how long one scene is reflected, at least energy")
    turned: float = part(0.0, "how far the spectrum is turned over")
    axis_hz: float = hz(5600.0, 1000.0, 9000.0, "the frequency that stillness is turned to")


class MirrorRule(Rule):
    """One reflection after the other while the score wants them, the latest scene first."""

    def __init__(self, patch: Mirror, setting: Setting) -> None:
        self._next = 0
        self._first = 0
        self._count = 0

    def events(self, span: Span) -> Iterable[Event]:
        for step in np.flatnonzero(span.presence[:-1] > 0.0):
            first = span.start + int(step) * GRID_FRAMES
            if self._next >= first + GRID_FRAMES:
                continue
            frame = max(self._next, first)
            if frame > self._next:
                self._first, self._count = frame, 0
            hurry = 1.0 - 0.45 * float(np.clip((span.energy[step] - 0.5) / 0.4, 0.0, 1.0))
            lasts_s = float(span["reflection_s"][step]) * hurry
            self._next = frame + round((lasts_s - _HOP_S) * span.rate_hz)
            yield Event(
                frame,
                "reflection",
                duration_s=lasts_s,
                rule="mirror",
                sustained=True,
                detail={"which": self._count, "before": self._first},
            )
            self._count += 1


class MirrorVoice(Voice):
    """One scene, reflected."""

    voices: ClassVar[int] = 3
    reflects: ClassVar[bool] = True

    def __init__(self, patch: Mirror, setting: Setting) -> None:
        self._past = setting.past
        self._heard = np.zeros((2, 0), np.float32)
        self._source = setting.scratch("source", 4 * (MAX_STEPS * GRID_FRAMES + 2 * _END), np.float32)
        self._rate_hz = setting.rate_hz
        self._begin = np.zeros(_MOST_GRAINS, np.int64)
        self._length = np.zeros(_MOST_GRAINS, np.int64)
        self._position = np.zeros(_MOST_GRAINS)
        self._backwards = np.full(_MOST_GRAINS, -1.0)
        self._attack = np.full(_MOST_GRAINS, np.float32(0.5))
        self._level = np.ones(_MOST_GRAINS, np.float32)
        self._turn = setting.scratch("turn", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._chains = np.zeros((2, 2, 4, 5))
        self._turns = np.zeros(1)
        self._before = np.zeros((2, 2))
        self._after = np.zeros((2, 2))
        self._lows = np.zeros(2)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._turning = False
        for state in (self._chains, self._before, self._after, self._lows):
            state.fill(0.0)
        self._length.fill(0)
        kept = self._past.kept if self._past is not None else {}
        # What came after the mirror appeared is not reflected: it would reflect itself.
        before = int(event.detail.get("before", event.frame)) - ready_frames(self._rate_hz)
        visits = [[visit for visit in scene if visit[0] <= before] for scene in kept.values()]
        ready = sorted((visit[-1] for visit in visits if visit), key=lambda visit: visit[0])
        if not ready:
            return 0.0
        # The latest scene first, then ever further back, and round again.
        _, heard = ready[-1 - int(event.detail.get("which", 0)) % len(ready)]
        frames = heard.shape[1]
        self._heard = heard
        lasts_s = min(event.duration_s or 4.0, frames / self._rate_hz - 0.1)
        n = int((lasts_s - _GRAIN_S) / _HOP_S) + 1
        hop = round(_HOP_S * self._rate_hz)
        self._begin[:n] = hop * np.arange(n)
        self._length[:n] = 2 * hop
        self._position[:n] = frames - _END - self._begin[:n]
        # Summed without its squares at hand: they would take six megabytes in the middle of the music.
        loud = math.sqrt(float(np.einsum("ij,ij->", heard, heard, dtype=np.float64)) / heard.size)
        self._level[:] = min(max(_LOUD / max(loud, 1e-9), 1.0), _MOST_LIFT)
        return lasts_s

    def render(self, span: Span, out: F32) -> None:
        # All grains go back through the same place, one by one: what lies half way between is never read.
        now = self._heard.shape[1] - _END - self._age
        first = max(now - span.frames - _END, 0)
        heard = self._heard[:, first : now + _END]
        source = self._source[: 4 * heard.shape[1]].reshape(2, -1)
        source.fill(0.0)
        source[:, ::2] = heard
        grains(
            self._begin,
            self._length,
            self._position - first,
            self._backwards,
            self._attack,
            self._level,
            self._level,
            source,
            self._age,
            out,
        )
        self._turn_over(span, out)
        self._age += span.frames

    def _turn_over(self, span: Span, out: F32) -> None:
        """Crossfades to the sound with its spectrum turned over: softened where all the lows now lie.

        What was high and wide lies low now, and is drawn into the middle there. It begins with the step in
        which the score begins to turn it, however time is cut.
        """
        first = 0
        if not self._turning:
            begun = np.flatnonzero(span["turned"])
            if not len(begun):
                return
            first = max(0, int(begun[0]) - 1)
            self._turning = True
            self._turns[0] = (self._age + first * GRID_FRAMES) * span["axis_hz"][first] / span.rate_hz % 1.0
        span = span.cut(first, span.steps)
        x = out[:, first * GRID_FRAMES :]
        both = np.ones(2)
        turn = self._turn[: 2 * span.frames].reshape(2, span.frames)
        turn[:] = x
        flat = np.full((span.steps + 1, 2), math.sqrt(0.5))
        svf(self._before, np.full((span.steps + 1, 2), _UNTURNED_HZ / span.rate_hz), flat, HIGH, turn, turn)
        _sideband(self._chains, self._turns, span["axis_hz"] / span.rate_hz, turn)
        svf(self._after, 0.55 * span["axis_hz"][:, None] / span.rate_hz * both, flat, LOW, turn, turn)
        mono_below(self._lows, _MONO_BELOW_HZ / span.rate_hz, turn)
        borders = np.arange(span.steps + 1) * GRID_FRAMES
        share = np.interp(np.arange(span.frames), borders, span["turned"]).astype(np.float32)
        x += share * (turn - x)


@kernel
def _sideband(chains: F64, turns: F64, axis: F64, x: F32) -> None:
    """Turns the spectrum of `x` (2, frames) over, in place: what was at f comes to lie at axis - f.

    `chains` (2, 2, 4, 5) is state: channel, real or imaginary chain, allpass, its two inputs and outputs
    before and, in the first, what the chain came to. `turns` (1,), state, is how far the axis has turned, in
    cycles; `axis` (steps + 1,) is in cycles a frame.
    """
    for step in range(x.shape[1] // GRID_FRAMES):
        slope = (axis[step + 1] - axis[step]) / GRID_FRAMES
        for i in range(GRID_FRAMES):
            turn = 2.0 * math.pi * ((turns[0] + i * (axis[step] + 0.5 * slope * i)) % 1.0)
            by_real, by_imaginary = math.cos(turn), math.sin(turn)
            at = step * GRID_FRAMES + i
            for channel in range(2):
                real = _chain(chains[channel, 0], _REAL, x[channel, at])
                late = chains[channel, 0, 0, 4]
                chains[channel, 0, 0, 4] = real
                imaginary = _chain(chains[channel, 1], _IMAGINARY, x[channel, at])
                x[channel, at] = late * by_real - imaginary * by_imaginary
        turns[0] = (turns[0] + 0.5 * GRID_FRAMES * (axis[step] + axis[step + 1])) % 1.0


@kernel
def _chain(state: F64, squares: F64, value: float) -> float:
    for k in range(4):
        out = squares[k] * (value + state[k, 2]) - state[k, 0]
        state[k, 0], state[k, 1] = state[k, 1], value
        state[k, 2], state[k, 3] = state[k, 3], out
        value = out
    return value
