"""The seed bursts into flame: a glow, then a flare, then a fire that laps, hisses and snaps.

While the score fades it in the seed only glows and spits. Once it is wholly there the fire catches: within
a few tenths of a second flames rise far over what they settle to, wide and bright, and sink to a steady
burning: roar (a low noise that laps at the pace flames of this size puff), hiss, a fine crackle, and snaps.
Snaps come by pure chance, each a burst of gas through a few resonances of split wood.

What it follows: energy lifts the flames and crowds the snaps a little; tension makes them flutter.

Source: lapping, hissing and crackling, Farnell 2010, Designing Sound, ch. 34; flames puff 1.5 / sqrt(width in
metres) times a second, Cetegen & Ahmed 1993.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.curves import drift, levels, octaves
from resonance.dsp.filters import BAND, HIGH, LOW, svf
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import evened, impulses, pink, pink_state, white
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, metres, part, seconds

_CAUGHT = 0.98  # the presence from which on a fire is wholly there, and can catch
_SNAP_MODES = 5
_MONO_BELOW_HZ = 120.0
_RUMBLE_HZ = 90.0  # by ear: below it, flames only muddy the drone
_CATCHES_S = 0.22  # from the first flame to all of them


@dataclass(frozen=True)
class Fire(Patch):
    """The fire of the seed: it catches with a flare, and burns."""

    send_db: float = db(-15.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(3.0, 0.5, 2000.0, "how far away it is")
    kindle_s: float = seconds(1.5, 0.1, 30.0, "how long it glows before it catches, at least")
    flare_db: float = db(9.0, 0.0, 20.0, "how far the flare stands over the burning after it")
    flare_s: float = seconds(1.6, 0.2, 10.0, "how long the flare takes to sink")
    snap_hz: float = hz(11.0, 0.0, 40.0, "how often it snaps, on average")
    roar: float = part(0.5, "the low noise of the flames")
    hiss: float = part(0.4, "the high noise of gas and sap")
    crackle: float = part(0.5, "the fine crackle between the snaps")
    width_m: float = metres(0.4, 0.02, 10.0, "how wide the flames are: the wider, the slower they lap")


class Catching:
    """When a fire catches that is wanted from a step on: once it is wholly there, and has glowed a while."""

    def __init__(self, step: int) -> None:
        self._since = step
        self.caught_step = math.inf

    def burnt_s(self, span: Span) -> F64:
        """For how long it has burnt, at the steps' borders; below 0 where it has not caught yet."""
        step = span.start // GRID_FRAMES + np.arange(span.steps + 1)
        if self.caught_step == math.inf:
            glowed_s = (step - self._since) * span.step_s
            ready = np.flatnonzero((span.presence >= _CAUGHT) & (glowed_s >= span["kindle_s"]))
            if len(ready) == 0:
                return np.full(span.steps + 1, -1.0)
            self.caught_step = float(step[ready[0]])
        return np.asarray((step - self.caught_step) * span.step_s)


