"""The JSON Schema of scores, made from the declarations of all sounds and effects, for editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resonance import effects, sounds
from resonance.score.curves import MOST_POINTS
from resonance.score.piece import ARC, HELD_NOTES, MOST_SCENES, RATES_HZ, SCENE, WHOLE
from resonance.score.reader import LONGEST_WORDS, MOST_RATIOS, RATIO, SCENE_NAME, WORDS
from resonance.score.recordings import MOST_FILES
from resonance.score.words import TIME_PATTERN
from resonance.units import Parameter, parameters

Schema = dict[str, Any]


def schema(own: Sequence[Path] = ()) -> Schema:
    """The schema of scores, JSON Schema 2020-12; `own` are files of a player's own sounds, which it runs.

    What needs more than one place to judge is left to `load`: that files exist, that positions ascend, how
    long the scenes are together, that names of scenes differ.
    """
    catalogue = sounds.catalogue(own)
    patches = {name: parameters(patch) for name, patch in effects.catalogue().items()}
    plain = {"type": "string", "maxLength": LONGEST_WORDS, "pattern": f"^{WORDS.pattern}$"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A score of resonance",
        "type": "object",
        "required": ["format", "scene"],
        "additionalProperties": False,
        "properties": {
            "format": {"const": 1, "description": "the version of this format"},
            "title": plain | {"description": "what the piece is called"},
            "about": plain | {"description": "what it is, in one line"},
            "rate_hz": {"enum": list(RATES_HZ), "default": 48_000, "description": "the sample rate"},
            "tuning": _tuning(),
            "keyboard": {
                "type": "string",
                "pattern": r"\.kbm$",
                "description": "how a .scl lies on the keys",
            },
            "held_notes": {"enum": list(HELD_NOTES), "description": "when a key is tuned while it is held"},
            **{name: _value(parameter) for name, parameter in WHOLE.items()},
            **{name: _table(declared, _value) for name, declared in patches.items()},
            "sounds": _sounds({name: sound.parameters for name, sound in catalogue.items()}),
            "scene": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_SCENES,
                "items": _scene({name: sound.parameters for name, sound in catalogue.items()}, patches),
            },
        },
        # Names of other sounds are right only where the score brings code of its own.
        "if": {"properties": {"sounds": {"type": "object", "additionalProperties": {"not": _OWN}}}},
        "then": {
            "properties": {"scene": {"items": {"properties": {"sounds": _names_among(list(catalogue))}}}}
        },
    }


_OWN: Schema = {"type": "object", "required": ["code"]}


def _names_among(names: list[str]) -> Schema:
    return {"items": {"enum": names}, "propertyNames": {"enum": names}}


def _value(parameter: Parameter) -> Schema:
    """What a parameter can be where it stays the same for the whole piece."""
    described = {"description": parameter.meaning, "default": parameter.default}
    if parameter.unit:
        described["description"] += f", in {parameter.unit}"
    if parameter.kind == "choice":
        return {"enum": list(parameter.choices), **described}
    name = {"type": "string", "minLength": 1, "maxLength": LONGEST_WORDS}
    if parameter.kind == "file":
        return name | described
    if parameter.kind == "files":
        return {"type": "array", "items": name, "maxItems": MOST_FILES, **described, "default": []}
    kind = "integer" if parameter.kind == "count" else "number"
    return {"type": kind, "minimum": parameter.low, "maximum": parameter.high, **described}


def _curve(parameter: Parameter) -> Schema:
    """What a parameter can be in a scene: a number, numbers evenly spaced, or pairs of position and value."""
    number = {"type": "number", "minimum": parameter.low, "maximum": parameter.high}
    position = {"type": "number", "minimum": 0, "maximum": 1}
    pair = {"type": "array", "prefixItems": [position, number], "minItems": 2, "maxItems": 2}
    several = {"type": "array", "minItems": 1, "maxItems": MOST_POINTS}
    drawn = [number, several | {"items": number}, several | {"items": pair}]
    return {"anyOf": drawn, "description": _value(parameter)["description"], "default": parameter.default}


def _table(declared: Mapping[str, Parameter], shape: Any) -> Schema:
    fields = {name: shape(parameter) for name, parameter in declared.items()}
    return {"type": "object", "properties": fields, "additionalProperties": False}


def _moving(declared: Mapping[str, Parameter]) -> Schema:
    """A table of the fields that a scene can set."""
    moving = {name: parameter for name, parameter in declared.items() if parameter.follows_curves}
    return _table(moving, _curve)


def _tuning() -> Schema:
    ratio = {"anyOf": [{"type": "string", "pattern": f"^{RATIO.pattern}$"}, {"type": "number", "minimum": 1}]}
    ratios = {"type": "array", "items": ratio, "minItems": 1, "maxItems": MOST_RATIOS}
    return {
        "anyOf": [ratios, {"type": "string", "pattern": r"\.scl$"}],
        "description": 'the ratios of the scale, from "1/1" to under the octave, or a .scl file',
    }


def _sounds(catalogue: Mapping[str, Mapping[str, Parameter]]) -> Schema:
    """The fields of sounds for the whole piece, and sounds of the player's own."""
    own_list = {"type": "array", "items": {"type": "string", "pattern": r"\.py$"}}
    own = _OWN | {"properties": {"code": {"type": "string", "pattern": r"\.py$"}}}
    tables = {name: _table(declared, _value) for name, declared in catalogue.items()}
    return {"anyOf": [{"type": "object", "properties": tables, "additionalProperties": own}, own_list]}


def _scene(
    catalogue: Mapping[str, Mapping[str, Parameter]], patches: Mapping[str, Mapping[str, Parameter]]
) -> Schema:
    asked = {
        name: {"anyOf": [_value(declared["gain_db"]), _moving(declared)]}
        for name, declared in catalogue.items()
    }
    playing = {"type": "object", "properties": asked, "additionalProperties": {"type": ["object", "number"]}}
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "required": ["name", "length"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": f"^{SCENE_NAME.pattern}$"},
            "length": _time(SCENE["length_s"]),
            "crossfade": _time(SCENE["crossfade_s"]),
            **{name: _curve(SCENE[name]) for name in ARC},
            **{name: _moving(declared) for name, declared in patches.items()},
            "sounds": {"anyOf": [playing, names], "description": "who plays"},
        },
    }


def _time(parameter: Parameter) -> Schema:
    written = {"type": "string", "pattern": TIME_PATTERN}
    return {"anyOf": [_value(parameter), written], "description": f"{parameter.meaning}: 90, 1m30s or 1:30"}
