"""`resonance render`: a score to a file, with its stems, its events and its scenes as markers."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

import resonance
from resonance.analysis.loudness import Meter
from resonance.cli import CallError
from resonance.cli.progress import Progress, rendering
from resonance.contract import Event
from resonance.dsp import F32
from resonance.engine import Block, Engine
from resonance.outputs.file import Writer

LEAST_S, MOST_S = 60.0, 86_400.0


@dataclass(frozen=True)
class Window:
    """The frames of the piece that go to the file."""

    first: int
    last: int

    def of(self, start: int, audio: F32) -> F32:
        """What of a block, (2, frames) from piece frame `start` on, lies in the window, as (frames, 2)."""
        begin = min(max(self.first - start, 0), audio.shape[1])
        end = min(max(self.last - start, 0), audio.shape[1])
        return audio[:, begin:end].T


class Events:
    """A line of JSON for every event, in the order of their times, counted from the file's beginning."""

    def __init__(self, path: Path, window: Window, rate_hz: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._window = window
        self._rate_hz = rate_hz

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, event: Event) -> None:
        if self._window.first <= event.frame < self._window.last:
            line = event_line(event, (event.frame - self._window.first) / self._rate_hz)
            self._file.write(json.dumps(line) + "\n")


def event_line(event: Event, time_s: float) -> dict[str, Any]:
    """An event as the log tells it: what every event has, then what only its sound says of it."""
    more = {
        key: value
        for key, value in event.detail.items()
        if isinstance(value, (int, float, str)) and key != "rule"
    }
    return {
        "time": round(time_s, 6),
        "sound": event.sound,
        "kind": event.kind,
        "pitch_hz": None if event.pitch_hz is None else round(float(event.pitch_hz), 4),
        "level_db": round(float(event.level_db), 2),
        "duration_s": round(float(event.duration_s), 4),
        "rule": event.rule,
        "name": event.name,
        **({"follows": event.follows.name} if event.follows else {}),
        **{key: round(value, 6) if isinstance(value, float) else value for key, value in more.items()},
    }


def run(arguments: argparse.Namespace) -> int:
    """Renders as the arguments ask, and returns the exit code."""
    if arguments.duration is not None and not LEAST_S <= arguments.duration <= MOST_S:
        raise CallError(f"--duration is {arguments.duration:g} s; it must be between 1m and 24h")
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    seed = score.seed if arguments.seed is None else arguments.seed
    output = Path(arguments.output or Path("renders") / f"{score.name}-{seed}.wav")
    stems = Path(arguments.stems) if arguments.stems else None
    length_s = score.duration_s if arguments.duration is None else arguments.duration
    end_s = length_s if arguments.end is None else arguments.end
    if not 0.0 <= arguments.start < end_s <= length_s:
        raise CallError(
            f"--start {arguments.start:g} s to --end {end_s:g} s is no span of a piece of {length_s:g} s"
        )
    _refuse_existing(output, stems, arguments)
    began = time.monotonic()
    with rendering(end_s) as progress:
        engine = Engine(
            score,
            arguments.rate,
            seed,
            duration_s=arguments.duration,
            only=arguments.only,
            without=arguments.without,
            stems=stems is not None,
        )
        window = Window(round(arguments.start * engine.rate), round(end_s * engine.rate))
        try:
            meter = _to_files(engine, window, output, stems, arguments, progress)
        except KeyboardInterrupt:
            kept = output.with_name(output.name + ".part")
            raise KeyboardInterrupt(f"interrupted: what was rendered so far is in {kept}") from None
    spent_s = time.monotonic() - began
    for message in engine.messages:
        print(f"note: {message}", file=sys.stderr)
    seconds = (window.last - window.first) / engine.rate
    print(
        f"{output}: {seconds:.3f} s, {meter.integrated():.1f} LUFS, {meter.true_peak_dbtp:.1f} dBTP, "
        f"in {spent_s:.1f} s ({seconds / spent_s:.0f} times real time)",
        file=sys.stderr,
    )
    if arguments.json:
        summary = {
            "path": str(output),
            "seconds": seconds,
            "rate": int(engine.rate),
            "channels": 2,
            "seed": seed,
            "integrated_lufs": _finite(meter.integrated()),
            "true_peak_dbtp": _finite(meter.true_peak_dbtp),
            "render_seconds": round(spent_s, 3),
            "times_real_time": round(seconds / spent_s, 2),
            "scenes": _scenes(engine, window),
        }
        print(json.dumps(summary))
    return 0