class FireRule(Sustain):
    """It glows as soon as it is wanted, and spits; once it has caught it snaps, by pure chance."""

    def __init__(self, patch: Fire, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._snaps = Onsets(setting.stream("snaps"))
        self._spits = Onsets(setting.stream("spits"))
        self._rng = setting.stream("snap")
        self._spit_rng = setting.stream("spit")
        self._catching = Catching(0)

    def events(self, span: Span) -> Iterable[Event]:
        for event in super().events(span):
            if event.kind == "begin":
                self._catching = Catching(event.frame // GRID_FRAMES)
            yield event
        before = self._catching.caught_step
        burning = self._catching.burnt_s(span) >= 0.0
        if self._catching.caught_step != before:
            frame = int(self._catching.caught_step) * GRID_FRAMES
            yield Event(frame, "flare", duration_s=span.at("flare_s", frame), rule="catching", sounds=False)
        rate_hz = span["snap_hz"] * (0.8 + 0.4 * span.energy) * span.presence
        for frame in self._snaps.due(span.start, rate_hz * burning, span.step_s):
            yield self._snap(frame, "snap", self._rng.random(4), -26.0, 17.0)
        for frame in self._spits.due(span.start, 0.3 * rate_hz * ~burning, span.step_s):
            yield self._snap(frame, "spit", self._spit_rng.random(4), -50.0, 8.0)

    @staticmethod
    def _snap(frame: int, kind: str, chance: F64, least_db: float, range_db: float) -> Event:
        """Most snaps are small: loudness is skewed, as sizes of things that break are."""
        return Event(
            frame,
            kind,
            level_db=least_db + range_db * float(chance[0]) ** 2.0,
            duration_s=0.02 + 0.1 * float(chance[1]),
            rule="poisson",
            detail={"pan": 1.5 * float(chance[2]) - 0.75, "distance_m": 3.0 + 3.0 * float(chance[3])},
        )


class FireVoice(Voice):
    """The fire, from its glow on; or one snap."""

    voices: ClassVar[int] = 24

    def __init__(self, patch: Fire, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._setting = setting
        self._keys = {name: setting.key(name) for name in ("flames", "hiss", "roar", "crackle")}
        self._noise = setting.scratch("noise", 2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 6), np.float64)
        self._state = np.zeros((2, _SNAP_MODES))
        self._rotation = np.zeros((1, 2, _SNAP_MODES))
        self._excitation = setting.scratch("excitation", MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._snap = event.kind in ("snap", "spit")
        if self._snap:
            return self._split(event)
        self._catching = Catching(span.start // GRID_FRAMES)
        rng = self._setting.anew("flames", event)
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        self._pink = pink_state(2)
        self._filters = np.zeros((4, 2, 2))
        self._lows = np.zeros(2)
        return math.inf

    def _split(self, event: Event) -> float:
        """Wood splits: a burst of gas, about a millisecond long, rings in a few short resonances."""
        rng = np.random.Generator(np.random.PCG64(event.key))
        t60_s = event.duration_s * rng.uniform(0.3, 1.0, _SNAP_MODES)
        frequency_hz = 650.0 * 9.0 ** rng.random(_SNAP_MODES)
        self._rotation[0] = mode_coefficients(frequency_hz, t60_s, self._rate_hz)
        self._state.fill(0.0)
        self._strike = rng.uniform(0.3, 1.0, _SNAP_MODES) * (1000.0 / frequency_hz) ** 0.3
        angle = np.pi / 4.0 * (1.0 + float(event.detail.get("pan", 0.0)))
        self._left = np.full(_SNAP_MODES, np.cos(angle), np.float32)
        self._right = np.full(_SNAP_MODES, np.sin(angle), np.float32)
        frames = int(rng.uniform(0.0012, 0.0035) * self._rate_hz)
        t = np.arange(frames) / frames
        shape = np.sin(np.pi * t**0.6) ** 2
        burst = rng.uniform(-1.0, 1.0, frames) * shape
        burst -= shape * (burst.sum() / shape.sum())  # no push on the whole: what is low stays in the middle
        self._burst = burst.astype(np.float32)
        # However the burst meets the wood, a snap is as loud as its event says.
        met = np.abs(np.exp(-2j * np.pi * np.outer(frequency_hz, np.arange(frames) / self._rate_hz)) @ burst)
        self._strike *= 0.4 / np.linalg.norm(self._strike * met)
        return 1.2 * event.duration_s

    def render(self, span: Span, out: F32) -> None:
        if self._snap:
            excitation = self._excitation[: span.frames]
            excitation.fill(0.0)
            burst = self._burst[self._age : self._age + span.frames]
            excitation[: len(burst)] = burst
            modes(self._state, self._rotation, self._strike, self._left, self._right, excitation, out)
            self._age += span.frames
        else:
            self._burn(span, out)

    def _flames(self, span: Span) -> F64:
        """Random curves (steps + 1, 6): two at the pace of the flames, two that flutter, two that wander."""
        curve = self._curve[: span.steps + 1]
        puff_hz = 1.5 / np.sqrt(span["width_m"]) * (1.0 + 0.5 * span.tension)
        # A random curve swings once in about two of its points.
        pace_hz = np.full_like(curve, 0.5)
        pace_hz[:, :4] = np.outer(puff_hz, (2.0, 2.0, 6.1, 6.7))
        drift(self._keys["flames"], self._curve_phase, pace_hz * span.step_s, curve)
        return curve

    def _band(self, which: int, cutoff_hz: F64, q: float, mode: int, noise: F32) -> None:
        """Filters both lanes of `noise` in place."""
        cutoff = np.minimum(cutoff_hz / self._rate_hz, 0.45)[:, None] * np.ones(2)
        svf(self._filters[which], cutoff, np.full_like(cutoff, q), mode, noise, noise)

    def _burn(self, span: Span, out: F32) -> None:
        curve = self._flames(span)
        burnt_s = self._catching.burnt_s(span)
        caught = np.clip(burnt_s / _CATCHES_S, 0.0, 1.0)
        flare = np.exp(-np.maximum(burnt_s - _CATCHES_S, 0.0) / span["flare_s"]) * (burnt_s >= 0.0)
        strength_db = -6.0 + 9.0 * span.energy + span["flare_db"] * flare
        loud = caught * caught * (3.0 - 2.0 * caught) * levels(strength_db)
        lapping = (0.62 + 0.55 * curve[:, :2]) * (1.0 + 0.35 * curve[:, 2:4])
        both = 0.5 * (lapping[:, 0] + lapping[:, 1])
        noise = self._noise[: 2 * span.frames].reshape(2, span.frames)

        white(int(self._keys["hiss"]), span.start, noise)
        self._band(0, 4600.0 * octaves(0.6 * curve[:, 5] - 0.7 * flare), 0.5, BAND, noise)
        glow = 0.0011 * (1.0 + 0.6 * curve[:, 0])
        hiss = glow + 0.075 * span["hiss"] * loud * (0.7 + 0.6 * curve[:, 2])
        ramped(noise, evened(self._rate_hz) * hiss, out)

        pink(self._pink, int(self._keys["roar"]), span.start, noise)
        opening = octaves(0.9 * curve[:, 4] + 1.2 * (both - 0.6) + 1.1 * span.energy + 2.4 * flare)
        self._band(1, 300.0 * opening, 0.7, LOW, noise)
        self._band(2, np.full(span.steps + 1, _RUMBLE_HZ), 0.7, HIGH, noise)
        mono_below(self._lows, _MONO_BELOW_HZ / self._rate_hz, noise)
        ramped(noise, 0.36 * span["roar"] * loud * both, out)

        # Each side has its own grains, thicker while the flare lasts.
        density = (70.0 + 300.0 * flare) * (0.5 + span.energy) / self._rate_hz
        for side in range(2):
            impulses(int(self._keys["crackle"]) + side, span.start, density, noise[side])
        self._band(3, 2300.0 * octaves(1.4 * curve[:, 4]), 1.1, BAND, noise)
        crackle = 1.7 * span["crackle"] * loud * (0.8 + 0.5 * curve[:, 3])
        ramped(noise, self._rate_hz / 48_000.0 * crackle, out)
