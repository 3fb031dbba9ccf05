"""`presets`, `check`, `show` and `schema`: what there is, and whether it is right."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from resonance import effects, sounds
from resonance.cli import CallError
from resonance.score import ScoreError, load, preset_names, schema
from resonance.score.words import nearest
from resonance.units import Parameter, parameters


def run(arguments: argparse.Namespace) -> int:
    """Does what the command's name says, and returns the exit code."""
    acts = {"presets": _presets, "check": _check, "show": _show, "schema": _schema}
    return acts[arguments.act](arguments)


def _presets(_: argparse.Namespace) -> int:
    scores = [load(name) for name in preset_names()]
    width = max(len(score.name) for score in scores)
    for score in scores:
        minutes, seconds = divmod(round(score.duration_s), 60)
        print(f"{score.name:<{width}}  {minutes:>2}:{seconds:02}  {score.about}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    code = 0
    for name in arguments.scores:
        try:
            load(name, allow_code=arguments.allow_code)
        except ScoreError as error:
            code = 2
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
    return code


def _schema(arguments: argparse.Namespace) -> int:
    if arguments.sounds and not arguments.allow_code:
        raise CallError(f"{arguments.sounds[0]} is code: add --allow-code to run it")
    print(json.dumps(schema([Path(name) for name in arguments.sounds]), indent=2))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    if arguments.sound is None:
        found = sounds.catalogue()
        width = max(map(len, found))
        for name, sound in found.items():
            print(f"{name:<{width}}  {_first_sentence(sound.patch)}")
        print("\nEffects: " + ", ".join(effects.names()) + ". More: resonance show NAME")
        return 0
    name = arguments.sound
    if name.endswith(".py"):
        if not arguments.allow_code:
            raise CallError(f"{name} is code: add --allow-code to run it")
        own = sounds.own_sound(Path(name))
        print(_described(own.name, own.patch, own.doc))
    elif name in sounds.names():
        sound = sounds.sound(name)
        print(_described(name, sound.patch, sound.doc))
    elif name in effects.names():
        patch = effects.effect(name)
        print(_described(name, patch, sys.modules[patch.__module__].__doc__ or ""))
    else:
        known = (*sounds.names(), *effects.names())
        raise CallError(f"no sound '{name}'{nearest(name, known) or ': resonance show lists them'}")
    return 0


def _first_sentence(patch: type) -> str:
    return (patch.__doc__ or "").strip().partition("\n")[0]


def _described(name: str, patch: type, doc: str) -> str:
    """A sound's page for the terminal: what one hears, then its parameters, each with its target."""
    rows: list[tuple[str, ...]] = [("key", "unit", "range", "default", "meaning", "MIDI and OSC target")]
    rows += [parameter_row(name, key, declared) for key, declared in parameters(patch).items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    facts: dict[str, Any] = getattr(patch, "facts", {})
    return "\n".join(
        [name, "", doc.strip(), "", *table, *(f"\n{key}: {text}" for key, text in facts.items())]
    )


def parameter_row(owner: str, key: str, declared: Parameter) -> tuple[str, ...]:
    """What is told of a parameter: key, unit, range, default, meaning, and its MIDI and OSC targets."""
    default = declared.default
    if declared.kind == "choice":
        span = ", ".join(declared.choices)
    elif declared.kind in ("file", "files"):
        span, default = {"file": "an audio file", "files": "audio files"}[declared.kind], "none"
    else:
        span = f"{declared.low:g} .. {declared.high:g}"
    shown = f"{default:g}" if isinstance(default, (int, float)) else str(default)
    target = f"{owner}.{key}  /{owner}/{key}" if declared.follows_curves else "fixed while it plays"
    return key, declared.unit, span, shown, declared.meaning, target
