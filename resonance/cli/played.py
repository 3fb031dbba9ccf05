"""`resonance render --midi`: a MIDI file plays a score's sounds, into a file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import resonance
from resonance.analysis.loudness import Meter
from resonance.cli import CallError
from resonance.cli.production import Made, scenes_heard
from resonance.cli.progress import rendering
from resonance.cli.render import check_sounds, is_piped, refuse_existing
from resonance.engine.commands import Launch
from resonance.engine.performance import Performance
from resonance.inputs import maps, midi_file
from resonance.inputs.player import Player
from resonance.outputs.file import Writer

_NOT_WITH = ("seeds", "start", "lock", "hit", "loop", "stems", "events", "midi_out", "lufs", "resume")
_BLOCK_FRAMES = 32_768


def render(arguments: argparse.Namespace) -> int:
    """Renders the score with the file's notes, controls and programs on it, and returns the exit code."""
    for option in _NOT_WITH:
        if getattr(arguments, option, None):
            raise CallError(f"--midi plays the whole score: it goes without --{option.replace('_', '-')}")
    if len(arguments.seed or ()) > 1:
        raise CallError("--midi renders one seed at a time")
    if arguments.workers > 1:
        raise CallError("--midi renders on one core: it goes without --workers")
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    messages = midi_file.read(Path(arguments.midi))
    piped = is_piped(arguments)
    output = Path(arguments.output or Path("renders") / f"{score.name}-{Path(arguments.midi).stem}.wav")
    refuse_existing((None if piped else output,), arguments.force)
    check_sounds(score, arguments.only, arguments.without)
    performance = Performance(
        score,
        arguments.rate,
        arguments.seed[0] if arguments.seed else None,
        duration_s=arguments.duration,
        only=arguments.only,
        without=arguments.without,
    )
    rate = performance.rate
    length_s = score.duration_s if arguments.duration is None else arguments.duration
    end_s = length_s if arguments.end is None else min(arguments.end, length_s)
    player = Player(maps.load(), score, follow_clock=False)
    refused: dict[str, int] = {}
    played = 0
    for time_s, message in messages:
        for command in player.receive("file", time_s, message):
            try:
                performance.do(command, round(time_s * rate))
                played += not isinstance(command, Launch)
            except (KeyError, ValueError) as error:
                refused[str(error.args[0])] = refused.get(str(error.args[0]), 0) + 1
    tags: dict[str, str | int] = {"title": score.title, "seed": performance.seed, "score": score.name}
    began, meter, frames = time.monotonic(), Meter(int(rate)), round(end_s * rate)
    scenes: list[tuple[float, str]] = []
    target = sys.stdout.buffer if piped else output
    with (
        rendering(end_s, score) as progress,
        Writer(
            target, int(rate), 2, arguments.subtype, tags=tags, force=arguments.force,
            dither_seed=performance.seed,
        ) as file,
    ):  # fmt: skip
        while performance.frame < frames:
            at_s = performance.frame / rate
            audio = performance.render(min(_BLOCK_FRAMES, frames - performance.frame))
            scene = performance.view().scene
            if not scenes or scenes[-1][1] != scene:
                scenes.append((at_s, scene))
            progress.at(at_s, scene)
            file.write(audio)
            meter.add(audio)
        file.markers.extend((round(at_s * rate), name) for at_s, name in scenes)
    notes = [*player.said, *performance.messages, *(f"{said} ({n} times)" for said, n in refused.items())]
    last_s = messages[-1][0] if messages else 0.0
    if last_s > end_s:
        notes.append(f"{arguments.midi} goes on for {last_s - end_s:.1f} s after the piece has ended")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    made = Made(
        None if piped else output,
        end_s,
        int(rate),
        performance.seed,
        meter.integrated(),
        meter.true_peak_dbtp,
        time.monotonic() - began,
        scenes_heard(scenes, end_s),
    )
    print(f"{made}, with {played} commands of {arguments.midi}", file=sys.stderr)
    if arguments.json and not piped:
        print(json.dumps(made.summary()))
    return 0
