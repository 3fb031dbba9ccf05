"""A render from what is asked to finished files: the mix, its stems and its events, in one pass."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from resonance import rng
from resonance.analysis.loudness import Meter
from resonance.cli.levelling import levelled
from resonance.contract import Event
from resonance.dsp import F32
from resonance.engine import Block, Engine
from resonance.engine.desk import SUMS
from resonance.outputs import notes
from resonance.outputs.aside import Aside
from resonance.outputs.file import Writer, part_of
from resonance.score import Score
from resonance.score.timeline import RINGS_S


@dataclass(frozen=True)
class Job:
    """One render: what is played, how much of it, and into which files.

    `output` None is standard output. `seed` decides all chance but that of the sounds in `locks`, which keep
    seeds of their own. `end_s` None is the end of the piece. `hits` are scenes with the second at which they
    begin, `lufs` is the integrated loudness to come to. `stems` is a folder, `events` a file. Where the same
    job may be done twice at once, each `attempt` has its own name, which is in those of its `.part` files.
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
    hits: Mapping[str, float] = field(default_factory=dict)
    loops: bool = False
    lufs: float | None = None
    subtype: str | None = None
    stems: Path | None = None
    events: Path | None = None
    midi: Path | None = None
    workers: int = 1
    resume: bool = False
    force: bool = False
    attempt: str = ""

    def part(self, path: Path, step: str = "") -> Path:
        """What one of its files is called while it grows."""
        return part_of(path.with_name(".".join(filter(None, (path.name, self.attempt, step)))))

    @property
    def files(self) -> Sequence[Path]:
        """All that it writes, the mix first."""
        own = [path for path in (self.output, self.events, self.midi) if path is not None]
        if self.stems is None:
            return own
        heard = set(self.only or self.score.sounds) - set(self.without)
        names = [*(name for name in self.score.sounds if name in heard), *SUMS]
        return [*own, *(self.stems / f"{name}.wav" for name in names)]

    @property
    def tags(self) -> dict[str, str | int]:
        """What its files say of themselves: what was asked for, as far as it is not as usual."""
        span = f"{self.start_s:g}..{self.length_s if self.end_s is None else self.end_s:g}"
        asked = {
            "duration": "" if self.duration_s is None else f"{self.duration_s:g}",
            "span": span if self.start_s or self.end_s is not None else "",
            "hits": " ".join(f"{name}={at_s:g}" for name, at_s in self.hits.items()),
            "loop": "yes" if self.loops else "",
            "lufs": "" if self.lufs is None else f"{self.lufs:g}",
            "only": " ".join(self.only),
            "without": " ".join(self.without),
            "locks": " ".join(f"{name}={seed}" for name, seed in self.locks.items()),
        }
        return {
            "title": self.score.title,
            "seed": self.seed,
            "score": self.score.name,
            "score digest": self.score.digest,
            **{name: text for name, text in asked.items() if text},
        }

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
            hits=self.hits,
            loops=self.loops,
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
    messages: Sequence[str] = ()

    def __str__(self) -> str:
        return (
            f"{self.path or 'standard output'}: {self.seconds:.3f} s, {self.integrated_lufs:.1f} LUFS, "
            f"{self.true_peak_dbtp:.1f} dBTP, in {self.render_seconds:.1f} s "
            f"({self.seconds / self.render_seconds:.0f} times real time)"
        )

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


def scenes_heard(heard: Sequence[tuple[float, str]], end_s: float) -> list[dict[str, Any]]:
    """Scenes as a summary tells them, from the seconds at which each was first heard."""
    ends_s = [*(at_s for at_s, _ in heard[1:]), end_s]
    return [
        {"name": name, "start": round(at_s, 3), "end": round(until_s, 3)}
        for (at_s, name), until_s in zip(heard, ends_s, strict=True)
    ]


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
        return audio[:, begin : max(self.last - start, 0)].T

    def after(self, start: int, audio: F32) -> F32:
        """What of a block comes after the window, likewise."""
        return audio[:, max(self.last - start, 0) :].T


_SILENCE = 1e-6
"""What rings below this, -120 dBFS, has rung out."""


