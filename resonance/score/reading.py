"""A TOML text and what is wrong with it: each mistake one line, with file, line, key, found and expected."""

from __future__ import annotations

import functools
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resonance.score import lines as source
from resonance.score.piece import ScoreError
from resonance.score.words import nearest
from resonance.units import Parameter

MOST_BYTES = 200_000
"""The longest text. The standard reader takes half a second for the worst text of this length."""

MOST_PROBLEMS = 50


def shown_path(path: Path) -> str:
    """The path as messages show it: short where it lies in the current folder, always on one line."""
    shown = clipped(str(path).removeprefix(os.path.join(os.getcwd(), "")), 300)
    return shown if shown.isprintable() else repr(shown)


def text_of(path: Path, shown: str) -> str:
    """The file's text; looks at what it is before it opens it, since opening a pipe can hang."""
    if "\0" in str(path):
        raise ScoreError([f"{shown}: there is no such file"])
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "no plain file"
            raise ScoreError([f"{shown}: is {kind}; give the path of a .toml file"])
        if about.st_size > MOST_BYTES:
            raise ScoreError([f"{shown}: has {about.st_size} bytes; at most {MOST_BYTES} are read"])
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except FileNotFoundError:
        raise ScoreError([f"{shown}: there is no such file"]) from None
    except OSError as error:
        raise ScoreError([f"{shown}: cannot be read: {error.strerror}"]) from None
    if data.startswith(b"\xef\xbb\xbf"):
        raise ScoreError([f"{shown}:1: begins with a byte order mark; save it as UTF-8 without one"])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScoreError([f"{shown}:{line}: is not UTF-8; save it as UTF-8"]) from None


def document(text: str, shown: str) -> dict[str, Any]:
    """The text as TOML, at first only tables, lists and plain values."""
    overlong = source.overlong_key(text)
    if overlong is not None:
        raise ScoreError([f"{shown}:{overlong}: a key has at most {source.MOST_DOTS} dots"])
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScoreError([f"{shown}:1: its lists or tables lie too deep in one another"]) from None
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        where = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        line = int(where[1]) if where else text.count("\n") + 1
        what = said[: where.start()] if where else said
        column = f", column {where[2]}" if where else ""
        raise ScoreError([f"{shown}:{line}: is no TOML: {clipped(what, 160)}{column}"]) from None
    except ValueError:
        digits = re.search(r"[0-9_]{1000}", text)
        line = text.count("\n", 0, digits.start()) + 1 if digits else 1
        raise ScoreError([f"{shown}:{line}: a number has too many digits"]) from None


def clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def shown(value: object) -> str:
    """A value as messages quote it: short, printable and on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        digits = int(value.bit_length() * math.log10(2.0))  # str() of it could refuse, or take for ever
        return str(value) if digits < 20 else f"about {'-' if value < 0 else ''}1e{digits}"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, str):
        return repr(clipped(value, 60))
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or a time"


def shown_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else repr(clipped(key, 60))


class Reading:
    """One reading of one text: gathers its mistakes as it goes along. `at` is always the way to a value."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        """`text` stands for the file's. Raises ScoreError for what cannot be read, or is no TOML."""
        self.path = path
        self.shown = shown_path(path)
        self.text = text_of(path, self.shown) if text is None else text
        if len(self.text) > MOST_BYTES:
            raise ScoreError([f"{self.shown}: has {len(self.text)} letters; at most {MOST_BYTES} are read"])
        self.document = document(self.text, self.shown)
        self.problems: list[tuple[int, str]] = []

    # What is wrong, and where

    @functools.cached_property
    def lines(self) -> dict[source.Path, int]:
        return source.lines(self.text)

    def wrong(self, at: source.Path, said: str) -> None:
        """Notes a mistake; gives up where there are too many to be worth reading."""
        line = source.line_of(at, self.lines)
        self.problems.append((line, f"{self.shown}:{line}: {said}"))
        if len(self.problems) >= MOST_PROBLEMS:
            raise self.error()

    def error(self) -> ScoreError:
        return ScoreError([said for _, said in sorted(self.problems, key=lambda problem: problem[0])])

    def wrong_value(self, at: source.Path, value: object, expected: str, unit: str = "") -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        measured = f" {unit}" if unit and is_number else ""
        self.wrong(at, f"{self.key(at)} is {shown(value)}{measured}; it must be {expected}")

    def key(self, at: source.Path) -> str:
        """The way to a value, with dots between."""
        return ".".join(shown_key(key) for key in at if isinstance(key, str))

    def unknown(self, at: source.Path, name: str, kind: str, known: Iterable[str], around: str) -> None:
        """Notes a name that is none of `known`, in what is called `around`."""
        guess = nearest(name, known) or f"; there are {', '.join(sorted(set(known)))}"
        self.wrong(at, f"{around + ': ' if around else ''}no {kind} {shown(name)}{guess}")

    def refuse_unknown(self, at: source.Path, table: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in table:
            if key not in known:
                self.unknown((*at, key), key, "key", known, around=self.key(at))

    # Values. Each gives None, or its default, where it noted a mistake.

    def number(self, at: source.Path, value: object, parameter: Parameter) -> Any:
        if not parameter.allows(value):
            self.wrong_value(at, value, parameter.expected(), parameter.unit)
            return None
        return float(value) if parameter.kind == "number" else value  # type: ignore[arg-type]

    def table(self, at: source.Path, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.wrong_value(at, value, "a table")
            return {}
        return value
