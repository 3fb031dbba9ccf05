"""A render from what is asked to finished files: the mix, its stems and its events, in one pass."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from resonance.analysis.loudness import Meter
from resonance.cli.progress import Progress
from resonance.contract import Event
from resonance.dsp import F32
from resonance.engine import Block, Engine
from resonance.engine.crew import ahead
from resonance.outputs.file import Writer, part_of
from resonance.score import Score


@dataclass(frozen=True)
class Job:
    """One render: what is played, how much of it, and into which files.

    `output` None is standard output. `seed` decides all chance but that of the sounds in `locks`, which keep
    seeds of their own. `end_s` None is the end of the piece. `stems` is a folder, `events` a file.
    """

    score: Score
    output: Path | None
    seed: int
    rate: int | None = None
    duration_s: float | None = None
    start_s: float = 0.0
    end_s: float | None = None
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    locks: Mapping[str, int] = field(default_factory=dict)
    subtype: str | None = None
    stems: Path | None = None
    events: Path | None = None
    workers: int = 1
    resume: bool = False
    force: bool = False

    @property
    def length_s(self) -> float:
        """How long the whole piece is."""
        return self.score.duration_s if self.duration_s is None else self.duration_s

    def engine(self) -> Engine:
        return Engine(
            self.score,
            self.rate,
            self.seed,
            duration_s=self.duration_s,
            only=self.only,
            without=self.without,
            locks=self.locks,
            stems=self.stems is not None,
            workers=self.workers,
        )


@dataclass(frozen=True)
class Made:
    """What became of a render. Levels are -inf where there was only silence."""

    path: Path | None
    seconds: float
    rate: int
    seed: int
    integrated_lufs: float
    true_peak_dbtp: float
    render_seconds: float
    scenes: Sequence[Mapping[str, Any]]
    messages: Sequence[str]

    def summary(self) -> dict[str, Any]:
        """The same for JSON, which has no infinity: silence is null."""
        return {
            "path": str(self.path or "-"),
            "seconds": self.seconds,
            "rate": self.rate,
            "channels": 2,
            "seed": self.seed,
            "integrated_lufs": _finite(self.integrated_lufs),
            "true_peak_dbtp": _finite(self.true_peak_dbtp),
            "render_seconds": round(self.render_seconds, 3),
            "times_real_time": round(self.seconds / self.render_seconds, 2),
            "scenes": list(self.scenes),
        }


def _finite(value: float) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None


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
    """A line of JSON for every event, in the order of their times, counted from the file's beginning.

    Like all files it has its own name only when it is finished.
    """

    def __init__(self, path: Path, window: Window, rate_hz: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: TextIO = part_of(path).open("w", encoding="utf-8")
        self._window = window
        self._rate_hz = rate_hz

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            part_of(self._path).replace(self._path)

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


def produce(job: Job, progress: Progress) -> Made:
    """Renders a job into its files.

    Raises ValueError for what cannot be rendered, OSError where a disk or a pipe refuses, KeyboardInterrupt
    with what is left and where.
    """
    began = time.monotonic()
    engine = job.engine()
    end_s = job.length_s if job.end_s is None else job.end_s
    window = Window(round(job.start_s * engine.rate), round(end_s * engine.rate))
    try:
        meter = _to_files(job, engine, window, progress)
    except KeyboardInterrupt:
        if job.output is None:
            raise
        kept = part_of(job.output)
        raise KeyboardInterrupt(f"interrupted: what was rendered so far is in {kept}") from None
    except BrokenPipeError:
        raise OSError("standard output was closed by its reader before the end: nothing is kept") from None
    return Made(
        job.output,
        (window.last - window.first) / engine.rate,
        int(engine.rate),
        engine.seed,
        meter.integrated(),
        meter.true_peak_dbtp,
        time.monotonic() - began,
        _scenes(engine, window),
        engine.messages,
    )


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


def _to_files(job: Job, engine: Engine, window: Window, progress: Progress) -> Meter:
    """Renders the window into every file that is asked for, in one pass; returns the mix's meter."""
    rate_hz = int(engine.rate)
    tags: dict[str, str | int] = {
        "title": job.score.title,
        "seed": engine.seed,
        "score": job.score.name,
        "score digest": job.score.digest,
    }
    if job.locks:
        tags["locks"] = " ".join(f"{name}={seed}" for name, seed in job.locks.items())
    meter = Meter(rate_hz)
    latency = engine.latency_frames
    with ExitStack() as stack:

        def writer(path: Path | None, subtype: str | None) -> Writer:
            return stack.enter_context(
                Writer(
                    sys.stdout.buffer if path is None else path,
                    rate_hz,
                    2,
                    subtype,
                    tags=tags,
                    force=job.force,
                    resume=job.resume,
                    dither_seed=engine.seed,
                )
            )

        mix = writer(job.output, job.subtype)
        mix.markers.extend(
            (round(scene["start"] * rate_hz), str(scene["name"])) for scene in _scenes(engine, window)
        )
        beside: dict[str, Writer] = {}
        if job.stems is not None:
            names = [*engine.heard, "space", "premaster"]
            beside = {name: writer(job.stems / f"{name}.wav", job.subtype or "FLOAT") for name in names}
        log = stack.enter_context(Events(job.events, window, rate_hz)) if job.events else None
        blocks = engine.blocks()
        for block in ahead(blocks) if job.workers > 1 else blocks:
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
