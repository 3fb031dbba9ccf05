"""A canon: one melody in several parts, each after the other, each in its own register.

Times are in beats, so that whoever plays it keeps it with the heart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part: how many beats after the first it begins, how many octaves up, how much slower it goes."""

    delay_beats: float
    octave: int
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Tone:
    """One tone of a canon: whose it is, its place in the melody (from 1), and the degree it sounds."""

    part: int
    place: int
    degree: int
    octave: int
    beat: float
    beats: float


def canon(melody: Sequence[tuple[int, float]], parts: Sequence[Part]) -> list[Tone]:
    """All tones, in order of time. The melody is pairs of degree and length in beats."""
    return sorted(_sung(melody, parts), key=lambda tone: (tone.beat, tone.part))


def _sung(melody: Sequence[tuple[int, float]], parts: Sequence[Part]) -> Iterator[Tone]:
    for number, part in enumerate(parts):
        beat = part.delay_beats
        for place, (degree, beats) in enumerate(melody, start=1):
            yield Tone(number, place, degree, part.octave, beat, beats * part.stretch)
            beat += beats * part.stretch


def lasts(melody: Sequence[tuple[int, float]], parts: Sequence[Part]) -> float:
    """How many beats a canon takes, from its first tone to the end of its last."""
    return max(tone.beat + tone.beats for tone in _sung(melody, parts))
