"""`resonance render --take` and `resonance verify`: what was played, heard again and compared."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resonance import rng
from resonance.analysis.loudness import Meter
from resonance.analysis.recording import open_audio
from resonance.cli import CallError, Failure
from resonance.cli.levelling import levelled
from resonance.cli.production import Events, Made, Notes, Window, scenes_heard, stem_subtype, tell_clipped
from resonance.cli.progress import Progress, rendering
from resonance.cli.render import is_piped, refuse_existing, refuse_twice
from resonance.contract import Event
from resonance.dsp import F32
from resonance.engine.commands import Command
from resonance.engine.desk import SUMS
from resonance.engine.performance import Performance
from resonance.engine.takes import Take, TakeError, read
from resonance.outputs.aside import Aside
from resonance.outputs.file import Writer, part_of
from resonance.outputs.quantise import Quantiser

# What a take says itself.
_ITS_OWN = (
    *("seed", "seeds", "duration", "only", "without", "lock", "hit", "loop"),
    *("resume", "midi"),
)
_BITS = {"PCM_16": 16, "PCM_24": 24}
_FLOATS = ("FLOAT", "DOUBLE")
_STEPS = 2.0  # rounding and triangular dither stay within one and a half


def render(arguments: argparse.Namespace) -> int:
    """Renders a take to a file as the arguments ask, and returns the exit code."""
    for option in _ITS_OWN:
        if getattr(arguments, option, None):
            raise CallError(f"--take plays what was played: it goes without --{option.replace('_', '-')}")
    if arguments.workers > 1:
        raise CallError("--take renders on one core: it goes without --workers")
    take = _read(arguments)
    length_s = take.duration
    end_s = length_s if arguments.end is None else min(arguments.end, length_s)
    if not 0.0 <= arguments.start < end_s:
        raise CallError(
            f"--start {arguments.start:g} s to --end {end_s:g} s is no span of a take of {length_s:g} s"
        )
    first, end = (take.first + round(at_s * take.rate) for at_s in (arguments.start, end_s))
    take = replace(take, first=first, end=end)
    rate = take.rate if arguments.rate is None else float(arguments.rate)
    if rate != int(rate):
        raise CallError(f"{take.name} was played at {rate:g} Hz: give --rate for a file")
    output = Path(arguments.output or Path("renders") / f"{Path(take.name).stem}.wav")
    piped = is_piped(arguments)
    events, midi = (Path(path) if path else None for path in (arguments.events, arguments.midi_out))
    folder = Path(arguments.stems) if arguments.stems else None
    there = sorted(folder.glob("*.wav"))[:1] if folder else []
    refuse_existing((None if piped else output, events, midi, *there), arguments.force)
    stems = [folder / f"{name}.wav" for name in (*take.score.sounds, *SUMS)] if folder else []
    refuse_twice(filter(None, (Path(arguments.take), None if piped else output, events, midi, *stems)))
    tags: dict[str, str | int] = {
        "title": take.score.title,
        "seed": take.seed,
        "score": take.score.name,
        "score digest": take.score.digest,
        "take": Path(take.name).name,
    }
    began, meter = time.monotonic(), Meter(int(rate))
    performance = take.performance(rate, stems=folder is not None)
    scenes: list[tuple[float, str]] = []
    with ExitStack() as stack:
        progress = stack.enter_context(rendering(take.duration, take.score))
        file = stack.enter_context(_file(arguments, None if piped else output, take, rate, tags))
        aside = None
        if arguments.lufs is not None:
            aside = stack.enter_context(Aside(None if piped else part_of(output), rate))
        log: list[Events | Notes] = []
        if events is not None:
            log.append(stack.enter_context(Events(events, part_of(events))))
        if midi is not None:
            told = Notes(midi, part_of(midi), scenes, take.duration, take.score.title)
            log.append(stack.enter_context(told))
        performance.listener = partial(_tell, log, take, rate)
        if folder is not None:
            stem_files = stack.enter_context(_Stems(folder, arguments, performance, take, tags))
            performance.stem_listener = stem_files.write
        for at_s, block in _heard(take, performance, progress):
            scene = performance.view().scene
            if not scenes or scenes[-1][1] != scene:
                scenes.append((at_s, scene))
            if aside is not None:
                aside.write(block)
                continue
            file.write(block)
            meter.add(block)
        if aside is not None:
            tell, begins = performance.messages.append, take.first == 0
            for block in levelled(aside, int(rate), arguments.lufs, tell, begins=begins):
                file.write(block)
                meter.add(block)
            aside.discard()
        file.markers.extend((round(at_s * rate), name) for at_s, name in scenes)
    for message in performance.messages:
        print(f"note: {message}", file=sys.stderr)
    made = Made(
        None if piped else output,
        take.duration,
        int(rate),
        take.seed,
        meter.integrated(),
        meter.true_peak_dbtp,
        time.monotonic() - began,
        scenes_heard(scenes, take.duration),
    )
    print(made, file=sys.stderr)
    if arguments.json and not piped:
        print(json.dumps(made.summary()))
    return 0


def _file(
    arguments: argparse.Namespace,
    output: Path | None,
    take: Take,
    rate_hz: float,
    tags: Mapping[str, str | int],
) -> Writer:
    """The file that the take goes to; brought to a loudness, it grows beside what is laid aside."""
    levelled_part = None
    if output is not None and arguments.lufs is not None:
        levelled_part = part_of(output.with_name(f"{output.name}.levelled"))
    return Writer(
        output or sys.stdout.buffer,
        rate_hz,
        2,
        arguments.subtype,
        tags=tags,
        force=arguments.force,
        part=levelled_part,
        dither_seed=take.seed,
    )


def _tell(
    log: Sequence[Events | Notes], take: Take, rate_hz: float, events: Sequence[Event], begins_s: float
) -> None:
    """Tells what begins in a block of the take, in seconds of what is heard of it."""
    for event in events:
        time_s = begins_s + event.frame / rate_hz - take.first / take.rate
        if 0.0 <= time_s < take.duration:
            for one in log:
                one.write(event, time_s)


class _Stems:
    """A file a sound, the space and what they add up to, for the frames of the take that are heard."""

    def __init__(
        self,
        folder: Path,
        arguments: argparse.Namespace,
        performance: Performance,
        take: Take,
        tags: Mapping[str, str | int],
    ) -> None:
        ratio = performance.rate / take.rate
        self._window = Window(round(take.first * ratio), round(take.end * ratio))
        self._tell = performance.messages.append
        self._files = {
            name: Writer(
                folder / f"{name}.wav",
                performance.rate,
                2,
                stem_subtype(arguments.subtype),
                tags=tags,
                force=arguments.force,
                dither_seed=rng.key(take.seed, name),
            )
            for name in performance.stem_names
        }

    def write(self, start: int, stems: Mapping[str, F32]) -> None:
        for name, file in self._files.items():
            file.write(self._window.of(start, stems[name]))

    def __enter__(self) -> _Stems:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        for file in self._files.values():
            # After the end of a piece nothing is played any more, and is heard as silence.
            left = self._window.last - self._window.first - file.frames
            if kind is None and left > 0:
                file.write(np.zeros((left, 2), np.float32))
            file.__exit__(kind, *error)
        if kind is None:
            tell_clipped(self._files, self._tell)


def _read(arguments: argparse.Namespace) -> Take:
    """The take that is meant, and word of what has changed since it was played."""
    path = Path(arguments.take)
    if not path.exists():
        raise CallError(f"there is no file {path}")
    take = read(path, allow_code=arguments.allow_code)
    if take.end == take.first:
        raise TakeError(f"{take.name}: nothing was heard in it yet")
    if take.changed:
        print(
            f"note: {take.name}: {take.score.name} is not heard as it was then: this program, "
            "or the score's own sounds or recordings, have changed since",
            file=sys.stderr,
        )
    return take


def _heard(take: Take, performance: Performance, progress: Progress) -> Iterator[tuple[float, F32]]:
    """What was heard, block by block, and the second at which each begins."""
    done = 0
    for block in take.blocks(performance=performance):
        yield done / performance.rate, block
        done += len(block)
        progress.at(done / performance.rate, performance.view().scene)


def run(arguments: argparse.Namespace) -> int:
    """Compares a take with what was heard, and returns the exit code: 0 where it is the same."""
    take = _read(arguments)
    with rendering(take.duration, take.score) as progress:
        if arguments.audio is not None:
            said = _with_file(take, Path(arguments.audio), progress)
        elif take.digests:
            said = _with_digests(take, progress)
        else:
            said = _with_itself(take, progress)
    print(f"{take.name}: {said}")
    return 0


class _Ear:
    """Compares the digests of what is heard with a take's, as they come."""

    def __init__(self, take: Take, performance: Performance) -> None:
        self._take = take
        self._wanted = dict(take.digests)
        self._chunk_s = performance.history.chunk_frames / take.rate
        self.same = 0

    def did(self, frame: int, command: Command) -> None:
        """Commands are the take's own."""

    def heard(self, frame: int, digest: str) -> None:
        wanted = self._wanted.get(frame)
        if wanted is not None and wanted != digest:
            end_s = (frame - self._take.first) / self._take.rate
            raise Failure(
                f"{self._take.name}: differs from what was heard, first between {end_s - self._chunk_s:.1f} "
                f"and {end_s:.1f} s: another machine or program may sound otherwise in the last bit"
            )
        self.same += wanted is not None