class Events:
    """A line of JSON for every event, in the order of their times, in seconds of the file.

    Like all files it has its own name only when it is finished.
    """

    def __init__(self, path: Path, part: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._part = part
        self._file: TextIO = part.open("w", encoding="utf-8")

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self._path)

    def write(self, event: Event, time_s: float) -> None:
        self._file.write(json.dumps(event_line(event, time_s)) + "\n")


class Notes:
    """The notes and hits as a MIDI file, its scenes as markers: (time, name), known by the end."""

    def __init__(
        self, path: Path, part: Path, scenes: Sequence[tuple[float, str]], seconds: float, title: str
    ) -> None:
        self._path = path
        self._part = part
        self._scenes = scenes
        self._seconds = seconds
        self._title = title
        self._notes: list[notes.Note] = []

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            notes.write(self._part, self._notes, self._scenes, self._seconds, self._title)
            self._part.replace(self._path)

    def write(self, event: Event, time_s: float) -> None:
        note = notes.note_of(event, time_s)
        if note is not None:
            self._notes.append(note)


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


def produce(job: Job, tell: Callable[[float, str], None] = lambda _, __: None) -> Made:
    """Renders a job into its files, and tells how far it is: seconds of sound, and the scene they are in.

    Raises ValueError for what cannot be rendered, OSError where a disk or a pipe refuses, KeyboardInterrupt
    with what is left and where.
    """
    began = time.monotonic()
    engine = job.engine()
    end_s = job.length_s if job.end_s is None else job.end_s
    if engine.turn is None:
        window = Window(round(job.start_s * engine.rate), round(end_s * engine.rate))
    else:
        window = Window(engine.turn.first, engine.turn.last)
    try:
        meter = _Files(job, engine, window, tell).render()
    except KeyboardInterrupt:
        if job.output is None:
            raise
        kept = job.part(job.output)
        if not kept.exists():
            raise KeyboardInterrupt("interrupted before there was anything to keep") from None
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