def _finite(value: float) -> float | None:
    """A level for JSON, which has no infinity: silence is null."""
    return round(float(value), 2) if np.isfinite(value) else None


def _scenes(engine: Engine, window: Window) -> list[dict[str, Any]]:
    """The scenes in the window: name, start and end in seconds of the file."""
    begin_s, end_s = window.first / engine.rate, window.last / engine.rate
    return [
        {
            "name": scene.name,
            "start": round(max(scene.start_s, begin_s) - begin_s, 6),
            "end": round(min(scene.end_s, end_s) - begin_s, 6),
        }
        for scene in engine.timeline.scenes
        if scene.end_s > begin_s and scene.start_s < end_s
    ]


def _refuse_existing(output: Path, stems: Path | None, arguments: argparse.Namespace) -> None:
    """Refuses before anything is rendered what would be refused, or lost, after it."""
    if output.is_dir():
        raise CallError(f"{output} is a folder: name a file in it, such as {output / 'dream.wav'}")
    if arguments.force:
        return
    wanted = [output]
    if stems is not None:
        wanted += sorted(stems.glob("*.wav"))[:1]
    if arguments.events:
        wanted.append(Path(arguments.events))
    for path in wanted:
        if path.exists():
            raise CallError(f"{path} exists already: give another name, or --force to overwrite it")


def _to_files(
    engine: Engine,
    window: Window,
    output: Path,
    stems: Path | None,
    arguments: argparse.Namespace,
    progress: Progress,
) -> Meter:
    """Renders the window into every file that is asked for, in one pass; returns the mix's meter."""
    rate_hz = int(engine.rate)
    tags: dict[str, str | int] = {
        "title": engine.score.title,
        "seed": engine.seed,
        "score": engine.score.name,
        "score digest": engine.score.digest,
    }
    meter = Meter(rate_hz)
    latency = engine.latency_frames
    with ExitStack() as stack:

        def writer(path: Path, subtype: str | None) -> Writer:
            return stack.enter_context(
                Writer(path, rate_hz, 2, subtype, tags=tags, force=arguments.force, dither_seed=engine.seed)
            )

        mix = writer(output, arguments.subtype)
        mix.markers.extend(
            (round(scene["start"] * rate_hz), str(scene["name"])) for scene in _scenes(engine, window)
        )
        beside: dict[str, Writer] = {}
        if stems is not None:
            names = [*engine.heard, "space", "premaster"]
            beside = {name: writer(stems / f"{name}.wav", arguments.subtype or "FLOAT") for name in names}
        log = (
            stack.enter_context(Events(Path(arguments.events), window, rate_hz)) if arguments.events else None
        )
        for block in engine.blocks():
            heard = window.of(block.start - latency, block.mix)
            mix.write(heard)
            meter.add(heard)
            for name, stem in beside.items():
                stem.write(window.of(block.start, _stem(block, name)))
            if log is not None:
                for event in block.events:
                    log.write(event)
            done_s = min(block.start / rate_hz, window.last / rate_hz)
            progress.at(done_s, engine.timeline.scene_at(done_s).name)
            if block.start - latency >= window.last:
                break
    return meter


def _stem(block: Block, name: str) -> F32:
    if name == "space":
        return block.space
    if name == "premaster":
        return block.premaster
    return block.stems.get(name, np.zeros_like(block.premaster))