def _with_digests(take: Take, progress: Progress) -> str:
    performance = take.performance()
    ear = _Ear(take, performance)
    performance.history.listen(ear)
    for _ in _heard(take, performance, progress):
        pass
    return f"identical to what was heard, {ear.same} stretches of {ear._chunk_s:g} s"


def _with_itself(take: Take, progress: Progress) -> str:
    blocks = zip(_heard(take, take.performance(), progress), take.blocks(), strict=True)
    for (at_s, one), other in blocks:
        if not np.array_equal(one, other):
            raise Failure(f"{take.name}: two renders of it differ after {at_s:.1f} s")
    return f"too short for a digest of what was heard; two renders of its {take.duration:.3f} s are identical"


def _with_file(take: Take, path: Path, progress: Progress) -> str:
    with open_audio(path) as file:
        if file.channels != 2:
            raise TakeError(f"{path} has {file.channels} channels; a take has 2")
        if file.subtype not in (*_BITS, *_FLOATS):
            raise TakeError(
                f"{path} is {file.subtype}; only PCM_16, PCM_24 and FLOAT hold samples to compare"
            )
        performance = take.performance(float(file.samplerate))
        compared = _Compared(_BITS.get(file.subtype), take.seed)
        frames = 0
        for at_s, block in _heard(take, performance, progress):
            frames += len(block)
            wrong = compared.wrong(file, block)
            if len(wrong):
                at = round(at_s * performance.rate) + int(wrong[0])
                where = f"frame {at} on ({at / performance.rate:.3f} s)"
                raise Failure(f"{path} and {take.name} differ from {where}")
        if file.frames != frames:
            common_s = min(file.frames, frames) / performance.rate
            raise Failure(
                f"{path} and {take.name} are identical for {common_s:.3f} s, but not as long: "
                f"{file.frames} and {frames} frames"
            )
    return f"{compared.said}, to {path}: {frames} frames"


class _Compared:
    """A file's samples beside what is heard: floats as they are, whole numbers as `render` rounds them."""

    def __init__(self, bits: int | None, seed: int) -> None:
        self._quantiser = Quantiser(bits, seed) if bits else None
        self.said = "identical, sample by sample"

    def wrong(self, file: Any, block: F32) -> NDArray[np.intp]:
        """The frames of the block at which the file, as far as it goes, has something else."""
        if self._quantiser is None:
            there = file.read(len(block), dtype="float32", always_2d=True)
            return np.flatnonzero((there != block[: len(there)]).any(axis=1))
        bits = self._quantiser.bits
        there = file.read(len(block), dtype="int32", always_2d=True) >> (32 - bits)
        wrong = np.flatnonzero((there != self._quantiser.whole(block)[: len(there)]).any(axis=1))
        if len(wrong):
            # Somebody else's rounding: without our dither, or with their own.
            full_scale = 2.0 ** (bits - 1)
            exact = np.clip(
                block[: len(there)].astype(np.float64) * full_scale, -full_scale, full_scale - 1.0
            )
            wrong = np.flatnonzero((np.abs(there - exact) > _STEPS).any(axis=1))
            self.said = f"identical within two steps of its {bits} bits"
        return wrong