class _Files:
    """All files of a render, written in one pass over the piece; the mix in a second one where it must be."""

    def __init__(self, job: Job, engine: Engine, window: Window, tell: Callable[[float, str], None]) -> None:
        self._job = job
        self._engine = engine
        self._window = window
        self._tell = tell
        self._rate_hz = int(engine.rate)

    def render(self) -> Meter:
        """Renders into all of them; returns the mix's meter."""
        job, window = self._job, self._window
        two_passes = job.loops or job.lufs is not None
        asides: dict[str, Aside] = {}
        with ExitStack() as stack:
            markers = [
                (round(scene["start"] * self._rate_hz), str(scene["name"]))
                for scene in _scenes(self._engine, window)
            ]
            mix = stack.enter_context(self._writer(job.output, job.subtype, two_passes, markers))
            stems: dict[str, Writer] = {}
            if job.stems is not None:
                paths = {name: job.stems / f"{name}.wav" for name in self._engine.stem_names}
                stems = {
                    name: stack.enter_context(
                        self._writer(path, stem_subtype(job.subtype), job.loops, chance=name)
                    )
                    for name, path in paths.items()
                }
                if job.loops:
                    asides = {name: stack.enter_context(self._aside(path)) for name, path in paths.items()}
            log: list[Events | Notes] = []
            if job.events is not None:
                part = job.part(job.events)
                log.append(stack.enter_context(Events(job.events, part)))
            if job.midi is not None:
                scenes = [(each["start"], str(each["name"])) for each in _scenes(self._engine, window)]
                seconds = (window.last - window.first) / self._engine.rate
                told = Notes(job.midi, job.part(job.midi), scenes, seconds, job.score.title)
                log.append(stack.enter_context(told))
            meter = Meter(self._rate_hz)
            if not two_passes:
                latency = self._engine.latency_frames
                blocks = stack.enter_context(closing(self._engine.blocks()))
                for block in self._told(blocks):
                    heard = window.of(block.start - latency, block.mix)
                    mix.write(heard)
                    meter.add(heard)
                    self._beside(block, log, stems)
                    if block.start - latency >= window.last:
                        break
                tell_clipped(stems, self._engine.messages.append)
                return meter
            asides[""] = stack.enter_context(self._aside(job.output))
            end = window.last if self._engine.turn is None else window.last + round(RINGS_S * self._rate_hz)
            blocks = stack.enter_context(closing(self._engine.unlimited_blocks(end)))
            self._lay_aside(blocks, asides, log, {} if job.loops else stems)
            for name, stem in stems.items() if job.loops else ():
                for audio in asides[name].blocks():
                    stem.write(audio)
            tell_clipped(stems, self._engine.messages.append)
            begins = window.first == 0 and not job.loops
            if job.lufs is not None:
                self._tell(window.last / self._rate_hz, "levelling")
            tell = self._engine.messages.append
            for audio in levelled(asides[""], self._rate_hz, job.lufs, tell, loops=job.loops, begins=begins):
                mix.write(audio)
                meter.add(audio)
        for aside in asides.values():
            aside.discard()
        return meter

    def _writer(
        self,
        path: Path | None,
        subtype: str | None,
        again: bool,
        markers: Sequence[tuple[int, str]] = (),
        chance: str = "",
    ) -> Writer:
        """A file; one that is written `again`, from what was laid aside, grows under a name beside that.

        Files that are added up have dither of a `chance` of their own: the same in each would add up as well.
        """
        job, seed = self._job, self._engine.seed
        # A loudness is the mix's: stems are the same at any.
        tags = {name: text for name, text in job.tags.items() if name != "lufs" or not chance}
        return Writer(
            sys.stdout.buffer if path is None else path,
            self._rate_hz,
            2,
            subtype,
            tags=tags,
            markers=markers,
            loop=(0, self._window.last - self._window.first) if job.loops else None,
            force=job.force,
            resume=job.resume and not again,
            part=job.part(path, "levelled" if again else "") if path is not None else None,
            dither_seed=rng.key(seed, chance) if chance else seed,
            frames=self._window.last - self._window.first if path is None else None,
        )

    def _aside(self, path: Path | None) -> Aside:
        part = None if path is None else self._job.part(path)
        return Aside(part, self._rate_hz, resume=self._job.resume)

    def _told(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks, and how far they are is told."""
        begins = 0 if self._engine.turn is None else self._engine.turn.first
        for block in blocks:
            done_s = max(0, min(block.start, self._window.last) - begins) / self._rate_hz
            self._tell(done_s, self._engine.timeline.scene_at(begins / self._rate_hz + done_s).name)
            yield block

    def _beside(self, block: Block, log: Sequence[Events | Notes], stems: Mapping[str, Writer]) -> None:
        for name, stem in stems.items():
            stem.write(self._window.of(block.start, block.stem(name)))
        turn, window = self._engine.turn, self._window
        for event in block.events:
            if (turn is None or turn.has(event)) and window.first <= event.frame < window.last:
                for one in log:
                    one.write(event, (event.frame - window.first) / self._engine.rate)

    def _lay_aside(
        self,
        blocks: Iterator[Block],
        asides: Mapping[str, Aside],
        log: Sequence[Events | Notes],
        stems: Mapping[str, Writer],
    ) -> None:
        """Renders the mix before its ceiling, and what else is laid aside, with all that rings on after."""
        turn, window = self._engine.turn, self._window
        for block in self._told(blocks):
            for name, aside in asides.items():
                audio = block.stem(name) if name else block.mix
                aside.write(window.of(block.start, audio))
                if turn is not None:
                    aside.ring(window.after(block.start, audio))
            self._beside(block, log, stems)
            if turn is not None and block.start > turn.last + turn.lap and np.abs(block.mix).max() < _SILENCE:
                return


def tell_clipped(stems: Mapping[str, Writer], tell: Callable[[str], None]) -> None:
    """Says which stems lay over full scale: an integer format held them at it, and they add up no more."""
    clipped = [f"{name}.wav" for name, stem in stems.items() if stem.clipped]
    if clipped:
        held = f"{', '.join(clipped)}: over full scale, and held at it"
        tell(f"{held}; with --subtype FLOAT stems are as they are")


def stem_subtype(subtype: str | None) -> str:
    """What stems are beside a mix of this subtype: at 16 bits thirty of them would not add up to -90 dBFS."""
    return "PCM_24" if subtype == "PCM_16" else subtype or "FLOAT"
