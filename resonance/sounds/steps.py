"""Footfalls on grit, each step a battle: one a beat, where the heart is silent.

A heel comes down, the ground gives a low answer, the sole rolls over loose stone, and a tired foot drags
after it. The ground's answer has a pitch: the theme's climb, one tone a step, as weight under the feet; it
goes on to the seventh, stays there, and gives way. The octave is never reached.

What it follows: the heart's beats; energy is the weight; tension limps, and drags the foot.

Source: Cook, "Modeling Bill's Gait: Analysis and parametric synthesis of walking sounds", AES 22nd
International Conference, 2002 (a footfall as particles under a heel's and a toe's envelope).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.filters import BAND, svf
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import impulses, white
from resonance.dsp.placing import placed
from resonance.generate import theme
from resonance.generate.pace import UNDER_FOOT, Stride, Weight
from resonance.tuning import strained_hz
from resonance.units import db, hz, metres, part, seconds

_BODY = np.array([1.0, 2.0, 3.0, 4.02])  # an earth floor's answer: nearly harmonic, so the weight has a pitch
_BODY_WEIGHT = np.array([1.0, 0.62, 0.3, 0.12])
_GRIT_HZ = np.array([640.0, 1450.0, 2350.0, 3600.0])
_GRIT_LEVEL = np.array([1.0, 0.8, 0.55, 0.3])
_GRIT_PAN = np.array([0.1, -0.25, 0.3, -0.15])
_LASTS_S = 0.8
_STRAIN = 0.35  # weight is heavy: it is drawn off its pitch only a third as far as what flies


@dataclass(frozen=True)
class Steps(Patch):
    """Footfalls in time with the heart."""

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(-20.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(4.0, 0.5, 2000.0, "how far away: here, it is your own feet")
    t60_s: float = seconds(0.42, 0.1, 2.0, "how long the ground answers")
    grit: float = part(0.6, "loose stone under the sole")
    drag: float = part(0.5, "how much a tired foot drags after, under tension")
    limp: float = part(0.5, "how unlike the two feet are, under tension")
    heel_hz: float = hz(900.0, 200.0, 6000.0, "how hard the heel is: the brightness of its blow")


class StepsRule(Rule):
    """One step a beat, one tone a step."""

    def __init__(self, patch: Steps, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._stride = Stride(setting.stream("stride"))
        self._weight = Weight(setting.stream("weight"))
        self._rng = setting.stream("steps")

    def events(self, span: Span) -> Iterable[Event]:
        for beat in span.beats:
            touch, lean = self._rng.uniform(-1.0, 1.0, 2)
            step = span.step_of(beat.frame)
            energy, tension = float(span.energy[step]), float(span.tension[step])
            share, foot = self._stride.fall(beat.number, span.at("limp", beat.frame) * tension)
            if span.presence[step] == 0.0:
                continue
            place = self._weight.place()
            # The seventh is none of the theme's tones: it has no place in it.
            in_theme = UNDER_FOOT[place] in theme.CLIMB
            yield Event(
                beat.frame + round(share * beat.interval_s * span.rate_hz),
                "step",
                pitch_hz=strained_hz(self._tuning.hz(UNDER_FOOT[place]), _STRAIN * tension, float(lean)),
                level_db=-9.0 + 8.0 * energy + 1.3 * float(touch) + (0.7 if foot > 0 else -0.7),
                duration_s=0.4,
                rule="theme" if in_theme else "unresolved",
                detail={"foot": foot, "beat": beat.number, **({"place": place + 1} if in_theme else {})},
            )


class StepsVoice(Voice):
    """One footfall."""

    voices: ClassVar[int] = 4

    def __init__(self, patch: Steps, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._state = np.zeros((2, len(_BODY)))
        self._rotation = np.zeros((1, 2, len(_BODY)))
        self._out = np.full(len(_BODY), np.float32(0.34))
        self._filter = np.zeros((2, len(_GRIT_HZ)))
        frames = MAX_STEPS * GRID_FRAMES
        self._excitation = setting.scratch("excitation", frames, np.float32)
        self._stones = setting.scratch("stones", frames, np.float32)
        self._dust = setting.scratch("dust", frames, np.float32)
        self._heard = setting.scratch("heard", 2 * frames, np.float32)
        self._bands = setting.scratch("bands", len(_GRIT_HZ) * frames, np.float32)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        self._state.fill(0.0)
        self._filter.fill(0.0)
        tension = float(span.tension[0])
        self._grit = 3.2 * float(span["grit"][0]) * float(rng.uniform(0.7, 1.3))
        self._drag = float(span["drag"][0]) * tension * float(rng.uniform(0.2, 1.0))
        self._roll_s = float(rng.uniform(0.085, 0.14))
        self._drag_s = float(rng.uniform(0.16, 0.34))
        t60_s = float(span["t60_s"][0]) * np.array([1.0, 0.7, 0.45, 0.3])
        pitch_hz = event.pitch_hz or 55.0
        self._rotation[0, 0], self._rotation[0, 1] = mode_coefficients(_BODY * pitch_hz, t60_s, self._rate_hz)
        hardness = float(span["heel_hz"][0]) * float(rng.uniform(0.85, 1.2))
        self._blow = _heel(hardness, event.key, self._rate_hz)
        self._centre = _GRIT_HZ * float(rng.uniform(0.85, 1.18)) / self._rate_hz
        pan = 0.3 * int(event.detail.get("foot", 1)) + _GRIT_PAN
        self._left = np.cos(np.pi / 4.0 * (1.0 + pan)) * _GRIT_LEVEL
        self._right = np.sin(np.pi / 4.0 * (1.0 + pan)) * _GRIT_LEVEL
        return _LASTS_S + float(t60_s[0])

    def render(self, span: Span, out: F32) -> None:
        excitation = self._excitation[: span.frames]
        excitation.fill(0.0)
        blow = self._blow[self._age : self._age + span.frames]
        excitation[: len(blow)] = blow
        modes(self._state, self._rotation, _BODY_WEIGHT, self._out, self._out, excitation, out)
        # Counted in steps, so that the ground falls still at the same one however the time is cut.
        steps = min(span.steps, math.ceil(_LASTS_S * self._rate_hz / GRID_FRAMES) - self._age // GRID_FRAMES)
        if steps > 0:
            out[:, : steps * GRID_FRAMES] += self._ground(steps)
        self._age += span.frames

    def _ground(self, steps: int) -> F32:
        """Stones under heel and toe, and the foot that drags, through what they lie on: (2, frames)."""
        frames, lanes = steps * GRID_FRAMES, len(_GRIT_HZ)
        age_s = (self._age + np.arange(steps + 1) * GRID_FRAMES) / self._rate_hz
        ends = np.clip((_LASTS_S - 0.1 - age_s) / 0.1, 0.0, 1.0)
        heel = np.exp(-age_s / 0.022) * np.minimum(age_s / 0.0015, 1.0) * ends
        roll = np.exp(-(((age_s - self._roll_s) / 0.05) ** 2)) * ends
        away = (age_s - self._roll_s - 0.5 * self._drag_s) / (0.5 * self._drag_s)
        dragged = self._drag * np.clip(1.0 - away * away, 0.0, 1.0) * ends

        stones = self._stones[:frames]
        dust = self._dust[:frames].reshape(1, -1)
        # So many a second, each with as much push, that it is the same gravel at every rate.
        impulses(self._key, self._age, (5200.0 * heel + 1300.0 * roll) / self._rate_hz, stones)
        white(self._key, self._age, dust)
        finer = self._rate_hz / 48_000.0
        stones *= _every_frame(finer * self._grit * (0.7 * heel + 0.5 * roll))
        stones += dust[0] * _every_frame(math.sqrt(finer) * (0.1 * self._grit * heel + 0.34 * dragged))
        bands = self._bands[: lanes * frames].reshape(lanes, frames)
        bands[:] = stones
        centre = np.broadcast_to(self._centre, (steps + 1, lanes)).copy()
        svf(self._filter, centre, np.full_like(centre, 1.7), BAND, bands, bands)
        heard = self._heard[: 2 * frames].reshape(2, frames)
        heard.fill(0.0)
        still = np.ones((steps + 1, 1))
        placed(bands, still * self._left, still * self._right, heard)
        return heard


def _every_frame(borders: F64) -> F32:
    """A control at the steps' borders, drawn in straight lines through all frames."""
    share = np.arange(GRID_FRAMES) / GRID_FRAMES
    drawn = borders[:-1, None] + (borders[1:] - borders[:-1])[:, None] * share
    return drawn.reshape(-1).astype(np.float32)


def _heel(brightness_hz: float, key: np.uint64, rate_hz: float) -> F32:
    """A heel's blow: a smooth push of unit area with a crunch of what lies under it."""
    frames = max(8, int(3.0 / brightness_hz * rate_hz))
    push = 1.0 - np.cos(2.0 * np.pi * (np.arange(frames) + 0.5) / frames)
    crunch = np.zeros((1, GRID_FRAMES * -(-frames // GRID_FRAMES)), np.float32)
    white(key, 0, crunch)
    push *= 1.0 + 0.3 * crunch[0, :frames]
    return (push / push.sum()).astype(np.float32)
