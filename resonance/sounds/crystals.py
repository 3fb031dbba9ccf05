"""Crystalline ledges that sing when touched; and, under strain, snap like glass.

Modal synthesis: a struck or bowed bar with twelve modes, all but the lowest split into a pair that beats
softly left and right. At ease the crystal is a tuned bell, its low modes on whole multiples; strained, it
goes back to raw glass: the modes move to a free bar's, the ringing shortens, and notes turn into snaps,
bursts of many short high modes.

What it follows: energy touches more often; valence and energy reach higher; tension makes it brittle. Single
touches wander along the theme's tones; now and then the theme itself is climbed, as far as the mood allows
(`generate/theme.py`), each time from another place, stopping one step short of the octave.

Source: modes of a free bar, Rossing & Fletcher 1998, ch. 2; tuned bars, Bork 1995.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.curves import A_CENT, hashed, power_of_two
from resonance.dsp.modes import bent_modes, modes
from resonance.dsp.noise import white
from resonance.dsp.partials import sines
from resonance.generate import theme
from resonance.generate.onsets import Onsets
from resonance.tuning import strained_hz
from resonance.units import hz, part, seconds

TUNED = np.array([1.0, 2.0, 3.0, 4.0, 5.404, 6.71, 8.933, 10.7, 13.344, 15.3, 18.638, 21.9])
"""A crystal at ease: four modes tuned as a bell's, the rest a free bar's bending and twisting modes."""
RAW = np.array([1.0, 2.36, 2.757, 4.31, 5.404, 6.71, 8.933, 10.7, 13.344, 15.3, 18.638, 21.9])
"""Raw glass: none of its low modes lies near a whole multiple."""
_WEIGHT = np.array([1.0, 0.34, 0.20, 0.17, 0.11, 0.10, 0.085, 0.07, 0.055, 0.045, 0.035, 0.03])
_SNAP_MODES = 24
_SNAP_S = 0.3
_BOW_MODES = 3
_STILL = np.zeros(1)  # a hand at rest
_PRESSED = 0.6  # a key pressed home bows its ledge, by ear a little softer than a bow does
_FELT_S = 0.0032  # how long a felt mallet stays on its ledge
_BONE = 0.09  # and what of that one of bone does
_LEDGES = np.array([2, 2, 3, 3, 3, 4])  # octaves above the root: 220, 440 and, rarely, 880 Hz


@dataclass(frozen=True)
class Crystals(Patch):
    """Ledges of crystal that sing when touched, and snap like glass under strain."""

    facts: ClassVar = {
        "mode ratios at ease": " ".join(f"{ratio:.3f}" for ratio in TUNED),
        "mode ratios when brittle": " ".join(f"{ratio:.3f}" for ratio in RAW),
    }

    touch_hz: float = hz(0.9, 0.0, 8.0, "how often a ledge is touched at full energy, on average")
    theme_hz: float = hz(0.055, 0.0, 1.0, "how often the theme is climbed")
    t60_s: float = seconds(4.5, 0.2, 20.0, "how long the lowest mode rings at ease, at every pitch")
    damping: float = part(0.5, "how much sooner the higher modes end")
    hardness: float = part(0.45, "the mallet: from felt to bone")
    bowed: float = part(0.16, "the share of touches that are bowed, not struck")
    scatter: float = part(0.7, "how widely the ledges lie around the listener")


def brittleness(tension: float) -> float:
    """How much of the crystal is raw glass: none up to a tension of 0.3, all of it from 0.7 on."""
    x = min(1.0, max(0.0, (tension - 0.3) / 0.4))
    return x * x * (3.0 - 2.0 * x)


class CrystalsRule(Rule):
    """Touches that wander along the theme's tones, climbs of the theme, and snaps where it is brittle."""

    def __init__(self, patch: Crystals, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._touches = Onsets(setting.stream("touches"), regularity=0.7)
        self._climbs = Onsets(setting.stream("climbs"), regularity=8.0, ready=0.6)
        self._touch_rng = setting.stream("touch")
        self._climb_rng = setting.stream("climb")
        self._place = 2

    def events(self, span: Span) -> Iterable[Event]:
        yield from self._touched(span)
        yield from self._climbed(span)

    def _touched(self, span: Span) -> Iterator[Event]:
        rate_hz = span["touch_hz"] * span.energy * span.presence
        for frame in self._touches.due(span.start, rate_hz, span.step_s):
            step = span.step_of(frame)
            chance = self._touch_rng.random(8)
            lean = theme.lean(self._touch_rng)
            tension = float(span.tension[step])
            brittle = brittleness(tension)
            self._place = int(np.clip(self._place + round(3.2 * (chance[0] - 0.5)), 0, len(theme.CLIMB) - 1))
            reach = chance[1] * (0.55 + 0.45 * max(span.valence[step], span.energy[step]))
            octave = int(_LEDGES[int(reach * len(_LEDGES))])
            pitch_hz = strained_hz(self._tuning.hz(theme.CLIMB[self._place], octave), tension, lean)
            where = self._where(chance[2], chance[3], span.at("scatter", frame))
            velocity = 0.25 + 0.6 * chance[4] * (0.5 + 0.5 * float(span.energy[step]))
            if chance[5] < brittle * 0.75:
                yield from self._snap(frame, chance, brittle, where, span.rate_hz)
                continue
            bowed = chance[6] < span.at("bowed", frame) * (1.0 - brittle)
            yield Event(
                frame,
                "bow" if bowed else "strike",
                pitch_hz=pitch_hz,
                level_db=-17.0 + 12.0 * velocity - (7.0 if bowed else 0.0),
                duration_s=span.at("t60_s", frame),
                rule="touch",
                detail={"velocity": velocity, **where},
            )

    def _climbed(self, span: Span) -> Iterator[Event]:
        rate_hz = span["theme_hz"] * span.presence * (span.energy > 0.15)
        for frame in self._climbs.due(span.start, rate_hz, span.step_s):
            step = span.step_of(frame)
            octave, pace, side, far = self._climb_rng.random(4)
            rubato = self._climb_rng.random(len(theme.CLIMB))
            lean = theme.lean(self._climb_rng)
            tension = float(span.tension[step])
            tones = theme.climb(float(span.valence[step]), tension)
            where = self._where(side, 0.2 + 0.4 * far, span.at("scatter", frame))
            begin = frame
            for place, degree in enumerate(tones):
                # Under strain each further tone sags more.
                sag = tension + 0.3 * place * max(0.0, tension - 0.3)
                pitch_hz = self._tuning.hz(degree, 2 + int(octave > 0.45) + int(octave > 0.9))
                yield Event(
                    begin,
                    "strike",
                    pitch_hz=strained_hz(pitch_hz, sag, -abs(lean)),
                    level_db=-9.5 + 1.1 * place - 3.0 * (octave > 0.9),
                    duration_s=span.at("t60_s", frame),
                    rule="theme",
                    detail={"velocity": 0.5 + 0.06 * place, "place": place + 1, **where},
                )
                # Half a beat to a beat a tone, leaning into the last.
                wait_s = (
                    60.0
                    / float(span.bpm[step])
                    * (0.5 + 0.25 * pace)
                    * (0.92 + 0.16 * rubato[place] + 0.08 * place)
                )
                begin += round(wait_s * span.rate_hz)

    @staticmethod
    def _where(side: float, far: float, scatter: float) -> dict[str, float]:
        """A place around the listener: most ledges are near, some far off."""
        return {"pan": scatter * (2.0 * side - 1.0), "distance_m": 3.0 * 9.0 ** (far * scatter)}

    @staticmethod
    def _snap(
        frame: int, chance: F64, brittle: float, where: dict[str, float], rate_hz: float
    ) -> Iterator[Event]:
        """A burst of 6 to 20 micro-impacts in under 300 ms, thick at first."""
        impacts = 6 + int(15.0 * chance[7] * brittle)
        snap = Event(
            frame,
            "snap",
            level_db=-12.0 + 7.0 * float(chance[4]),
            duration_s=_SNAP_S,
            rule="brittle",
            detail={"velocity": 1.0, "impacts": impacts, **where},
        )
        yield snap
        rng = np.random.Generator(np.random.PCG64(int(chance[6] * 2**53)))
        delays = np.sort(0.9 * _SNAP_S * rng.random(impacts) ** 1.8)
        delays[0] = 0.0
        snap.detail["delays"] = delays
        for delay_s in delays:
            yield Event(
                frame + int(delay_s * rate_hz),
                "impact",
                level_db=snap.level_db - 30.0 * float(delay_s) / _SNAP_S,
                duration_s=0.03,
                rule="brittle",
                follows=snap,
                sounds=False,
            )


class CrystalsVoice(Voice):
    """One ledge, struck or bowed; or one burst of breaking glass."""

    voices: ClassVar[int] = 20

    def __init__(self, patch: Crystals, setting: Setting) -> None:
        self._rate_hz = setting.rate_hz
        self._lanes = 2 * max(len(TUNED), _SNAP_MODES // 2)
        self._state = np.zeros((2, self._lanes))
        self._modes_hz = np.zeros(self._lanes)
        self._modes_t60_s = np.zeros(self._lanes)
        # A hand's timbre lets every octave above the lowest mode ring up to 2.8 times shorter or longer.
        self._height = np.zeros(self._lanes)
        self._strike = np.zeros(self._lanes)
        self._left = np.zeros(self._lanes, np.float32)
        self._right = np.zeros(self._lanes, np.float32)
        most = GRID_FRAMES * math.ceil(_FELT_S * self._rate_hz / GRID_FRAMES)
        self._mallet = np.zeros((1, most), np.float32)
        self._bow_phase = np.zeros(_BOW_MODES)
        self._bow_cycles = np.zeros(_BOW_MODES)
        self._bow_level = np.zeros(_BOW_MODES, np.float32)
        self._excitation = setting.scratch("excitation", MAX_STEPS * GRID_FRAMES, np.float32)
        fed = MAX_STEPS + 1, _BOW_MODES
        self._fed_cycles = setting.scratch("fed cycles", fed, np.float64)
        self._fed_level = setting.scratch("fed level", fed, np.float32)
        self._bow = setting.scratch("bow", 2 * MAX_STEPS * GRID_FRAMES, np.float32)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._state.fill(0.0)
        self._bowed = event.kind == "bow"
        self._held = event.kind == "note"
        self._pan = float(event.detail.get("pan", 0.0))
        return self._snap(event) if event.kind == "snap" else self._ledge(event, span)

    def _ledge(self, event: Event, span: Span) -> float:
        brittle = brittleness(float(span.tension[0]))
        t60_s = float(span["t60_s"][0]) * (1.0 - 0.82 * brittle)
        damping, pitch_hz = float(span["damping"][0]), float(event.pitch_hz or 440.0)
        bar = event.key, brittle, pitch_hz, t60_s, damping
        bow = self._rate_hz, self._bow_phase, self._bow_cycles, self._bow_level
        self._bow_s = _bar(*bar, self._modes_hz, self._modes_t60_s, self._strike, *bow)
        self._lay(0.25)
        if self._bowed:
            self._blow = self._mallet[0, :0]
            return float(self._bow_s + 1.3 * t60_s)
        velocity = float(event.detail.get("velocity", 0.7))
        hardness = min(max(float(span["hardness"][0]) + 0.5 * (velocity - 0.5), 0.0), 1.0)
        self._blow = _blow(hardness, event.key, self._rate_hz, self._mallet)
        return 1.3 * t60_s

    def _snap(self, event: Event) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._modes_hz[:] = 1800.0 * 5.5 ** rng.random(self._lanes)
        self._modes_t60_s[:] = rng.uniform(0.02, 0.09, self._lanes)
        self._strike[:] = rng.uniform(0.05, 0.3, self._lanes) / np.sqrt(self._lanes) * 4.0
        self._lay(0.5)
        delays = event.detail["delays"]
        self._blow = np.zeros(int((_SNAP_S + 0.01) * self._rate_hz), np.float32)
        for delay_s in delays:
            level = 10.0 ** (-1.5 * delay_s / _SNAP_S) * rng.uniform(0.35, 1.0) * rng.choice((-1.0, 1.0))
            contact = int(rng.uniform(0.00004, 0.00015) * self._rate_hz) + 2
            at = int(delay_s * self._rate_hz)
            pulse = 1.0 - np.cos(2.0 * np.pi * (np.arange(contact) + 0.5) / contact)
            self._blow[at : at + contact] += (level * pulse / pulse.sum()).astype(np.float32)
        return len(self._blow) / self._rate_hz + 0.15

    def _lay(self, spread: float) -> None:
        """Lays the modes out: how fast they turn, and where they lie."""
        _laid(self._modes_hz, self._pan, spread, self._height, self._left, self._right)
        self._rotation = self._bent(_STILL, _STILL)

    def render(self, span: Span, out: F32) -> None:
        frames = span.frames
        excitation = self._excitation[:frames]
        excitation.fill(0.0)
        rotation = self._rotation
        if self._bowed:
            age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / self._rate_hz
            self._drawn(np.sin(np.pi * np.clip(age_s / self._bow_s, 0.0, 1.0)) ** 2, span, excitation)
        elif self._age < len(self._blow):
            blow = self._blow[self._age : self._age + frames]
            excitation[: len(blow)] = blow
        if span.touch is not None and self._held:
            tilt = 3.0 * (span.touch.timbre[:-1] - 0.5)
            rotation = self._bent(span.touch.bend_cents[:-1], tilt)
            self._drawn(_PRESSED * span.touch.pressure, span, excitation)
        modes(self._state, rotation, self._strike, self._left, self._right, excitation, out)
        self._age += frames

    def _bent(self, cents: F64, tilt: F64) -> F64:
        """The modes' rotation at every step: bent by a hand, and their higher ones damped or let ring."""
        modes = self._modes_hz, self._modes_t60_s, self._height
        return bent_modes(*modes, cents, tilt, self._rate_hz)

    def _drawn(self, stroke: F64, span: Span, excitation: F32) -> None:
        """A bow, or a hand that presses: the lowest modes are fed at their own pitch.

        Their phases go on while nothing presses: for how long nothing does hangs on where spans end.
        """
        cycles, level = self._fed_cycles[: span.steps + 1], self._fed_level[: span.steps + 1]
        cents = _STILL if span.touch is None else span.touch.bend_cents
        _feed(stroke, cents, self._bow_cycles, self._bow_level, cycles, level)
        both = self._bow[: 2 * span.frames].reshape(2, span.frames)
        both.fill(0.0)
        sines(self._bow_phase, cycles, level, level, both)
        excitation += both[0]


@kernel
def _bar(
    key: np.uint64,
    brittle: float,
    pitch_hz: float,
    t60_s: float,
    damping: float,
    modes_hz: F64,
    modes_t60_s: F64,
    strike: F64,
    rate_hz: float,
    bow_phase: F64,
    bow_cycles: F64,
    bow_level: F32,
) -> float:
    """Writes the pitches, the decays and the weights of a bar's modes, of each pair in both halves (24,).

    And for its lowest modes how a bow feeds them; returns how long it is drawn, in seconds.
    """
    count = TUNED.size
    where = 0.12 + 0.28 * hashed(key, 2 * count)  # along the bar: in its middle every other mode is mute
    first = 0.35 + 0.65 * math.sin(math.pi * where)
    for i in range(count):
        ratio, split_hz = TUNED[i] + brittle * (RAW[i] - TUNED[i]), 0.0
        if i > 0:
            ratio *= 1.0 + brittle * (0.04 * hashed(key, i) - 0.02)
            # Pairs beat slower than once a second at ease, so that no note trembles.
            split_hz = (0.15 + 0.4 * hashed(key, count + i)) * (1.0 + 6.0 * brittle)
        modes_hz[i], modes_hz[count + i] = pitch_hz * ratio - split_hz, pitch_hz * ratio + split_hz
        modes_t60_s[i] = modes_t60_s[count + i] = t60_s / (1.0 + damping * 1.4 * (ratio - 1.0))
        shape = (0.35 + 0.65 * abs(math.sin(math.pi * where * (i + 1)))) / first
        strike[i] = strike[count + i] = 0.5 * _WEIGHT[i] * shape
    for i in range(bow_phase.size):
        bow_phase[i] = hashed(key, 3 * count + i)
        # In the middle of each pair; a mode driven there grows to its drive times its decay time in frames.
        bow_cycles[i] = 0.5 * (modes_hz[i] + modes_hz[count + i]) / rate_hz
        bow_level[i] = 7.0 / (modes_t60_s[i] * rate_hz)
    return 0.9 + 1.6 * hashed(key, 4 * count)


@kernel
def _feed(stroke: F64, cents: F64, bow_cycles: F64, bow_level: F32, cycles: F64, level: F32) -> None:
    """Writes how the lowest modes are fed by a `stroke` (borders,): the bow's own, bent by as many cents."""
    for border in range(stroke.size):
        bend = power_of_two(cents[min(border, cents.size - 1)] * A_CENT)
        for i in range(bow_cycles.size):
            cycles[border, i] = bend * bow_cycles[i]
            level[border, i] = np.float32(stroke[border]) * bow_level[i]


@kernel
def _laid(modes_hz: F64, pan: float, spread: float, height: F64, left: F32, right: F32) -> None:
    """Writes how high over the lowest the modes are, in octaves, and where: left and right of the note."""
    half = modes_hz.size // 2
    for i in range(modes_hz.size):
        height[i] = math.log2(min(max(modes_hz[i] / modes_hz[0], 1.0), 8.0))
        side = 0.0 if i % half == 0 else (-spread if i < half else spread)
        angle = math.pi / 4.0 * (1.0 + min(max(pan + side, -1.0), 1.0))
        left[i], right[i] = math.cos(angle), math.sin(angle)


def _blow(hardness: float, key: np.uint64, rate_hz: float, mallet: F32) -> F32:
    """A mallet's push: the harder, the shorter; a smooth pulse of unit area, with a grain of contact."""
    frames = max(4, int(_FELT_S * _BONE**hardness * rate_hz))
    white(key, 0, mallet)
    _push(hardness, mallet[0, :frames])
    return mallet[0, :frames]


@kernel
def _push(hardness: float, blow: F32) -> None:
    """Makes of the grain of a contact the whole blow, in place."""
    area = 0.0
    for i in range(blow.size):
        push = 1.0 - math.cos(2.0 * math.pi * (i + 0.5) / blow.size)
        blow[i] = push * (1.0 + 0.4 * hardness * blow[i])
        area += blow[i]
    for i in range(blow.size):
        blow[i] /= area
