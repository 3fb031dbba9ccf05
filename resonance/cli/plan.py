"""What a batch is to render: a page of TOML, read into one call of `resonance render` for every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import resonance
from resonance.cli import CallError, parse
from resonance.cli.production import Job
from resonance.cli.render import jobs
from resonance.score import ScoreError
from resonance.score import lines as source
from resonance.score.reading import Reading

_TEXT = ((str,), "a text")
_TIME = ((int, float, str), 'seconds, or a text like "1:30"')
_NAMES = ((str, list), "a name or a list of names")
KEYS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "score": _TEXT,
    "output": _TEXT,
    "seed": ((int, list), "a whole number or a list of them"),
    "seeds": ((str,), 'a text like "1..50"'),
    "lock": ((dict,), "a table of sounds and their seeds"),
    "duration": _TIME,
    "hit": ((dict,), "a table of scenes and their times"),
    "loop": ((bool,), "true or false"),
    "lufs": ((int, float), "a number"),
    "start": _TIME,
    "end": _TIME,
    "rate": ((int,), "a whole number"),
    "subtype": _TEXT,
    "stems": _TEXT,
    "only": _NAMES,
    "without": _NAMES,
    "events": _TEXT,
    "midi-out": _TEXT,
}
"""The options of `render` that a job can have, under their own names, and what each can be."""
_PATHS = ("output", "stems", "events", "midi-out")


@dataclass(frozen=True)
class Planned:
    """One render: the `index`th of a call, into its `files`, the mix first.

    `identity` belongs to all that it will sound like.
    """

    call: tuple[str, ...]
    index: int
    files: tuple[Path, ...]
    identity: str

    @property
    def path(self) -> Path:
        return self.files[0]

    def job(self) -> Job:
        """The job, read anew: so it can be done on another machine."""
        return _jobs(self.call)[self.index]


def plan(path: Path, allow_code: bool) -> list[Planned]:
    """Reads `path`: a table `[all]` with what all jobs have, and a `[[job]]` for each, or for a row of seeds.

    Paths in it are its folder's. Raises ScoreError with a line for every mistake.
    """
    reading = Reading(path)
    document = reading.document
    reading.refuse_unknown((), document, ("all", "job"))
    common = reading.table(("all",), document.get("all", {}))
    _check(reading, ("all",), common)
    asked = document.get("job", [])
    if not isinstance(asked, list) or not asked:
        reading.wrong(("job",), "there is no [[job]] to render")
        asked = []
    planned: list[Planned] = []
    taken: set[Path] = set()
    for number, own in enumerate(asked):
        at = ("job", number)
        table = reading.table(at, own)
        _check(reading, at, table)
        table = {**common, **table}
        if reading.problems:
            continue
        try:
            found = _planned(table, path.parent.resolve(), allow_code)
        except (CallError, ScoreError, ValueError) as error:
            reading.wrong(at, str(error))
            continue
        for each in found:
            if both := taken.intersection(each.files):
                reading.wrong(at, f"{min(both)} is another job's as well: give each one of its own")
                break
            taken.update(each.files)
            planned.append(each)
    if reading.problems:
        raise reading.error()
    return planned


def _check(reading: Reading, at: source.Path, table: Mapping[str, Any]) -> None:
    """Notes what is wrong with the keys of a job, each for itself."""
    reading.refuse_unknown(at, table, KEYS)
    for key, value in table.items():
        if key not in KEYS:
            continue
        kinds, expected = KEYS[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds) or value == "":
            reading.wrong_value((*at, key), value, expected)
            continue
        try:
            parse(["render", *_words({key: value}, Path())])
        except CallError as error:
            reading.wrong((*at, key), f"{reading.key((*at, key))}: {error.said}")


def _planned(table: Mapping[str, Any], folder: Path, allow_code: bool) -> list[Planned]:
    call = tuple(_words(table, folder)) + (("--allow-code",) if allow_code else ())
    found = _jobs(call)
    return [
        Planned(call, index, tuple(job.files), _identity(table, job))
        for index, job in enumerate(found)
        if job.output is not None
    ]


def _jobs(call: Sequence[str]) -> list[Job]:
    arguments = parse(["render", *call])
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    if Path(arguments.output).is_dir():
        several = len(arguments.seeds or arguments.seed or [0]) > 1
        seed = "" if several else f"-{(arguments.seed or [score.seed])[0]}"
        arguments.output = str(Path(arguments.output) / f"{score.name}{seed}.wav")
    return list(jobs(score, arguments))


def _words(table: Mapping[str, Any], folder: Path) -> list[str]:
    """The table as the words of a call."""
    words: list[str] = []
    for key, value in {"output": ".", **table}.items():
        option = f"--{key}"
        if key == "score" or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, dict):
            words += [f"{option}={name}={each}" for name, each in value.items()]
        elif isinstance(value, list) and key == "seed":
            words += [option, *map(str, value)]
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"{option}={folder / text if key in _PATHS else text}")
    score = table.get("score", "dream")
    return [*words, "--", str(folder / score) if score.endswith(".toml") else score]


def _identity(table: Mapping[str, Any], job: Job) -> str:
    """A name for what is asked: the same table, seed, score and version make the same bytes."""
    said = {key: value for key, value in table.items() if key not in ("seed", "seeds", "score", *_PATHS)}
    of = [said, job.seed, job.score.digest, resonance.__version__]
    return hashlib.blake2b(json.dumps(of, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
