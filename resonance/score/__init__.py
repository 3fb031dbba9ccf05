"""What plays when: a score's text to frozen objects, and those to values in time.

`load` reads a score, `Timeline` says what it wants at every second, `schema` describes scores to editors.
"""

from __future__ import annotations

from resonance.score.curves import Curve
from resonance.score.piece import EffectPart, Scene, Score, ScoreError, SoundPart
from resonance.score.reader import load, preset_names, preset_path
from resonance.score.schema import schema
from resonance.score.timeline import Placed, Timeline, Track

__all__ = [
    "Curve",
    "EffectPart",
    "Placed",
    "Scene",
    "Score",
    "ScoreError",
    "SoundPart",
    "Timeline",
    "Track",
    "load",
    "preset_names",
    "preset_path",
    "schema",
]
