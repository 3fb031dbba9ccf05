"""`resonance inspect`: one picture of a score's arc, or of an audio file under the arc it follows."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from resonance.analysis.pictures import Arc, Outline, arc_of, picture_of_audio, picture_of_score
from resonance.analysis.recording import open_audio, read_tags
from resonance.cli import CallError
from resonance.cli.render import refuse_existing
from resonance.score import ScoreError, Timeline, load, preset_names

_SCORES = ("", ".toml")


def run(arguments: argparse.Namespace) -> int:
    """Draws the picture, and returns the exit code."""
    picture = Path(arguments.output)
    if picture.suffix.lower() != ".png":
        raise CallError(f"the picture is a PNG: name it {picture.with_suffix('.png').name}")
    refuse_existing((picture,), arguments.force)
    subject = Path(arguments.subject)
    if subject.suffix.lower() in _SCORES:
        score = load(arguments.subject, allow_code=arguments.allow_code)
        _make_folder(picture)
        picture_of_score(Outline.of(score), picture)
        return 0
    if not subject.exists():
        raise CallError(f"there is no file {subject}")
    with open_audio(subject) as audio:
        seconds = audio.frames / audio.samplerate
    _make_folder(picture)
    picture_of_audio(subject, picture, arc=arc_of_file(subject, seconds))
    return 0


def _make_folder(picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)


def arc_of_file(audio: Path, seconds: float) -> Arc | None:
    """The arc that a render of ours follows, where its score is a preset and the file is the whole piece."""
    tags = read_tags(audio)
    if tags.keys() & {"span", "hits", "take"}:
        return None
    for name in preset_names():
        try:
            score = load(name)
        except ScoreError:
            continue
        if score.digest in " ".join(tags.values()):
            with suppress(ValueError):  # no piece is as short, or as long
                return arc_of(Timeline(score, seconds))
    return None
