"""The mountain hums: a low harmonic tone that breathes, and glows like molten glass.

Every harmonic of the root breathes on a slow random curve of its own, in a pair that leans left and right
and drifts a cent or two apart, one up as the other goes down. A glow wanders along the upper harmonics, as in
overtone singing. A stack of saws under a resonant low-pass gives it body.

What it follows: energy opens the low-pass, lifts the level and lights the glow; valence favours the
harmonics that make pure triads; tension favours the seventh, eleventh and thirteenth, and breathes faster.
Under strain a second, a little flat, rises beside the root's octave and beats against it.

Source: the emphasis of single harmonics is that of Tuvan singing, Levin & Edgerton 1999.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.curves import A_CENT, A_DECIBEL, drift_together, power_of_two
from resonance.dsp.filters import LOW, svf
from resonance.dsp.oscillators import TAIL, saws
from resonance.dsp.partials import sines
from resonance.units import cents, count, db, hz, part

_SAW_HARMONIC = np.array([1.0, 1.0, 2.0, 2.0, 3.0])
_SAW_PAN = np.array([0.0, 0.0, -0.5, 0.5, 0.0])
_SAW_LANE = np.array([0, 0, 1, 1, 2])
_SAW_TURN = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
_SAWS = len(_SAW_HARMONIC)
_MONO_BELOW_HZ = 120.0
_FUNDAMENTAL = 0.62  # felt more than heard: room for the heart
_SECOND = 9.0 / 4.0  # of the octave over the root
_SECOND_LEVEL = 0.7
_SECOND_CENTS = -12.0  # flat
_EASE, _STRAINED = 0.36, 0.46  # tensions: it begins, and is there
_GLOW = -0.5 * math.log2(math.e) / 0.22**2  # a bell, 0.22 octaves to each side


@dataclass(frozen=True)
class Drone(Patch):
    """The mountain's hum, low and resonant, breathing."""

    partials: int = count(32, 8, 64, "harmonics of the root")
    breath_hz: float = hz(0.08, 0.01, 1.0, "how often each harmonic breathes, on average")
    breath_db: float = db(5.0, 0.0, 12.0, "how far each harmonic breathes up and down")
    detune_cents: float = cents(1.6, 0.0, 5.0, "how far the pairs and the saws drift apart")
    glow: float = part(0.4, "the light that wanders along the upper harmonics")
    body: float = part(0.5, "the saws under their low-pass")
    cutoff_hz: float = hz(220.0, 40.0, 4000.0, "where the saws' low-pass closes when all is still")
    resonance: float = part(0.35, "how much that low-pass sings")


