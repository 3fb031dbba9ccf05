"""Takes: what was played, with its times, so that it can be heard again to the same samples.

A take is a file of JSON Lines. The first line is the header: the score's own text and digest, seed, rate,
options, where the performance is to be opened and which frame is the first to be heard. Then a line for each
command, and every ten seconds one with a digest of what was heard. Lines are written as things happen: after
a kill all but what was on its way is there, and a torn last line is let go.
"""

from __future__ import annotations

import errno
import json
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import resonance
from resonance.dsp import F32, GRID_FRAMES
from resonance.engine.commands import Command, CommandError, from_json, to_json
from resonance.engine.history import KEPT_S, Done, Opening
from resonance.engine.performance import Performance
from resonance.score import Score
from resonance.score.reader import read as read_score

VERSION = 1
MOST_S = 31.0 * 86_400.0
MOST_COMMANDS = 20_000_000
"""More than half an hour that is kept can hold; a recording ends there."""
MOST_LETTERS = 2_000_000
"""In a line of a take: a score's text, each letter of it written as six."""
RATES_HZ = (8_000.0, 384_000.0)
_BLOCK_FRAMES = 32_768
_BREATH_S = 0.005  # between some hundreds of lines: who plays on meanwhile goes first
_JSON = json.JSONEncoder(allow_nan=False)


class TakeError(ValueError):
    """A file that is no take; the text is one line, with the file and what is wrong in it."""


