"""What a score says, as frozen objects: the piece, its scenes, and what each asks of its sounds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from resonance.score.curves import Curve
from resonance.sounds import Sound
from resonance.tuning import Tuning
from resonance.units import bpm, count, hz, parameters, part, seconds

RATES_HZ = (44_100, 48_000, 88_200, 96_000, 192_000)
LEAST_S, MOST_S = 1.0, 86_400.0
"""How long a piece can be: from a second to a day."""

MOST_SCENES = 1000
HELD_NOTES = ("follow", "keep")
"""What notes that are held do when their key is tuned: go with it, or stay as they are."""


class ScoreError(ValueError):
    """A score that cannot be played. `problems` has a line for each mistake; the text is the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.problems[0]


@dataclass(frozen=True)
class WholeKeys:
    """The keys of the whole piece."""

    seed: int = count(1, 0, 10**18, "which performance of the piece: another seed, another night")
    root_hz: float = hz(55.0, 16.0, 440.0, "the tuning's root")
    bpm: float = bpm(54.0, 20.0, 240.0, "how fast the heart beats")
    breath_hz: float = hz(0.0, 0.0, 2.0, "how fast it breathes; 0 is a breath every four beats")


@dataclass(frozen=True)
class SceneKeys:
    """The keys of a scene that are numbers; those of the second half may be curves."""

    length_s: float = seconds(60.0, 0.1, MOST_S, "how long the scene lasts")
    crossfade_s: float = seconds(4.0, 0.0, 600.0, "how long it takes over from the scene before")
    valence: float = part(0.5, "dark to bright")
    energy: float = part(0.3, "still to intense")
    tension: float = part(0.2, "at ease to strained")
    bpm: float = bpm(54.0, 20.0, 240.0, "how fast the heart beats; by default as in the whole piece")
    breath_hz: float = hz(0.0, 0.0, 2.0, "how fast it breathes; by default as in the whole piece")


WHOLE = parameters(WholeKeys)
SCENE = parameters(SceneKeys)
ARC = ("valence", "energy", "tension", "bpm", "breath_hz")
"""The keys of a scene that are curves."""


@dataclass(frozen=True, slots=True)
class SoundPart:
    """A sound of the piece, and the fields that its table sets for the whole of it."""

    definition: Sound
    fields: Mapping[str, Any]

    def patch(self) -> Any:
        """The sound's patch: what the table sets, else the defaults."""
        return self.definition.patch(**self.fields)


@dataclass(frozen=True, slots=True)
class EffectPart:
    """An effect of the piece, and the fields that its table sets for the whole of it."""

    definition: type
    fields: Mapping[str, Any]

    def patch(self) -> Any:
        """The effect's patch: what the table sets, else the defaults."""
        return self.definition(**self.fields)


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of the piece: its arc, who plays, and what the scene asks of them and of the effects."""

    name: str
    length_s: float
    crossfade_s: float
    valence: Curve
    energy: Curve
    tension: Curve
    bpm: Curve
    breath_hz: Curve
    sounds: Mapping[str, Mapping[str, Curve]]
    effects: Mapping[str, Mapping[str, Curve]]


@dataclass(frozen=True, slots=True)
class Score:
    """A piece. `sounds` has every sound that it names, `effects` every effect there is, by name.

    `digest` belongs to whatever can be heard: the same for two scores that sound the same, however they
    are written down. It covers the player's own sounds and recordings. `text` is what it was read from.
    """

    name: str
    path: Path
    title: str
    about: str
    seed: int
    rate_hz: int
    tuning: Tuning
    bpm: float
    breath_hz: float
    scenes: tuple[Scene, ...]
    sounds: Mapping[str, SoundPart]
    effects: Mapping[str, EffectPart]
    digest: str
    text: str = field(default="", repr=False, compare=False)
    held_notes: str = HELD_NOTES[0]

    @property
    def rate(self) -> int:
        """The sample rate it asks for, in hertz."""
        return self.rate_hz

    @property
    def root_hz(self) -> float:
        return self.tuning.root_hz

    @property
    def duration_s(self) -> float:
        """How long it lasts as it is written."""
        return sum(scene.length_s for scene in self.scenes)


def digest(
    seed: int,
    rate_hz: int,
    tuning: Tuning,
    scenes: Sequence[Scene],
    sounds: Mapping[str, SoundPart],
    effects: Mapping[str, EffectPart],
    contents: Mapping[str, str],
) -> str:
    """A name for what is heard: 32 hexadecimal digits. `contents` are digests of the files it uses."""
    keys = [asdict(tuning.keys)] if tuning.keys else []
    heard = {
        "seed": seed,
        "rate_hz": rate_hz,
        "tuning": [tuning.root_hz, tuning.ratios, tuning.period, *keys],
        "scenes": [
            {
                "name": scene.name,
                "lengths_s": [scene.length_s, scene.crossfade_s],
                "arc": [getattr(scene, key).points for key in ARC],
                "sounds": _points(scene.sounds),
                "effects": _points(scene.effects),
            }
            for scene in scenes
        ],
        "sounds": {name: dict(part.fields) for name, part in sounds.items()},
        "effects": {name: dict(part.fields) for name, part in effects.items()},
        "contents": dict(contents),
    }
    text = json.dumps(heard, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _points(asked: Mapping[str, Mapping[str, Curve]]) -> dict[str, dict[str, Any]]:
    return {name: {key: curve.points for key, curve in fields.items()} for name, fields in asked.items()}