class DroneVoice(Voice):
    """One long breath; there is never more than one."""

    voices: ClassVar[int] = 1

    def __init__(self, patch: Drone, setting: Setting) -> None:
        n, rows = patch.partials, MAX_STEPS + 1
        self._setting = setting
        self._root = setting.tuning.root_hz / setting.rate_hz
        second = _SECOND * 2.0 ** (_SECOND_CENTS / 1200.0)
        harmonic = np.append(np.arange(1.0, n + 1.0), second)
        kinship = np.array([*(_kinship(k) for k in range(1, n + 1)), -1.0])
        weight = np.where(harmonic == 1.0, _FUNDAMENTAL, 1.0)
        weight[n] = _SECOND_LEVEL
        n += 1
        self._harmonics = np.log2(harmonic), kinship, weight
        self._multiple = np.concatenate((harmonic, harmonic, _SAW_HARMONIC))
        wide = 0.62 * np.clip((harmonic * setting.tuning.root_hz - _MONO_BELOW_HZ) / 200.0, 0.0, 1.0)
        angle = np.pi / 4.0 * (1.0 + np.concatenate((-wide, wide, _SAW_PAN)))
        self._sides = np.stack((np.cos(angle), np.sin(angle)))
        self._curves = {"breath": 2 * n, "detune": n + 3, "wander": 3}
        self._curve = {
            name: setting.scratch(name, (rows, lanes), np.float64) for name, lanes in self._curves.items()
        }
        self._keys = {name: setting.key(name) for name in self._curves}
        self._cycles = setting.scratch("cycles", (rows, 2 * n), np.float64)
        self._saw_cycles = setting.scratch("saw_cycles", (rows, _SAWS), np.float64)
        self._levels = setting.scratch("levels", (2, rows, 2 * n), np.float32)
        self._saw_levels = setting.scratch("saw_levels", (2, rows, _SAWS), np.float32)
        self._low_pass = setting.scratch("low_pass", (2, rows, 2), np.float64)
        self._each = np.empty(n)
        self._saw_out = setting.scratch("saw_out", 2 * MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        rng = self._setting.anew("phases", event)
        self._phase = rng.random(self._cycles.shape[1])
        self._saw_phase = rng.random(_SAWS)
        self._tail = np.zeros((2, TAIL), np.float32)
        self._filter = np.zeros((2, 2))
        self._curve_phase = {name: 100.0 * rng.random(lanes) for name, lanes in self._curves.items()}
        self._pace = {name: rng.uniform(0.6, 1.4, lanes) for name, lanes in self._curves.items()}
        return math.inf

    def _drift(self, name: str, rate_hz: F64, span: Span) -> F64:
        """Slow random curves (steps + 1, lanes) in -1 to 1, at a rate that may move."""
        out = self._curve[name][: span.steps + 1]
        increment = rate_hz * span.step_s
        drift_together(self._keys[name], self._curve_phase[name], self._pace[name], increment, out)
        return out

    def render(self, span: Span, out: F32) -> None:
        rows = span.steps + 1
        hurry = 1.0 + 1.5 * span.tension
        breath = self._drift("breath", span["breath_hz"] * hurry, span)
        detune = self._drift("detune", 0.11 * hurry, span)
        wander = self._drift("wander", 0.045 * hurry, span)
        cycles, (left, right) = self._cycles[:rows], self._levels[:, :rows]
        saw_cycles, (saw_left, saw_right) = self._saw_cycles[:rows], self._saw_levels[:, :rows]
        cutoff, q = self._low_pass[:, :rows]
        detuned(self._root, self._multiple, span["detune_cents"], detune, cycles, saw_cycles)
        breathed(
            self._harmonics,
            self._sides,
            (span.valence, span.energy, span.tension),
            (span["breath_db"], span["glow"], span["body"]),
            (breath, wander),
            self._each,
            (left, right),
            (saw_left, saw_right),
        )
        opened(span.rate_hz, span.energy, span["cutoff_hz"], span["resonance"], wander, cutoff, q)
        sines(self._phase, cycles, left, right, out)
        stack = self._saw_out[: 2 * span.frames].reshape(2, span.frames)
        stack.fill(0.0)
        saws(self._saw_phase, self._tail, saw_cycles, saw_left, saw_right, stack)
        svf(self._filter, cutoff, q, LOW, stack, stack)
        out += stack


def _kinship(harmonic: int) -> float:
    """How much a harmonic belongs to a pure triad: 1 for those of 2, 3 and 5 only, -1 for 7 and above."""
    for prime in (2, 3, 5):
        while harmonic % prime == 0:
            harmonic //= prime
    return 1.0 if harmonic == 1 else -1.0


@kernel
def detuned(root: float, multiple: F64, cents: F64, detune: F64, cycles: F64, saw_cycles: F64) -> None:
    """Writes each partial's pitch (steps + 1, 2n) and each saw's, in cycles a frame, as they drift apart."""
    n = cycles.shape[1] // 2
    for step in range(cycles.shape[0]):
        apart = A_CENT * cents[step]
        for i in range(n):
            ratio = power_of_two(apart * detune[step, i])
            cycles[step, i] = root * multiple[i] * ratio
            cycles[step, n + i] = root * multiple[i] / ratio
        for i in range(_SAWS):
            ratio = power_of_two(1.6 * _SAW_TURN[i] * apart * detune[step, n + _SAW_LANE[i]])
            saw_cycles[step, i] = root * multiple[2 * n + i] * ratio


@kernel
def breathed(
    harmonics: tuple[F64, F64, F64],
    sides: F64,
    arc: tuple[F64, F64, F64],
    fields: tuple[F64, F64, F64],
    curves: tuple[F64, F64],
    each: F64,
    partials: tuple[F32, F32],
    saws: tuple[F32, F32],
) -> None:
    """Writes how loud each partial of both sets is, left and right (steps + 1, 2n), and each saw.

    `each` (n,) is scratch: a harmonic's level before it breathes.
    """
    height, kinship, weight = harmonics
    valence, energy, tension = arc
    breath_db, glow, body = fields
    breath, wander = curves
    n = each.size
    for step in range(breath.shape[0]):
        loud = power_of_two(A_DECIBEL * (-9.0 + 13.0 * energy[step] + 1.5 * wander[step, 2]))
        tilt = 0.65 * energy[step] - 1.9
        pure = 1.587 * (0.9 * valence[step] - 0.45 - 0.6 * tension[step])
        centre = math.log2(9.0 + 7.0 * valence[step] + 6.0 * wander[step, 0])
        light = 0.55 * glow[step] * (0.25 + 0.75 * energy[step]) * (0.7 + 0.3 * wander[step, 1])
        for k in range(n):
            away = height[k] - centre
            glowing = light * power_of_two(_GLOW * away * away - 0.55 * height[k])
            tilted = weight[k] * power_of_two(tilt * height[k])
            each[k] = 0.11 * loud * (tilted + glowing) * power_of_two(pure * kinship[k])
        each[n - 1] *= min(max((tension[step] - _EASE) / (_STRAINED - _EASE), 0.0), 1.0)
        deep = A_DECIBEL * breath_db[step]
        for side in (0, n):
            for k in range(n):
                level = each[k] * power_of_two(deep * breath[step, side + k])
                partials[0][step, side + k] = level * sides[0, side + k]
                partials[1][step, side + k] = level * sides[1, side + k]
        for i in range(_SAWS):
            level = 0.085 * body[step] * loud / math.sqrt(_SAW_HARMONIC[i])
            saws[0][step, i] = level * sides[0, 2 * n + i]
            saws[1][step, i] = level * sides[1, 2 * n + i]


@kernel
def opened(
    rate_hz: float, energy: F64, cutoff_hz: F64, resonance: F64, wander: F64, cutoff: F64, q: F64
) -> None:
    """Writes how far the saws' low-pass is open, in cycles a frame, and how it sings: (steps + 1, 2) each."""
    for step in range(cutoff.shape[0]):
        opening = power_of_two(3.2 * energy[step] + 0.7 * wander[step, 1])
        cutoff[step, :] = min(cutoff_hz[step] * opening, 9000.0) / rate_hz
        q[step, :] = 0.6 + 4.0 * resonance[step]
