"""A drumbeat from the mountain's core: lub, dub, in time with your heartbeat.

A large membrane is struck twice a beat, and the chest of rock it hangs in answers. The pitch gives way a
little under each blow, as a skin's does. The beats are a living heart's (`generate/heart.py`): they hurry
while the breath goes in, wander, and are never on a grid.

What it follows: the heart's rate comes from the score's `bpm` and `breath_hz`; energy strikes harder.

Source: modes of an ideal membrane, Rossing & Fletcher 1998, The Physics of Musical Instruments, ch. 3;
systole is about 0.3 of the beat at rest.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import ratios
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import white
from resonance.units import hz, part, seconds

_MEMBRANE = np.array([1.0, 1.593, 2.135, 2.295, 2.653, 2.917, 3.155, 3.5])
_MEMBRANE_WEIGHT = np.array([1.0, 0.42, 0.3, 0.22, 0.16, 0.12, 0.1, 0.08])
_CHEST_HZ = np.array([83.0, 118.0, 167.0, 241.0])  # by ear: a body whose modes no note of the scale excites
_CHEST_WEIGHT = np.array([0.5, 0.4, 0.26, 0.14])
_GIVE = 0.28  # how far the pitch gives way under the blow, and
_GIVE_S = 0.035  # how soon it is back: by ear, between a floor tom and a heart
_RECOIL_S = 0.08
_BASS = 36  # the key of the bass drum. Source: General MIDI 1, percussion map


@dataclass(frozen=True)
class Heartbeat(Patch):
    """The drum from the core, beating as a heart does."""

    pitch_hz: float = hz(52.0, 30.0, 120.0, "the skin's lowest mode")
    t60_s: float = seconds(0.55, 0.1, 3.0, "how long the skin rings")
    systole: float = part(0.3, "from lub to dub, as a share of the beat", 0.25, 0.35)
    softness: float = part(0.6, "the mallet: from wood to a wrapped fist")


class HeartbeatRule(Rule):
    """Two strokes at every beat of the piece's heart."""

    def __init__(self, patch: Heartbeat, setting: Setting) -> None:
        self._rng = setting.stream("strokes")

    def events(self, span: Span) -> Iterable[Event]:
        for beat in span.beats:
            touch, late = self._rng.uniform(-1.0, 1.0, 2)
            step = span.step_of(beat.frame)
            if span.presence[step] == 0.0:
                continue
            level_db = -7.0 + 9.0 * float(span.energy[step]) + 0.8 * float(touch)
            after_s = beat.interval_s * (float(span["systole"][step]) + 0.006 * float(late))
            yield Event(beat.frame, "lub", level_db=level_db, duration_s=0.3, rule="heart")
            yield Event(
                beat.frame + round(after_s * span.rate_hz),
                "dub",
                level_db=level_db - 3.5,
                duration_s=0.2,
                rule="heart",
            )


class HeartbeatVoice(Voice):
    """One stroke."""

    voices: ClassVar[int] = 6

    def __init__(self, patch: Heartbeat, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        lanes = len(_MEMBRANE) + len(_CHEST_HZ)
        self._state = np.zeros((2, lanes))
        self._rotation = setting.scratch("rotation", (MAX_STEPS, 2, lanes), np.float64)
        self._strike = np.concatenate((_MEMBRANE_WEIGHT, _CHEST_WEIGHT))
        self._out = np.full(lanes, np.float32(0.42))
        self._excitation = setting.scratch("excitation", MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        second = event.kind == "dub"
        # A player's keys are skins of other sizes around the bass drum's; a harder blow is a harder mallet.
        height = 2.0 ** ((min(max(event.detail.get("note", _BASS), 24), 72) - _BASS) / 12.0)
        hard = 0.6 * (float(event.detail.get("velocity", 0.5)) - 0.5)
        self._state.fill(0.0)
        self._age = 0
        self._pitch_hz = float(span["pitch_hz"][0]) * (1.22 if second else 1.0) * height
        t60_s = float(span["t60_s"][0]) * (0.62 if second else 1.0)
        self._t60 = np.concatenate(
            (t60_s / (1.0 + 0.5 * (_MEMBRANE - 1.0)), 0.7 * t60_s * _CHEST_HZ[0] / _CHEST_HZ)
        )
        softness = min(max(float(span["softness"][0]) - hard, 0.0), 1.0)
        self._blow = _blow(softness, second, height, event.key, self._rate_hz)
        return 1.5 * t60_s  # 90 dB down

    def render(self, span: Span, out: F32) -> None:
        excitation = self._excitation[: span.frames]
        excitation.fill(0.0)
        blow = self._blow[self._age : self._age + span.frames]
        excitation[: len(blow)] = blow
        modes(self._state, self._turns(span), self._strike, self._out, self._out, excitation, out)
        self._age += span.frames

    def _turns(self, span: Span) -> F64:
        """The modes' rotation while it moves: the skin gives way under the blow, and comes back."""
        steps = span.steps
        age_s = (self._age + np.arange(steps) * GRID_FRAMES) / self._rate_hz
        give = _GIVE * np.exp(-age_s / _GIVE_S)
        give[give < 1e-4] = 0.0
        giving = min(int(np.count_nonzero(give)) + 1, steps)
        if span.touch is not None:
            giving, give = steps, (1.0 + give) * ratios(span.touch.bend_cents[:-1]) - 1.0
        frequency_hz = np.empty((giving, len(self._t60)))
        frequency_hz[:, : len(_MEMBRANE)] = self._pitch_hz * (1.0 + give[:giving, None]) * _MEMBRANE
        frequency_hz[:, len(_MEMBRANE) :] = _CHEST_HZ
        rotation = self._rotation[:giving]
        rotation[:, 0], rotation[:, 1] = mode_coefficients(frequency_hz, self._t60, self._rate_hz)
        return rotation


def _blow(softness: float, second: bool, height: float, key: np.uint64, rate_hz: float) -> F32:
    """A mallet's push, a smooth pulse of unit area with a little of the skin's rustle in it; and its recoil.

    The recoil is as large, but too slow to be heard: without it every beat would leave the air pushed (DC).
    """
    contact_s = (0.0035 + 0.008 * softness) * (0.75 if second else 1.0) / height
    frames = int(contact_s * rate_hz)
    pulse = 1.0 - np.cos(2.0 * np.pi * (np.arange(frames) + 0.5) / frames)
    rustle = np.zeros((1, GRID_FRAMES * -(-frames // GRID_FRAMES)), np.float32)
    white(key, 0, rustle)
    pulse *= 1.0 + 0.25 * (1.0 - softness) * rustle[0, :frames]
    return np.concatenate((pulse / pulse.sum(), -_recoil(int(_RECOIL_S * rate_hz)))).astype(np.float32)


@functools.cache
def _recoil(frames: int) -> F64:
    """A smooth pulse of unit area, read only: it is the same after every blow."""
    recoil: F64 = 1.0 - np.cos(2.0 * np.pi * (np.arange(frames) + 0.5) / frames)
    return recoil / recoil.sum()
