"""`resonance render`: one score to a file, or to many, each with a seed of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import resonance
from resonance.analysis.recording import open_audio, read_tags
from resonance.cli import CallError
from resonance.cli.production import Job, produce
from resonance.cli.progress import rendering
from resonance.outputs.file import form_of, part_of
from resonance.score import Score
from resonance.score.timeline import Timeline
from resonance.score.words import nearest

LEAST_S, MOST_S = 60.0, 86_400.0


def run(arguments: argparse.Namespace) -> int:
    """Renders as the arguments ask, and returns the exit code."""
    if arguments.take:
        from resonance.cli.takes import render as render_take

        return render_take(arguments)
    if arguments.midi:
        from resonance.cli.played import render

        return render(arguments)
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    wanted = list(jobs(score, arguments))
    refuse_twice(path for job in wanted for path in job.files)
    for job in wanted:
        refuse_lost(job)
    for job in wanted:
        if finished(job):
            print(f"note: {job.output} is finished already", file=sys.stderr)
            continue
        with rendering(job.length_s if job.end_s is None else job.end_s, score) as progress:
            made = produce(job, progress.at)
        for message in made.messages:
            print(f"note: {message}", file=sys.stderr)
        print(made, file=sys.stderr)
        if arguments.json:
            print(json.dumps(made.summary()), flush=True)
    return 0


def jobs(score: Score, arguments: argparse.Namespace) -> Iterator[Job]:
    """A job for every seed; where there are several, each seed is in the names of its files."""
    seeds = arguments.seeds or arguments.seed or [score.seed]
    piped = is_piped(arguments)
    if arguments.duration is not None and not LEAST_S <= arguments.duration <= MOST_S:
        raise CallError(f"--duration is {arguments.duration:g} s; it must be between 1m and 24h")
    length_s = Timeline(score, arguments.duration, hits=dict(arguments.hit)).duration_s
    end_s = length_s if arguments.end is None else arguments.end
    if not 0.0 <= arguments.start < end_s <= length_s:
        raise CallError(
            f"--start {arguments.start:g} s to --end {end_s:g} s is no span of a piece of {length_s:g} s"
        )
    if piped and (arguments.json or len(seeds) > 1 or arguments.resume):
        raise CallError("-o - is one render's sound and nothing else: no --json, no --resume, and one seed")
    if arguments.loop and (arguments.start or arguments.end is not None):
        raise CallError("--loop takes the whole piece: use --duration, without --start and --end")
    check_sounds(score, arguments.only, arguments.without, dict(arguments.lock))
    for seed in seeds:

        def own(path: str | None, seed: int = seed) -> Path | None:
            if path is None or len(seeds) == 1:
                return Path(path) if path else None
            return Path(path).with_stem(f"{Path(path).stem}-{seed}")

        stems = Path(arguments.stems) if arguments.stems else None
        job = Job(
            score,
            None if piped else own(arguments.output) or Path("renders") / f"{score.name}-{seed}.wav",
            seed,
            rate=arguments.rate,
            duration_s=arguments.duration,
            start_s=arguments.start,
            end_s=arguments.end,
            only=arguments.only,
            without=arguments.without,
            locks=dict(arguments.lock),
            hits=dict(arguments.hit),
            loops=arguments.loop,
            lufs=arguments.lufs,
            subtype=arguments.subtype,
            stems=stems / str(seed) if stems and len(seeds) > 1 else stems,
            events=own(arguments.events),
            midi=own(arguments.midi_out),
            workers=arguments.workers,
            resume=arguments.resume,
            force=arguments.force,
        )
        _check_files(job)
        yield job


def _check_files(job: Job) -> None:
    """Refuses a folder, an ending that cannot hold what is asked, and two things in one file."""
    refuse_existing(job.files, force=True)
    if job.output is not None:
        form_of(job.output, job.subtype, job.rate or int(job.score.rate))
    refuse_twice(job.files)


def refuse_twice(paths: Iterable[Path]) -> None:
    """Refuses two things in one file."""
    seen: set[Path] = set()
    for path in paths:
        if path.absolute() in seen:
            raise CallError(f"{path} would be written twice: give each file a name of its own")
        seen.add(path.absolute())


def is_piped(arguments: argparse.Namespace) -> bool:
    """Whether the sound goes to standard output, which has to be there for it."""
    if arguments.output == "-" and sys.stdout is None:
        raise CallError("-o - is standard output, which is closed here: open it, or name a file")
    return bool(arguments.output == "-")


def check_sounds(
    score: Score, only: Collection[str] = (), without: Collection[str] = (), locks: Collection[str] = ()
) -> None:
    """Refuses sounds that the score does not have, and a choice of them that leaves none."""
    for option, names in (("only", only), ("without", without), ("lock", locks)):
        for name in names:
            if name not in score.sounds:
                guess = nearest(name, score.sounds) or f"; it has {', '.join(score.sounds)}"
                raise CallError(f"--{option}: no sound '{name[:40]}' in {score.name}{guess}")
    if score.sounds and not set(only or score.sounds) - set(without):
        raise CallError("--only and --without leave no sound to be heard")


def finished(job: Job) -> bool:
    """Whether there is nothing left to go on with: all its files are there, and no part of the mix."""
    if not job.resume or job.output is None or part_of(job.output).exists():
        return False
    if not all(path.is_file() for path in job.files):
        return False
    with open_audio(job.output) as audio:
        found = {**read_tags(job.output), "rate": audio.samplerate}
    asked = {**job.tags, "rate": job.rate or int(job.score.rate)}
    for name in sorted({*found, *asked} - {"title", "software", "score"}):
        there, wanted = (str(tags.get(name, "as usual")) for tags in (found, asked))
        if there != wanted:
            said = f"is finished, but its {name} is {there}, not {wanted}"
            raise CallError(f"{job.output} {said}: give another name, or --force without --resume")
    return True


def refuse_lost(job: Job) -> None:
    """Refuses before anything is rendered what would be refused, or lost, after it."""
    stems = sorted(job.stems.glob("*.wav"))[:1] if job.stems is not None else []
    refuse_existing((job.output, job.events, job.midi, *stems), job.force or finished(job))


def refuse_existing(paths: Iterable[Path | None], force: bool) -> None:
    """Refuses to write into a folder's place; and, unless forced, into a file's."""
    for path in paths:
        if path is not None and path.is_dir():
            raise CallError(f"{path} is a folder: name a file in it")
        if path is not None and path.exists() and not force:
            raise CallError(f"{path} exists already: give another name, or --force to overwrite it")
