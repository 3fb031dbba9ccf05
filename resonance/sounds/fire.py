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
from resonance.dsp.curves import drift
from resonance.dsp.filters import BAND, HIGH, LOW, svf
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.modes import mode_coefficients, modes
from resonance.dsp.noise import impulses, pink, pink_state, white
from resonance.generate.onsets import Onsets
from resonance.units import db, hz, metres, part, seconds

_CAUGHT = 0.98  # the presence from which on a fire is wholly there, and can catch
_SNAP_MODES = 5
_MONO_BELOW_HZ = 120.0
_RUMBLE_HZ = 70.0  # by ear: below it, flames only muddy the drone


@dataclass(frozen=True)
class Fire(Patch):
    """The fire of the seed: it catches with a flare, and burns."""

    send_db: float = db(-15.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(3.0, 0.5, 2000.0, "how far away it is")
    kindle_s: float = seconds(1.5, 0.1, 30.0, "how long it glows before it catches, at least")
    flare_db: float = db(11.0, 0.0, 20.0, "how far the flare stands over the burning after it")
    flare_s: float = seconds(1.6, 0.2, 10.0, "how long the flare takes to sink")
    snap_hz: float = hz(11.0, 0.0, 40.0, "how often it snaps, on average")
    roar: float = part(0.5, "the low noise of the flames")
    hiss: float = part(0.4, "the high noise of gas and sap")
    crackle: float = part(0.5, "the fine crackle between the snaps")
    width_m: float = metres(0.4, 0.02, 10.0, "how wide the flames are: the wider, the slower they lap")


class FireRule(Sustain):
    """A glow as soon as it is wanted; a flare once it is wholly there; from then on snaps, by pure chance."""

    def __init__(self, patch: Fire, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._snaps = Onsets(setting.stream("snaps"))
        self._spits = Onsets(setting.stream("spits"))
        self._rng = setting.stream("snap")
        self._spit_rng = setting.stream("spit")
        self._glowing_steps = 0
        self._burns = False

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        burning = np.zeros(span.steps + 1)
        for step in range(span.steps):
            burning[step] = self._burns
            present = max(span.presence[step], span.presence[step + 1])
            self._glowing_steps = self._glowing_steps + 1 if present > 0.0 else 0
            glowed_s = self._glowing_steps * span.step_s
            if present == 0.0:
                self._burns = False
            elif not self._burns and present >= _CAUGHT and glowed_s >= span["kindle_s"][step]:
                self._burns = True
                yield Event(span.start + (step + 1) * GRID_FRAMES, "flare", rule="catching", sustained=True)
        burning[-1] = self._burns
        rate_hz = span["snap_hz"] * (0.8 + 0.4 * span.energy) * span.presence
        for frame in self._snaps.due(span.start, rate_hz * burning, span.step_s):
            yield self._snap(frame, "snap", self._rng.random(5), -30.0, 22.0)
        for frame in self._spits.due(span.start, 0.3 * rate_hz * (1.0 - burning), span.step_s):
            yield self._snap(frame, "spit", self._spit_rng.random(5), -44.0, 8.0)

    @staticmethod
    def _snap(frame: int, kind: str, chance: F64, least_db: float, range_db: float) -> Event:
        """Most snaps are small: loudness is skewed, as sizes of things that break are."""
        return Event(
            frame,
            kind,
            level_db=least_db + range_db * float(chance[0]) ** 2.2,
            duration_s=0.02 + 0.1 * float(chance[1]),
            rule="poisson",
            detail={"pan": 1.5 * float(chance[2]) - 0.75, "distance_m": 3.0 + 3.0 * float(chance[3])},
        )


class FireVoice(Voice):
    """The glow, the flames, or one snap."""

    voices: ClassVar[int] = 24

    def __init__(self, patch: Fire, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._setting = setting
        self._noise = np.zeros(2 * MAX_STEPS * GRID_FRAMES, np.float32)
        self._curve = np.empty((MAX_STEPS + 1, 6))
        self._state = np.zeros((2, _SNAP_MODES))
        self._rotation = np.zeros((1, 2, _SNAP_MODES))
        self._excitation = np.zeros(MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._kind = event.kind
        if event.kind in ("snap", "spit"):
            return self._split(event)
        rng = self._setting.stream(event.kind)
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
        gas = rng.uniform(-1.0, 1.0, frames) + 0.5
        burst = gas * np.sin(np.pi * t**0.6) ** 2
        self._burst = (0.3 * burst / np.linalg.norm(burst)).astype(np.float32)
        return 1.2 * event.duration_s

    def render(self, span: Span, out: F32) -> None:
        if self._kind in ("snap", "spit"):
            excitation = self._excitation[: span.frames]
            excitation.fill(0.0)
            burst = self._burst[self._age : self._age + span.frames]
            excitation[: len(burst)] = burst
            modes(self._state, self._rotation, self._strike, self._left, self._right, excitation, out)
        else:
            curve = self._curve[: span.steps + 1]
            puff_hz = 1.5 / np.sqrt(span["width_m"])
            pace_hz = np.column_stack((puff_hz, puff_hz, 4.1 * puff_hz, 4.3 * puff_hz, 0 * puff_hz + 0.5))
            pace_hz = np.concatenate((pace_hz, pace_hz[:, -1:]), axis=1) * (1.0 + 0.5 * span.tension[:, None])
            drift(self._setting.key("flames", self._kind), self._curve_phase, pace_hz * span.step_s, curve)
            if self._kind == "flare":
                self._burn(span, curve, out)
            else:
                self._glow(span, curve, out)
        self._age += span.frames

    def _band(self, which: int, cutoff_hz: F64, q: float, mode: int, noise: F32) -> None:
        """Filters both lanes of `noise` in place."""
        cutoff = np.minimum(cutoff_hz / self._rate_hz, 0.45)[:, None] * np.ones(2)
        svf(self._filters[which], cutoff, np.full_like(cutoff, q), mode, noise, noise)

    def _glow(self, span: Span, curve: F64, out: F32) -> None:
        """Before it catches: a faint breath of gas."""
        noise = self._noise[: 2 * span.frames].reshape(2, span.frames)
        white(int(self._setting.key("glow")), span.start, noise)
        self._band(0, 2400.0 * 2.0 ** curve[:, 4], 1.2, BAND, noise)
        ramped(noise, 0.0016 * (1.0 + 0.6 * curve[:, 0]), out)

    def _burn(self, span: Span, curve: F64, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
        caught = np.clip(age_s / 0.22, 0.0, 1.0)
        flare = np.exp(-np.maximum(age_s - 0.22, 0.0) / span["flare_s"])
        loud = (
            caught
            * caught
            * (3.0 - 2.0 * caught)
            * 10.0 ** ((-8.0 + 11.0 * span.energy + span["flare_db"] * flare) / 20.0)
        )
        lapping = (0.62 + 0.55 * curve[:, :2]) * (1.0 + 0.35 * curve[:, 2:4])
        both = 0.5 * (lapping[:, 0] + lapping[:, 1])
        frames = span.frames
        noise = self._noise[: 2 * frames].reshape(2, frames)

        pink(self._pink, int(self._setting.key("roar")), span.start, noise)
        opening = 2.0 ** (0.9 * curve[:, 4] + 1.2 * (both - 0.6) + 1.1 * span.energy + 2.4 * flare)
        self._band(0, 260.0 * opening, 0.7, LOW, noise)
        self._band(1, np.full(span.steps + 1, _RUMBLE_HZ), 0.7, HIGH, noise)
        mono_below(self._lows, _MONO_BELOW_HZ / self._rate_hz, noise)
        ramped(noise, 0.5 * span["roar"] * loud * both, out)

        white(int(self._setting.key("hiss")), span.start, noise)
        self._band(2, 5200.0 * 2.0 ** (0.5 * curve[:, 5] - 0.5 * flare), 0.55, BAND, noise)
        ramped(noise, 0.045 * span["hiss"] * loud * (0.75 + 0.5 * curve[:, 2]), out)

        # Each side its own grains, thicker while the flare lasts.
        density = (45.0 + 260.0 * flare) * (0.5 + span.energy) / self._rate_hz
        for side, name in enumerate(("left", "right")):
            impulses(int(self._setting.key("crackle", name)), span.start, density, noise[side])
        self._band(3, 2600.0 * 2.0 ** curve[:, 4], 1.6, BAND, noise)
        ramped(noise, 0.8 * span["crackle"] * loud, out)