@dataclass(frozen=True)
class Take:
    """A stretch of a performance, frames `first` to `end`, and all that has to be done for it to be heard.

    `digests` are the frames up to which a stretch of ten seconds was heard, and that stretch's digest.
    """

    score: Score
    seed: int
    rate: float
    duration_s: float | None
    endless: bool
    only: tuple[str, ...]
    without: tuple[str, ...]
    opening: Opening
    first: int
    end: int
    commands: Sequence[tuple[int, Command]] = ()
    digests: tuple[tuple[int, str], ...] = ()
    digest: str = ""
    name: str = "take"

    @property
    def changed(self) -> bool:
        """Whether its score would not be heard as it was: by other defaults, sounds or recordings."""
        return self.digest != self.score.digest

    @property
    def duration(self) -> float:
        """How long it is, in seconds."""
        return (self.end - self.first) / self.rate

    def performance(self, rate: float | None = None, *, stems: bool = False) -> Performance:
        """A performance that does it all again; at its own rate to the same samples.

        It begins where it can be opened, which may be well before what is to be heard. Raises TakeError for
        commands that its score cannot do.
        """
        ratio = 1.0 if rate is None else rate / self.rate
        performance = Performance(
            self.score,
            self.rate * ratio,
            self.seed,
            endless=self.endless,
            duration_s=self.duration_s,
            only=self.only,
            without=self.without,
            opening=replace(self.opening, step=round(self.opening.step * ratio)),
            stems=stems,
        )
        for frame, command in self.commands:
            try:
                performance.do(command, max(round(frame * ratio), performance.first_open(command)))
            except (KeyError, ValueError) as error:
                raise TakeError(f"{self.name}: at frame {frame}: {error.args[0]}") from None
        return performance

    def blocks(self, rate: float | None = None, performance: Performance | None = None) -> Iterator[F32]:
        """What was heard, block by block, each (frames, 2); at another rate it is played anew."""
        performance = performance or self.performance(rate)
        ratio = performance.rate / self.rate
        first, end = round(self.first * ratio), round(self.end * ratio)
        while performance.frame < first:
            performance.render(min(_BLOCK_FRAMES, first - performance.frame))
        while performance.frame < end:
            yield performance.render(min(_BLOCK_FRAMES, end - performance.frame))

    def header(self) -> dict[str, Any]:
        """The first line of its file."""
        return {
            "resonance": "take",
            "version": VERSION,
            "program": resonance.__version__,
            "score": {
                "path": str(self.score.path.absolute()),
                "digest": self.digest,
                "text": self.score.text,
            },
            "seed": self.seed,
            "rate": self.rate,
            "duration_s": self.duration_s,
            "endless": self.endless,
            "only": self.only,
            "without": self.without,
            "opening": {
                **asdict(self.opening),
                "carried": [to_json(command) for command in self.opening.carried],
            },
            "first": self.first,
        }

    def write(self, path: Path) -> None:
        """Writes it to a file, which has its name only when it is whole; raises FileExistsError, OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        if path.exists():
            raise FileExistsError(f"{path} exists already: give another name")
        try:
            with part.open("w", encoding="utf-8") as file:
                for lines in self._lines():
                    file.write("".join(_JSON.encode(line) + "\n" for line in lines))
                    time.sleep(_BREATH_S)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _lines(self) -> Iterator[list[dict[str, Any]]]:
        """The lines of its file, some hundreds at a time."""
        yield [self.header()]
        heard = deque(self.digests)
        for some in _in_parts(self.commands):
            lines: list[dict[str, Any]] = []
            for at, command in some:
                while heard and heard[0][0] <= at:
                    lines.append(_heard(*heard.popleft()))
                lines.append({"at": at, **to_json(command)})
            yield lines
        yield [*(_heard(*each) for each in heard), {"at": self.end, "end": True}]


def _heard(at: int, digest: str) -> dict[str, Any]:
    return {"at": at, "heard": digest}


def _in_parts(commands: Sequence[tuple[int, Command]]) -> Iterator[Sequence[tuple[int, Command]]]:
    """Commands some hundreds at a time, where there may be a million."""
    if isinstance(commands, Done):
        yield from commands.some()
    else:
        yield commands


def kept(performance: Performance, seconds: float = KEPT_S) -> Take:
    """What was heard in the last half hour, or less. Raises ValueError where that is not known any more."""
    end = int(min(performance.frame, performance.end))
    first = max(end - round(min(seconds, KEPT_S) * performance.rate), 0, performance.history.first_frame)
    return _since(performance, min(first, end), end)


def _since(performance: Performance, first: int, end: int) -> Take:
    opening, commands, digests = performance.history.since(first)
    score = performance.score
    if not score.text:
        raise ValueError(f"{score.name} was not read from a text: it cannot be kept")
    return Take(
        score,
        performance.seed,
        performance.rate,
        performance.duration_s,
        performance.endless,
        performance.only,
        performance.without,
        opening,
        first,
        end,
        commands,
        tuple(digest for digest in digests if digest[0] <= end),
        score.digest,
    )


class Recorder:
    """Writes a performance down from now on, line by line, in a thread of its own.

    A disk that fills ends the take, not the performance, and so do more commands than are ever read back:
    `fault` then says so, and what was written stays.
    Raises FileExistsError, and OSError where the file cannot be made.
    """

    def __init__(self, path: Path, performance: Performance) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        take = _since(performance, performance.frame, performance.frame)
        self.path = path
        self._first = take.first
        self.fault: str | None = None
        self._performance = performance
        self._file: TextIO = path.open("x", encoding="utf-8")
        self._lines: queue.SimpleQueue[dict[str, Any] | tuple[int, Command] | None] = queue.SimpleQueue()
        self._lines.put(take.header())
        for done in take.commands:
            self._lines.put(done)
        self._writer = threading.Thread(target=self._write, daemon=True, name="take")
        self._writer.start()
        performance.history.listen(self)

    def did(self, frame: int, command: Command) -> None:
        self._lines.put((frame, command))

    def heard(self, frame: int, digest: str) -> None:
        begun = frame - self._performance.history.chunk_frames
        if begun >= self._first and frame <= self._performance.end:
            self._lines.put({"at": frame, "heard": digest})

    def close(self) -> None:
        """Ends the take here, and waits until it is written."""
        if self._writer.is_alive():
            self._performance.history.leave(self)
            self._lines.put({"at": int(min(self._performance.frame, self._performance.end)), "end": True})
            self._lines.put(None)
            self._writer.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        commands = 0
        try:
            with self._file:
                while (line := self._lines.get()) is not None:
                    commands += isinstance(line, tuple)
                    if commands > MOST_COMMANDS:
                        raise OSError(errno.EFBIG, f"has {MOST_COMMANDS} commands")
                    said = {"at": line[0], **to_json(line[1])} if isinstance(line, tuple) else line
                    self._file.write(_JSON.encode(said) + "\n")
                    if self._lines.empty():
                        self._file.flush()
        except OSError as error:
            self.fault = f"{self.path}: {error.strerror}: the take ends here, the piece goes on"
            self._performance.messages.append(self.fault)
            while self._lines.get() is not None:
                pass


def read(path: Path, *, allow_code: bool = False) -> Take:
    """The take in a file; raises TakeError for what is no take, and ScoreError for a score that is none.

    `allow_code` lets its score use sounds of the player's own, whose files are run.
    """
    if path.exists() and not path.is_file():
        raise TakeError(f"{path}: is no plain file; give the path of a take")
    try:
        with path.open(encoding="utf-8") as file:
            return _Reading(str(path), file).take(allow_code)
    except UnicodeDecodeError:
        raise TakeError(f"{path}: is no take: it is no text") from None


class _Reading:
    """One reading of a take, line by line: it may be longer than what one wants to hold."""

    def __init__(self, name: str, file: TextIO) -> None:
        self._name = name
        self._file = file
        self._line = 0

    def _wrong(self, said: str) -> TakeError:
        return TakeError(f"{self._name}:{self._line}: {said}")

    def _objects(self) -> Iterator[dict[str, Any]]:
        while text := self._file.readline(MOST_LETTERS + 1):
            self._line += 1
            if len(text) > MOST_LETTERS:
                raise self._wrong(f"a line has at most {MOST_LETTERS} letters")
            try:
                said = json.loads(text, parse_constant=_refused)
                if not isinstance(said, dict):
                    raise ValueError("a line is a JSON object")
            except (ValueError, RecursionError) as error:
                if not text.endswith("\n"):
                    return
                what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:100]
                raise self._wrong(f"is no line of a take: {what or 'lists too deep in lists'}") from None
            yield said

    def take(self, allow_code: bool) -> Take:
        objects = self._objects()
        header = next(objects, None)
        if header is None or header.get("resonance") != "take":
            raise TakeError(f"{self._name}: is no take: its first line is not a take's header")
        if header.get("version") != VERSION:
            version = str(header.get("version"))[:20]
            raise self._wrong(f"is a take of version {version}; this program reads version {VERSION}")
        take = self._headed(header, allow_code)
        commands: list[tuple[int, Command]] = []
        digests: list[tuple[int, str]] = []
        now, end = 0, take.first
        most = take.first + MOST_S * take.rate
        for said in objects:
            at = self._frame(said.pop("at", None), "at")
            if at > most:
                raise self._wrong(f"frame {at} is more than a month after the first")
            if "heard" in said:
                # A hand can still do something to the last frames that were heard: they are late.
                digests.append((at, str(said["heard"])[:64]))
                end = max(end, at)
                continue
            if at < now:
                raise self._wrong(f"goes back in time, from frame {now} to {at}")
            now, end = at, max(end, at)
            if said.get("end") is True:
                break
            if len(commands) == MOST_COMMANDS:
                raise self._wrong(f"has more than {MOST_COMMANDS} commands")
            try:
                commands.append((at, from_json(said)))
            except CommandError as error:
                raise self._wrong(str(error)) from None
        return replace(take, end=end, commands=tuple(commands), digests=tuple(digests))

    def _headed(self, header: Mapping[str, Any], allow_code: bool) -> Take:
        """The take that its header announces, as yet without anything done."""
        score = self._of(header, "score", dict)
        text, path = self._of(score, "text", str), self._of(score, "path", str)
        if "\0" in path or len(path) > 4096:
            raise self._wrong("score.path is no path")
        rate = self._number(header, "rate", *RATES_HZ)
        only, without = (self._names(header, key) for key in ("only", "without"))
        duration_s = header.get("duration_s")
        first = self._frame(header.get("first"), "first")
        opening = self._opening(self._of(header, "opening", dict))
        if opening.step * GRID_FRAMES > first + MOST_S * rate or first > MOST_S * rate * 12:
            raise self._wrong("first is no frame that can be reached")
        take = Take(
            read_score(text, Path(path), allow_code=allow_code),
            self._whole(header, "seed"),
            rate,
            None if duration_s is None else self._number(header, "duration_s", 1.0, 86_400.0),
            self._of(header, "endless", bool),
            only,
            without,
            opening,
            first,
            first,
            digest=self._of(score, "digest", str)[:64],
            name=self._name,
        )
        for name in (*only, *without):
            if name not in take.score.sounds:
                raise self._wrong(f"no sound '{name[:40]}' in its score")
        scenes = [scene.name for scene in take.score.scenes]
        if opening.scene is not None and opening.scene not in scenes:
            raise self._wrong(f"no scene '{opening.scene[:40]}' in its score")
        return take

    def _opening(self, said: Mapping[str, Any]) -> Opening:
        scene, position = said.get("scene"), said.get("position")
        try:
            carried = tuple(from_json(each) for each in self._of(said, "carried", list))
        except CommandError as error:
            raise self._wrong(f"opening: {error}") from None
        return Opening(
            self._frame(said.get("step"), "opening.step"),
            self._frame(said.get("number"), "opening.number"),
            self._frame(said.get("night"), "opening.night"),
            self._whole(said, "seed"),
            None if scene is None else self._of(said, "scene", str),
            self._of(said, "hold", bool),
            carried,
            None if position is None else self._number(said, "position", 0.0, 1.0),
        )

    def _of(self, said: Mapping[str, Any], key: str, kind: type) -> Any:
        value = said.get(key)
        if not isinstance(value, kind):
            raise self._wrong(f"{key} is missing or is no {kind.__name__}")
        return value

    def _whole(self, said: Mapping[str, Any], key: str) -> int:
        value = said.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**18:
            raise self._wrong(f"{key} must be a whole number between 0 and 1e18")
        return value

    def _frame(self, value: object, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
            raise self._wrong(f"{key} must be a frame's number")
        return value

    def _number(self, said: Mapping[str, Any], key: str, low: float, high: float) -> float:
        value = said.get(key)
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        if not fits or not math.isfinite(float(value or 0.0)):
            raise self._wrong(f"{key} must be a number between {low:g} and {high:g}")
        return float(value or 0.0)

    def _names(self, said: Mapping[str, Any], key: str) -> tuple[str, ...]:
        names = self._of(said, key, list)
        if not all(isinstance(name, str) for name in names):
            raise self._wrong(f"{key} must be names")
        return tuple(names)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
