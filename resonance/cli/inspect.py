"""`resonance inspect`: one picture of a score's arc, or of an audio file under the arc it follows."""

from __future__ import annotations

import argparse
from pathlib import Path

from resonance.cli import CallError
from resonance.score import load

_POINTS = 1200
_AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".part", ".aif", ".aiff", ".w64", ".rf64")


def run(arguments: argparse.Namespace) -> int:
    """Draws the picture, and returns the exit code."""
    picture = Path(arguments.output)
    if picture.suffix.lower() != ".png":
        raise CallError(f"the picture is a PNG: name it {picture.with_suffix('.png').name}")
    if picture.exists() and not arguments.force:
        raise CallError(f"{picture} exists already: give another name, or --force to overwrite it")
    picture.parent.mkdir(parents=True, exist_ok=True)
    subject = Path(arguments.subject)
    if subject.suffix.lower() in _AUDIO:
        _draw_audio(subject, picture)
    else:
        _draw_score(load(arguments.subject, allow_code=arguments.allow_code), picture)
    return 0


def _draw_score(score: Score, picture: Path) -> None:
    raise NotImplementedError


def _draw_audio(audio: Path, picture: Path) -> None:
    raise NotImplementedError
