"""The crystals ignite into a symphony of colour: a chorus of crystal voices over the mountain's own root.

One by one, from below, crystals are struck and go on singing, each on its own multiple of the root (`chorus`,
0 to 1, is how many sing). Over them the theme goes round in canon (`generate/canon.py`), each time in more
parts and higher up, one step short of the octave; when the tree reaches the octave, they answer with theirs.

What it follows: the score's `chorus`; the heart gives the canon its pace; energy lifts the level and lights
the upper voices; valence steadies them, tension makes them tremble apart.

Source: the harmonics are those of the scale's tones in every octave, Helmholtz 1863, ch. 10.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Beat, Event, Patch, Setting, Span, Sustain, Visits, Voice
from resonance.dsp import F32, GRID_FRAMES
from resonance.dsp.curves import drift, levels, ratios
from resonance.dsp.partials import sines
from resonance.dsp.struck import Struck
from resonance.generate import theme
from resonance.generate.canon import Part, canon, lasts
from resonance.units import db, part, seconds

HARMONICS = np.array(
    [3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 30, 32, 36, 40, 48, 60, 64, 72, 80, 96, 120, 128]
)
"""The chorus, from below: multiples of the root that are tones of the scale."""

_BEATS = (1.0, 1.0, 1.0, 1.0, 2.5)
_REST_BEATS = 6.0
_CRYSTAL_RATIO = np.array([1.0, 2.0, 3.0, 4.0, 5.404, 6.71, 8.933])  # a crystal at ease: tuned, then a bar's
_CRYSTAL_WEIGHT = np.array([1.0, 0.34, 0.2, 0.16, 0.1, 0.08, 0.05])


_CRYSTAL_PAIRS = np.array([*range(len(_CRYSTAL_RATIO)), 0, 1, 3])  # the strongest beat
_OVERTONES = 12  # of so many voices, from below, the octave is heard as well


@dataclass(frozen=True)
class Symphony(Patch):
    """Crystals that ignite, one by one, and sing the theme in canon."""

    facts: ClassVar = {"multiples of the root": " ".join(map(str, HARMONICS))}

    send_db: float = db(-8.0, -120.0, 12.0, "level sent to the shared space")
    chorus: float = part(1.0, "how many of the voices sing")
    tilt: float = part(0.5, "how much softer the higher voices are")
    canon: float = part(0.6, "how far the canon stands over the chorus")
    shimmer: float = part(0.4, "how each voice breathes and drifts by itself")
    t60_s: float = seconds(3.6, 0.2, 20.0, "how long a struck crystal at 440 Hz rings")
    octave_s: float = seconds(9.0, 1.0, 60.0, "how long the octave rings")


class SymphonyRule(Sustain):
    """The chorus enters as the score lets it; the canon goes round; the tree's octave is answered."""

    hears: ClassVar[tuple[str, ...]] = ("tree",)

    def __init__(self, patch: Symphony, setting: Setting) -> None:
        super().__init__(patch, setting)
        self._tuning = setting.tuning
        self._rng = setting.stream("canon")
        self._singing = 0
        self._visits = Visits()
        self._free_frame = 0
        self._home = False

    def events(self, span: Span) -> Iterable[Event]:
        yield from super().events(span)
        if self._visits.begin(span):
            self._home = False
        yield from self._entries(span)
        # In the order of time: from the tree's octave on no round begins.
        moments: list[Beat | Event] = [*span.beats, *span.heard["tree"]]
        for moment in sorted(moments, key=lambda moment: moment.frame):
            if isinstance(moment, Beat):
                yield from self._round(moment, span)
            else:
                yield from self._answer(moment, span)

    def _entries(self, span: Span) -> Iterator[Event]:
        """One event for each voice of the chorus, when it ignites."""
        wanted = np.where(span.presence > 0.0, np.floor(span["chorus"] * len(HARMONICS) + 1e-9), 0.0)
        for step in np.flatnonzero(np.diff(wanted, prepend=self._singing)):
            if step == span.steps:
                continue
            now = int(wanted[step])
            for voice in range(self._singing, now):
                harmonic = int(HARMONICS[voice])
                yield Event(
                    span.start + int(step) * GRID_FRAMES,
                    "voice",
                    pitch_hz=self._tuning.root_hz * harmonic,
                    level_db=-22.0 - 0.35 * voice,
                    duration_s=float(span["t60_s"][step]),
                    rule="ignition",
                    detail={"voice": voice + 1, "harmonic": harmonic, "pan": _side(voice), "velocity": 0.55},
                )
            self._singing = now

    def _round(self, beat: Beat, span: Span) -> Iterator[Event]:
        """The canon, begun on a beat when the last has gone round; more parts, and higher, as voices sing."""
        step = span.step_of(beat.frame)
        if span.presence[step] < 0.5 or self._home or beat.frame < self._free_frame:
            return
        chorus = float(span["chorus"][step])
        rubato = self._rng.random((3, len(theme.CLIMB)))
        low = 2 + int(2.4 * chorus)
        parts = [Part(2.0 * i, low + i // 2) for i in range(2 + int(chorus > 0.6))]
        melody = list(zip(theme.CLIMB, _BEATS, strict=True))
        beat_s = 60.0 / float(span.bpm[step])
        leaders: dict[int, Event] = {}
        for tone in canon(melody, parts):
            late = 0.07 * float(rubato[tone.part, tone.place - 1]) * beat_s
            event = Event(
                beat.frame + round((tone.beat * beat_s + late) * span.rate_hz),
                "tone",
                pitch_hz=self._tuning.hz(tone.degree, tone.octave),
                level_db=-24.0
                + 6.0 * chorus
                + 10.0 * span.at("canon", beat.frame)
                + 0.7 * tone.place
                - 2.0 * tone.part
                - 1.3 * (tone.octave - 2),
                duration_s=span.at("t60_s", beat.frame),
                rule="theme",
                follows=leaders.get(tone.place),
                detail={
                    "place": tone.place,
                    "part": tone.part + 1,
                    "velocity": 0.5 + 0.05 * tone.place,
                    "pan": 0.55 * (tone.part - 0.5 * (len(parts) - 1)),
                },
            )
            if tone.part == 0:
                leaders[tone.place] = event
            yield event
        rounds_beats = lasts(melody, parts) + _REST_BEATS
        self._free_frame = beat.frame + round(rounds_beats * beat_s * span.rate_hz)

    def _answer(self, tone: Event, span: Span) -> Iterator[Event]:
        """The answer to the tree, once it has come to its octave: the same in two registers at once."""
        step = span.step_of(tone.frame)
        if tone.rule != "theme" or tone.detail.get("place") != 6 or span.presence[step] == 0.0:
            return
        self._home = True
        for octave, side in ((4, -0.4), (5, 0.4)):
            yield Event(
                tone.frame,
                "octave",
                pitch_hz=self._tuning.hz(0, octave),
                level_db=-9.0 - 3.0 * (octave - 4),
                duration_s=span.at("octave_s", tone.frame),
                rule="answer",
                follows=tone,
                detail={"velocity": 0.7, "pan": side},
            )


def _side(voice: int) -> float:
    """Where a voice of the chorus stands: the lowest in the middle, the others to either side of it."""
    return (-1.0) ** voice * min(0.85, 0.06 * voice)


class SymphonyVoice(Voice):
    """The whole chorus, or one struck crystal."""

    voices: ClassVar[int] = 40

    def __init__(self, patch: Symphony, setting: Setting) -> None:
        self._setting = setting
        n = len(HARMONICS)
        self._chorus_hz = setting.tuning.root_hz * HARMONICS
        # Lanes: every voice as an unequal pair, leaning left and right; and the octave of the lower ones.
        side = np.array([_side(voice) for voice in range(n)])
        angle = np.pi / 4.0 * (1.0 + np.concatenate((side - 0.12, side + 0.12, side[:_OVERTONES])))
        weight = np.repeat((1.0, 0.5, 0.22), (n, n, _OVERTONES))
        self._chorus_left, self._chorus_right = weight * np.cos(angle), weight * np.sin(angle)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 2 * n), np.float64)
        self._struck = Struck(_CRYSTAL_RATIO[_CRYSTAL_PAIRS], MAX_STEPS)

    def start(self, event: Event, span: Span) -> float:
        self._age = 0
        self._chorus = event.kind == "begin"
        if not self._chorus:
            return self._strike(event, span)
        rng = self._setting.anew("chorus", event)
        self._phase = rng.random(len(self._chorus_left))
        self._curve_phase = 100.0 * rng.random(self._curve.shape[1])
        return math.inf

    def _strike(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        pitch_hz = event.pitch_hz or 440.0
        velocity = float(event.detail.get("velocity", 0.6))
        t60_s = event.duration_s or float(span["t60_s"][0])
        if event.kind != "octave":
            t60_s *= (440.0 / pitch_hz) ** 0.35
        pair = _CRYSTAL_RATIO[_CRYSTAL_PAIRS]
        n = len(_CRYSTAL_RATIO)
        frequency_hz = pitch_hz * pair
        frequency_hz[n:] += rng.uniform(0.2, 0.7, len(pair) - n)
        decay = -6.9078 / t60_s * (1.0 + 0.6 * (pair - 1.0))
        weight = _CRYSTAL_WEIGHT * rng.uniform(0.75, 1.25, n)
        weight *= (0.5 + velocity * (0.6 + 0.5 * float(span.energy[0]))) ** np.log2(_CRYSTAL_RATIO)
        weight = 0.24 * weight[_CRYSTAL_PAIRS]
        weight[n:] *= 0.5
        side = float(event.detail.get("pan", 0.0)) + np.where(np.arange(len(pair)) < n, -0.15, 0.15)
        angle = np.pi / 4.0 * (1.0 + np.clip(side, -1.0, 1.0))
        left, right = weight * np.cos(angle), weight * np.sin(angle)
        self._struck.strike(frequency_hz / span.rate_hz, decay, left, right)
        return 0.85 * t60_s

    def render(self, span: Span, out: F32) -> None:
        if self._chorus:
            self._sing(span, out)
        else:
            touch = None if span.touch is None else span.touch.curves
            self._struck.render(self._age, span.rate_hz, touch, out)
        self._age += span.frames

    def _sing(self, span: Span, out: F32) -> None:
        n = len(HARMONICS)
        curve = self._curve[: span.steps + 1]
        drift(self._setting.key("chorus"), self._curve_phase, np.full_like(curve, 0.22 * span.step_s), curve)
        # A voice fades in while the share that sings passes from its number to the next.
        lit = np.clip(span["chorus"][:, None] * n - np.arange(n), 0.0, 1.0)
        slope = -(0.35 + 0.9 * span["tilt"] - 0.35 * span.energy)
        loud_db = -34.0 + 9.0 * span.energy
        voice_db = loud_db[:, None] + 6.02 * slope[:, None] * np.log2(HARMONICS / 3.0)
        voice_db += 9.0 * span["shimmer"][:, None] * curve[:, n:]
        level = lit * lit * (3.0 - 2.0 * lit) * levels(voice_db)
        level = np.concatenate((level, level, level[:, :_OVERTONES]), axis=1)
        apart = (1.2 + 2.0 * span["shimmer"] * (0.4 + 1.6 * span.tension))[:, None] * curve[:, :n]
        ratio = ratios(np.minimum(apart, 4.5))
        cycles = self._chorus_hz / span.rate_hz * ratio
        cycles = np.concatenate((cycles, cycles / (ratio * ratio), 2.0 * cycles[:, :_OVERTONES]), axis=1)
        left = (level * self._chorus_left).astype(np.float32)
        right = (level * self._chorus_right).astype(np.float32)
        sines(self._phase, cycles, left, right, out)
