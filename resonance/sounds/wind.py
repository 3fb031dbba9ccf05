"""The wind becomes blades: a howl in narrow bands, cut by fast sharp gates that sweep past.

The howl is noise through sharp resonances that wander and lean from side to side. A blade is the same noise,
ringing already, behind a gate: it opens within a few milliseconds, crosses from one ear to the other, falls
in pitch as it passes, and is shut.

What it follows: energy is the wind's force and how many blades come; tension sharpens them: narrower, faster;
below a tension of 0.3 there are none.

Source: whistling wind as noise through narrow resonances: Farnell, Designing Sound, 2010, ch. 41.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels
from resonance.dsp.filters import BAND, svf
from resonance.dsp.noise import white
from resonance.dsp.placing import placed
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, part

_HOWL_HZ = np.array([290.0, 437.0, 661.0, 1020.0, 1580.0])  # by ear: no two in a simple ratio
_HOWL_LEVEL = np.array([1.0, 0.9, 0.7, 0.45, 0.22])
_EDGE = np.array([1.0, 1.53, 2.31])  # a blade's edge rings above it: a plate's ratios, no chord
_EDGE_LEVEL = np.array([1.0, 0.42, 0.16])
_SHUT_S = 0.012
_RINGS_S = 0.05  # in which the narrowest and lowest blade comes to 98 % of its level
_PASSES = 0.022  # half of what a blade falls by as it passes: Doppler's at 7.5 m/s


@dataclass(frozen=True)
class Wind(Patch):
    """Wind in narrow bands, and its blades."""

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(-16.0, -120.0, 12.0, "level sent to the shared space")
    howl: float = part(0.5, "the wind between the blades")
    sharpness: float = part(0.5, "how narrow its bands are: a q of 12 at 0, of 48 at 1")
    blades_hz: float = hz(3.2, 0.0, 12.0, "how often a blade passes at full energy and tension")
    pitch_hz: float = hz(900.0, 200.0, 3000.0, "where the blades' edges lie, in the middle")


class WindRule(Sustain):
    """The wind is there while its scene is; blades come in flurries."""

    def __init__(self, patch: Wind, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._blades = Onsets(setting.stream("blades"), regularity=0.75)
        self._rng = setting.stream("blade")

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        keen = np.clip((span.tension - 0.3) / 0.5, 0.0, 1.0)
        rate_hz = span["blades_hz"] * span.energy * keen * span.presence
        for frame in self._blades.due(span.start, rate_hz, span.step_s):
            chance = self._rng.random(7)
            step = span.step_of(frame)
            tension = float(span.tension[step])
            side = 1.0 if chance[0] < 0.5 else -1.0
            yield Event(
                frame,
                "blade",
                pitch_hz=span.at("pitch_hz", frame) * 2.0 ** (2.2 * float(chance[1]) - 1.1),
                level_db=-5.0 + 7.0 * float(span.energy[step]) - 8.0 * float(chance[2]) ** 1.5,
                duration_s=(0.14 + 0.4 * float(chance[3])) * (1.3 - 0.5 * tension),
                rule="gate",
                detail={
                    "rise_s": 0.0027 + 0.0045 * float(chance[4]) * (1.5 - tension),
                    "from": -side * (0.55 + 0.4 * float(chance[5])),
                    "to": side * (0.55 + 0.4 * float(chance[6])),
                    "q": float(quality(span["sharpness"][step])),
                },
            )


def quality(sharpness: F64) -> F64:
    """The q of the wind's bands: centre over width."""
    return np.asarray(12.0 * np.exp2(2.0 * sharpness), np.float64)


