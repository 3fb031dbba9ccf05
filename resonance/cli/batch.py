"""`resonance batch`: many renders over all cores, or over a cluster, each whole or not at all.

Every job writes under a `.part` name of its own and is named when it is finished; what a worker that died
leaves behind is done again by another, and removed. Beside the jobs' file lies the manifest, a line of JSON
for every finished file with its digest: what it holds, and what is still there, is not done again.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import importlib
import itertools
import json
import logging
import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import resonance
from resonance.cli import CallError, Failure
from resonance.cli.plan import Planned, plan
from resonance.cli.production import produce

_CHUNK_BYTES = 1 << 20
_ANSWERS_S = 20


def run(arguments: argparse.Namespace) -> int:
    """Renders what a jobs' file asks for, and returns the exit code."""
    path = Path(arguments.jobs)
    planned = plan(path, arguments.allow_code)
    manifest = Manifest(path)
    missing = [each for each in planned if not manifest.has(each)]
    if not arguments.force:
        for file in itertools.chain.from_iterable(each.files for each in missing):
            if file.exists() and not manifest.made(file):
                raise CallError(f"{file} exists, and is none of this batch's: move it, or give --force")
    if len(missing) < len(planned):
        print(f"{len(planned) - len(missing)} of {len(planned)} are there already", file=sys.stderr)
    failed = 0
    if missing:
        workers = min(arguments.workers or os.cpu_count() or 1, len(missing))
        with cluster(arguments.scheduler, workers) as client:
            for number, (each, made) in enumerate(spread(missing, client), 1):
                if isinstance(made, Exception):
                    failed += 1
                    print(f"error: {each.path}: {' '.join(str(made).split())}", file=sys.stderr)
                    continue
                manifest.add(each, made)
                told = f"{made['seconds']:.0f} s ({number} of {len(missing)})"
                print(f"{each.path}: {told}", file=sys.stderr, flush=True)
    print(manifest.path)
    return 1 if failed else 0


class Manifest:
    """What a batch has made: `<jobs>.manifest.jsonl`, a line for each finished file, the last one counts."""

    def __init__(self, jobs: Path) -> None:
        self.path = jobs.with_suffix(".manifest.jsonl")
        self._folder = jobs.parent.resolve()
        self._lines: dict[str, Mapping[str, Any]] = {}
        if self.path.exists():
            for text in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    line = json.loads(text)
                except ValueError:
                    # The last line of a batch that was killed while it wrote it.
                    continue
                self._lines[line["path"]] = line

    def made(self, path: Path) -> bool:
        """Whether a file is one that this batch made, as it made it."""
        name = self._named(path)
        digests = {line["sha256"].get(name) for line in self._lines.values()} - {None}
        return bool(digests) and sha256(path) in digests

    def has(self, planned: Planned) -> bool:
        """Whether a job is done: asked as it is now, and all its files there as they were made."""
        line = self._lines.get(self._named(planned.path))
        if line is None or line["identity"] != planned.identity:
            return False
        if not line["sha256"].keys() >= {self._named(path) for path in planned.files}:
            return False
        files = {self._folder / name: digest for name, digest in line["sha256"].items()}
        return all(path.is_file() and sha256(path) == digest for path, digest in files.items())

    def add(self, planned: Planned, made: Mapping[str, Any]) -> None:
        """Appends a finished job."""
        digests = {self._named(Path(path)): digest for path, digest in made["sha256"].items()}
        line = {
            **made,
            "path": self._named(planned.path),
            "sha256": digests,
            "identity": planned.identity,
            "version": resonance.__version__,
        }
        self._lines[line["path"]] = line
        with self.path.open("a", encoding="utf-8") as file:
            if file.tell() and not self.path.read_bytes().endswith(b"\n"):
                file.write("\n")
            file.write(json.dumps(line) + "\n")

    def _named(self, path: Path) -> str:
        return os.path.relpath(path, self._folder)


def sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            found.update(data)
    return found.hexdigest()


def rendered(planned: Planned) -> dict[str, Any]:
    """Does a job, wherever this is called: its summary, and the digests of its files by their paths."""
    job = replace(planned.job(), force=True, attempt=uuid.uuid4().hex[:12])
    made = produce(job)
    summary = {key: value for key, value in made.summary().items() if key not in _OF_ITS_RUN}
    return {
        **summary,
        "score_digest": job.score.digest,
        "sha256": {str(path): sha256(path) for path in planned.files},
    }


_OF_ITS_RUN = ("path", "render_seconds", "times_real_time")


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Any]:
    """A client of a cluster: the scheduler's at an address, or processes of this machine's own."""
    distributed = _distributed()
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=_ANSWERS_S)
        except (OSError, ValueError) as error:
            said = f"no scheduler answers at {scheduler[:80]}: is `dask scheduler` running there? ({error})"
            raise Failure(said) from None
        with client:
            if not client.nthreads():
                waits = f"note: {scheduler} has no workers yet: waiting for a `dask worker` to join"
                print(waits, file=sys.stderr, flush=True)
            yield client
        return
    own: dict[str, Any] = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=workers, silence_logs=logging.CRITICAL, **own) as local,
        distributed.Client(local) as client,
    ):
        yield client


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError:
        raise CallError("batch needs dask.distributed: pip install 'resonance[batch]'") from None


def spread(planned: Sequence[Planned], client: Any) -> Iterator[tuple[Planned, dict[str, Any] | Exception]]:
    """Does jobs on a cluster: each as it is finished, with what was made or what went wrong.

    A job whose worker dies is done again by another, and so once is one that fails: it may be the machine.
    """
    waiting = {client.submit(rendered, each, pure=False, retries=1): each for each in planned}
    for future in _distributed().as_completed(waiting):
        each = waiting[future]
        error = future.exception()
        yield each, error if error is not None else _arrived(each, future.result())
        future.release()


def _arrived(planned: Planned, made: dict[str, Any]) -> dict[str, Any] | Exception:
    """What was made, if it is whole and here; what dead workers left of it is removed."""
    for name, digest in made["sha256"].items():
        if not Path(name).is_file():
            return FileNotFoundError(
                "was rendered where this machine cannot see it: share the folder with the workers"
            )
        if sha256(Path(name)) != digest:
            return OSError("is not what its worker wrote: another program writes there too")
        for left in glob.glob(f"{glob.escape(name)}.*.part"):
            Path(left).unlink(missing_ok=True)
    return made
