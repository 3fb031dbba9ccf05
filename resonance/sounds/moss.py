"""Vines of bioluminescent moss: soft lights that swell out of the dark, in clusters, and go out again.

Two-operator frequency modulation, a pair of it a glimmer, leaning left and right and drifting a little apart.
The light blooms after the tone: the modulation comes later than the level and goes sooner. A vine coils: each
cluster has a place of its own, its glimmers follow one another about it and climb the theme's tones by two
steps up and one back.

What it follows: energy brings more vines; valence lights them; tension pulls their pitches off and bends
their overtones away from whole multiples.

Source: Chowning 1973, "The synthesis of complex audio spectra by means of frequency modulation".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from resonance.contract import MAX_STEPS, Event, Patch, Rule, Setting, Span, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, kernel
from resonance.dsp.curves import drift, ratios, swell
from resonance.dsp.partials import cosine
from resonance.generate import theme
from resonance.generate.clusters import Clusters
from resonance.tuning import strained_hz
from resonance.units import db, hz, metres, part, seconds

_RATIOS = (1.0, 2.0, 3.0)  # every harmonic, the odd ones, two of three: three kinds of moss
_COIL = (0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9)  # two steps up, one back
_LOUDEST_DB = -26.5


@dataclass(frozen=True)
class Moss(Patch):
    """Soft glimmers that swell in clusters, like moss that shines by itself."""

    send_db: float = db(-8.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(
        4.0, 0.5, 2000.0, "how far away it is: softer, duller and wetter with distance"
    )
    vine_hz: float = hz(0.24, 0.0, 4.0, "how often a cluster of glimmers begins at full energy, on average")
    crowding: float = part(0.4, "how many glimmers a cluster has: from three to twelve")
    gap_s: float = seconds(0.33, 0.05, 4.0, "from one glimmer of a cluster to the next, on average")
    attack_s: float = seconds(0.7, 0.3, 8.0, "how slowly a glimmer swells")
    release_s: float = seconds(3.2, 0.2, 20.0, "how slowly it goes out")
    glow: float = part(0.5, "how far its light opens into overtones")
    spread: float = part(0.28, "how far a cluster lies about its middle")


class MossRule(Rule):
    """Clusters of glimmers, each a vine that coils upward from a tone of the theme."""

    def __init__(self, patch: Moss, setting: Setting) -> None:
        self._tuning = setting.tuning
        self._clusters = Clusters(setting.stream("vines"), regularity=2.0)
        self._rng = setting.stream("vine")

    def events(self, span: Span) -> Iterable[Event]:
        rate_hz = span["vine_hz"] * (0.25 + 0.75 * span.energy) * span.presence
        for frame in self._clusters.due(span.start, rate_hz, span.step_s):
            vine = self._clusters.members(
                frame,
                span.rate_hz,
                count=3.0 + 9.0 * span.at("crowding", frame),
                gap_s=span.at("gap_s", frame),
                spread=span.at("spread", frame),
            )
            step = span.step_of(frame)
            root, kind, low, pace = self._rng.random(4)
            lean = theme.lean(self._rng)
            tension = float(span.tension[step])
            first: Event | None = None
            for glimmer in vine:
                place = int(4.0 * root) + _COIL[glimmer.number]
                octave, tone = divmod(place, len(theme.CLIMB))
                pitch_hz = self._tuning.hz(theme.CLIMB[tone], 3 + octave - int(low < 0.3))
                attack_s = span.at("attack_s", frame) * (0.6 + 0.4 * pace + 0.5 * glimmer.own)
                release_s = span.at("release_s", frame) * (0.6 + 0.8 * glimmer.own)
                event = Event(
                    glimmer.frame,
                    "glimmer",
                    pitch_hz=strained_hz(pitch_hz, tension, lean),
                    level_db=_LOUDEST_DB - 7.0 * (1.0 - glimmer.own) - 2.0 * octave,
                    duration_s=attack_s + release_s,
                    rule="cluster" if first else "vine",
                    follows=first,
                    detail={
                        "attack_s": attack_s,
                        "ratio": _RATIOS[int(kind * len(_RATIOS))],
                        "pan": 0.85 * glimmer.side,
                        "distance_m": 4.0 * 1.6**glimmer.depth,
                    },
                )
                first = first or event
                yield event


class MossVoice(Voice):
    """One glimmer."""

    voices: ClassVar[int] = 20

    def __init__(self, patch: Moss, setting: Setting) -> None:
        self._phase = np.zeros((2, 2))
        self._drift_phase = np.zeros(3)
        self._curve = setting.scratch("curve", (MAX_STEPS + 1, 3), np.float64)

    def start(self, event: Event, span: Span) -> float:
        rng = np.random.Generator(np.random.PCG64(event.key))
        self._key = event.key
        self._age = 0
        # Carrier and modulator start in step: where both have one pitch, anything else is heard as DC.
        self._phase[0] = rng.random(2)
        self._drift_phase[:] = rng.random(3)
        self._pitch_hz = event.pitch_hz or 440.0
        self._ratio = float(event.detail.get("ratio", 1.0))
        self._phase[1] = self._ratio * self._phase[0]
        self._attack_s = float(event.detail.get("attack_s", span["attack_s"][0]))
        lasts_s = event.duration_s or self._attack_s + float(span["release_s"][0])
        self._release_s = max(0.1, lasts_s - self._attack_s)
        angle = (
            np.pi / 4.0 * (1.0 + np.clip(float(event.detail.get("pan", 0.0)) + np.array([-0.2, 0.2]), -1, 1))
        )
        self._left, self._right = np.cos(angle), np.sin(angle)
        return self._attack_s + self._release_s

    def render(self, span: Span, out: F32) -> None:
        age_s = (self._age + np.arange(span.steps + 1) * GRID_FRAMES) / span.rate_hz
        curve = self._curve[: span.steps + 1]
        # A living light: it wavers about once a second, never in time.
        drift(self._key, self._drift_phase, np.full_like(curve, 1.3 * span.step_s), curve)
        level = swell(age_s, self._attack_s, 0.0, self._release_s) * (1.0 + 0.35 * curve[:, 0])
        bloom = swell(age_s, 1.5 * self._attack_s, 0.0, 0.9 * self._release_s)
        light = span["glow"] * (0.3 + 0.7 * span.valence)
        # Higher glimmers open less, so that no light turns sharp.
        index = (0.02 + 0.26 * light * bloom * (1.0 + 0.5 * curve[:, 1])) * min(1.0, 600.0 / self._pitch_hz)
        cents = np.stack((-1.5 + 3.0 * curve[:, 2], 1.5 - 3.0 * curve[:, 2]), axis=1)
        carrier = self._pitch_hz / span.rate_hz * ratios(cents)
        bent = self._ratio + 0.06 * (self._ratio - 1.0) * np.maximum(span.tension - 0.3, 0.0)
        left = (level[:, None] * self._left).astype(np.float32)
        right = (level[:, None] * self._right).astype(np.float32)
        glimmers(self._phase, carrier, carrier * bent[:, None], index, left, right, out)
        self._age += span.frames


@kernel
def glimmers(phase: F64, carrier: F64, modulator: F64, index: F64, left: F32, right: F32, out: F32) -> None:
    """Adds sines whose phase another sine moves.

    `phase` (2, n), of carriers and of modulators, in cycles, is state; `carrier` and `modulator`
    (steps + 1, n) are cycles a frame; `index` (steps + 1,) is how far the phase is moved, in cycles.
    """
    for step in range(carrier.shape[0] - 1):
        start = step * GRID_FRAMES
        for i in range(phase.shape[1]):
            speed, other = carrier[step, i], modulator[step, i]
            bend = (carrier[step + 1, i] - speed) / (2.0 * GRID_FRAMES)
            other_bend = (modulator[step + 1, i] - other) / (2.0 * GRID_FRAMES)
            push, push_rise = index[step], (index[step + 1] - index[step]) / GRID_FRAMES
            left_rise = (left[step + 1, i] - left[step, i]) / np.float32(GRID_FRAMES)
            right_rise = (right[step + 1, i] - right[step, i]) / np.float32(GRID_FRAMES)
            begin, other_begin = phase[0, i] - 0.25, phase[1, i] - 0.25
            for j in range(GRID_FRAMES):
                turn = other_begin + j * (other + j * other_bend)
                moved = (push + j * push_rise) * np.float64(cosine(np.float32(turn - np.floor(turn + 0.5))))
                turn = begin + j * (speed + j * bend) + moved
                value = cosine(np.float32(turn - np.floor(turn + 0.5)))
                out[0, start + j] += value * (left[step, i] + np.float32(j) * left_rise)
                out[1, start + j] += value * (right[step, i] + np.float32(j) * right_rise)
            end = phase[0, i] + GRID_FRAMES * (speed + GRID_FRAMES * bend)
            phase[0, i] = end - np.floor(end)
            end = phase[1, i] + GRID_FRAMES * (other + GRID_FRAMES * other_bend)
            phase[1, i] = end - np.floor(end)