class WindVoice(Voice):
    """The howl, or one blade."""

    voices: ClassVar[int] = 9

    def __init__(self, patch: Wind, setting: Setting) -> None:
        self._key = setting.key("howl")
        self._setting = setting
        self._rate_hz = setting.rate_hz
        self._noise = setting.scratch("noise", len(_HOWL_HZ) * MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 4 * len(_HOWL_HZ) + 1), np.float64)

    def start(self, event: Event, span: Span) -> float:
        self._blade = event if event.kind == "blade" else None
        self._age = 0
        lanes = len(_EDGE) if self._blade else len(_HOWL_HZ)
        self._narrow, self._narrower = np.zeros((2, lanes)), np.zeros((2, lanes))
        if self._blade:
            self._ring(self._blade)
            return event.duration_s + 0.05
        rng = self._setting.anew("gusts", event)
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        if self._blade is not None:
            self._cut(self._blade, span, out)
        else:
            self._howl(span, out)
        self._age += span.frames

    def _howl(self, span: Span, out: F32) -> None:
        lanes = len(_HOWL_HZ)
        curve = self._curve[: span.steps + 1]
        # In turn: the common gust; each band's pitch, level, side, and a faster unrest of its level.
        pace = np.repeat([0.22, 0.3, 0.4, 0.16, 2.2], [1, lanes, lanes, lanes, lanes])
        hurry = 0.6 + 0.9 * span.energy
        drift(self._key, self._curve_phase, (hurry * span.step_s)[:, None] * pace, curve)
        gust, bend, swell, side, unrest = np.split(
            curve, [1, 1 + lanes, 1 + 2 * lanes, 1 + 3 * lanes], axis=1
        )
        lift = 0.25 * (span.energy[:, None] - 0.5) + 0.45 * gust + 0.4 * bend
        centre = _HOWL_HZ * np.exp2(lift) / self._rate_hz
        q = quality(span["sharpness"])[:, None] * np.ones(lanes)
        loud_db = -22.0 + 15.0 * span.energy[:, None] + 10.0 * gust + 13.0 * swell + 5.0 * unrest
        level = span["howl"][:, None] * _HOWL_LEVEL * levels(loud_db)
        self._bands(span, self._key, span.start, centre, q, level, 0.8 * side, out)

    def _ring(self, blade: Event) -> None:
        """Lets the bands ring before the gate opens: what is narrow answers too slowly to cut."""
        steps = math.ceil(_RINGS_S * self._rate_hz / GRID_FRAMES)
        noise = self._noise[: len(_EDGE) * steps * GRID_FRAMES].reshape(len(_EDGE), -1)
        centre = np.minimum((blade.pitch_hz or 900.0) * (1.0 + _PASSES) / self._rate_hz * _EDGE, 0.45)
        # Noise that it does not hear again: what a gate lets through begins at frame 0.
        white(blade.key, 1 << 40, noise)
        self._narrowed(
            np.tile(centre, (steps + 1, 1)), np.full((steps + 1, 3), float(blade.detail["q"])), noise
        )

    def _narrowed(self, centre: F64, q: F64, noise: F32) -> None:
        """Noise through two resonances in a row, in place: each has sqrt(sqrt 2 - 1) = 0.64 of the q."""
        svf(self._narrow, centre, 0.644 * q, BAND, noise, noise)
        svf(self._narrower, centre, 0.644 * q, BAND, noise, noise)

    def _cut(self, blade: Event, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        way = np.clip(age_s / blade.duration_s, 0.0, 1.0)
        rise = np.clip(age_s / float(blade.detail["rise_s"]), 0.0, 1.0)
        shut = np.clip((blade.duration_s - age_s) / _SHUT_S, 0.0, 1.0)
        nears = 0.22 + 0.78 * (1.0 - way) ** 1.6
        passing = np.tanh(5.0 * (way - 0.35))
        centre = (blade.pitch_hz or 900.0) * (1.0 - _PASSES * passing) / self._rate_hz
        lanes = len(_EDGE)
        side = float(blade.detail["from"]) + (float(blade.detail["to"]) - float(blade.detail["from"])) * way
        q = np.full((span.steps + 1, lanes), float(blade.detail["q"]))
        gate = (rise * shut * nears)[:, None] * _EDGE_LEVEL
        self._bands(
            span,
            blade.key,
            self._age,
            np.minimum(centre[:, None] * _EDGE, 0.45),
            q,
            gate,
            np.repeat(side[:, None], lanes, axis=1),
            out,
        )

    def _bands(
        self, span: Span, key: np.uint64, start: int, centre: F64, q: F64, level: F64, side: F64, out: F32
    ) -> None:
        """Adds narrow bands of noise: two resonances in a row each, levelled, and placed."""
        lanes = centre.shape[1]
        noise = self._noise[: lanes * span.frames].reshape(lanes, span.frames)
        white(key, start, noise)
        self._narrowed(centre, q, noise)
        # The narrower a band the less noise passes it: this makes all as loud.
        level = level * 0.25 * np.sqrt(0.5 * q / centre)
        angle = np.pi / 4.0 * (1.0 + side)
        placed(noise, level * np.cos(angle), level * np.sin(angle), out)
