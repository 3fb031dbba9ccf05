"""Nights: the same dream again, never the same: newly seeded, and its arc drawn a little otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from resonance import rng
from resonance.score import Curve, Scene, Score
from resonance.score.piece import LEAST_S, MOST_S, SCENE

# By ear, and together so little that every night is still the dream: its fall a fall, its agony the peak.
_STRETCH = 0.3  # of an octave: a scene lasts 0.81 to 1.23 times as long
_DEPTH = 0.12
_BRIGHTER = 0.06
_FASTER = 0.06
_OWN = 0.03  # what each scene strays by itself


def next_seed(seed: int) -> int:
    """The seed of the night after one with this seed."""
    return rng.key(seed, "night") % 10**18


def varied(score: Score, seed: int) -> Score:
    """The score of another night: scenes a little longer or shorter, the arc deeper or flatter.

    It depends on the score and the seed alone.
    """
    chance = rng.stream(seed, "night", "arc")
    brighter, energetic, tense, faster = chance.uniform(-1.0, 1.0, 4)

    def scene_of(scene: Scene) -> Scene:
        longer, *own = chance.uniform(-1.0, 1.0, 5)
        brightness = _BRIGHTER * brighter + _OWN * own[0]
        energy = 1.0 + _DEPTH * energetic + _OWN * own[1]
        tension = 1.0 + _DEPTH * tense + _OWN * own[2]
        tempo = 1.0 + _FASTER * faster + 0.5 * _OWN * own[3]
        return replace(
            scene,
            length_s=scene.length_s * 2.0 ** (_STRETCH * longer),
            valence=_drawn(scene.valence, "valence", lambda v: v + brightness * 4.0 * v * (1.0 - v)),
            energy=_drawn(scene.energy, "energy", lambda v: v * energy),
            tension=_drawn(scene.tension, "tension", lambda v: v * tension),
            bpm=_drawn(scene.bpm, "bpm", lambda v: v * tempo),
        )

    scenes = tuple(scene_of(scene) for scene in score.scenes)
    length_s = sum(scene.length_s for scene in scenes)
    # A little within what a piece may last, so that their sum is, however it is rounded.
    fits = min(max(length_s, 1.000001 * LEAST_S), 0.999999 * MOST_S) / length_s
    if fits != 1.0:
        scenes = tuple(replace(scene, length_s=scene.length_s * fits) for scene in scenes)
    return replace(score, scenes=scenes)


def _drawn(curve: Curve, key: str, otherwise: Callable[[float], float]) -> Curve:
    """A curve with its values drawn otherwise, within what they may be."""
    low, high = SCENE[key].low, SCENE[key].high
    points = ((place, float(np.clip(otherwise(value), low, high))) for place, value in curve.points)
    return Curve(tuple(points))
