"""Where in its source each key of a TOML text stands. The standard reader does not say.

Everything here walks along the text with a list for a stack, so that no text, however deep, exhausts the
interpreter's own; and takes time in proportion to the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The way to a value: keys of tables, and numbers of elements from 0."""

MOST_DOTS = 32
"""No key has more parts than this."""

# No possessive quantifiers: Python 3.11.2, which Debian 12 has, loses their matches (fixed in 3.11.5).
_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r]+ | \#[^\n]*)
  | (?P<newline>\n)
  | (?P<string>
        \"{3} (?: [^"\\] | \\[\s\S] | "(?!"") )* \"{3,5}
      | '{3}  (?: [^'] | '(?!'') )* '{3,5}
      | (?!\"{3}) " (?: [^"\\\n] | \\. )* "
      | (?!'{3}) ' [^'\n]* '
    )
  | (?P<mark>[][{},=.])
  | (?P<bare>[^]\s[{},=."'\#]+)
    """,
    re.VERBOSE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    """The text in pieces, blanks and comments left out; ends where the text stops being TOML."""
    line, at = 1, 0
    while found := _TOKEN.match(text, at):
        kind, piece = found.lastgroup or "", found.group()
        if kind != "blank":
            yield _Token(kind, piece, line)
        line += piece.count("\n")
        at = found.end()


def overlong_key(text: str) -> int | None:
    """The line of the first key with too many dots, if any: reading it takes the square of their number."""
    if all(line.count(".") <= MOST_DOTS for line in text.split("\n")):
        return None
    dots = 0
    for token in _tokens(text):
        if token.text == "." and token.kind == "mark":
            dots += 1
            if dots > MOST_DOTS:
                return token.line
        elif token.kind in ("mark", "newline"):
            dots = 0
    return None


def lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every table, key and element of a text that is valid TOML.

    An element on its array's line is left out. A table named by several headers has the line of the first.
    """
    return _Walk(text).found


def line_of(path: Path, found: dict[Path, int]) -> int:
    """The line of a path, or of the nearest table or array around it that has one."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 1)


class _Walk:
    """One walk over a text. `found` is what it gathers, `arrays` the latest table of each array of tables."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}
        self.tokens = _tokens(text)
        table: Path = ()
        for token in self.tokens:
            if token.kind == "newline":
                continue
            if token.text == "[" and token.kind == "mark":
                table = self._header(token.line)
            else:
                path = self._named(table, [_key(token), *self._keys("=")], token.line)
                self._value(path)

    def _keys(self, end: str) -> list[str]:
        """The parts of a dotted key, up to the mark that ends it."""
        keys = []
        for token in self.tokens:
            if token.kind == "mark" and token.text == end:
                break
            if token.kind != "mark":
                keys.append(_key(token))
        return keys

    def _header(self, line: int) -> Path:
        """The table that a header opens; its first bracket is read already."""
        first = next(self.tokens)
        if first.kind != "mark":
            return self._named((), [_key(first), *self._keys("]")], line)
        *around, last = self._keys("]")
        next(self.tokens)
        array = (*self._named((), around, line), last)
        number = self.arrays[array] = self.arrays.get(array, -1) + 1
        self.found.setdefault(array, line)
        self.found[*array, number] = line
        return (*array, number)

    def _named(self, table: Path, keys: list[str], line: int) -> Path:
        """The path of dotted keys in a table, through the latest table of any array on the way."""
        path = table
        for key in keys:
            path = (*path, key)
            self.found.setdefault(path, line)
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def _value(self, path: Path) -> None:
        """Walks over one value and the newline after it."""
        around: list[Path] = []  # the open arrays and inline tables
        numbers: list[int | None] = []  # of the element an array is at; None in a table
        keys: list[str] | None = None  # gathered so far where a key is due in an inline table
        for token in self.tokens:
            if token.kind == "newline":
                if not around:
                    return
            elif token.kind != "mark":
                if keys is not None:
                    keys.append(_key(token))
                elif around:
                    self._element(path, around[-1], token.line)
            elif token.text in "[{":
                if around:
                    self._element(path, around[-1], token.line)
                around.append(path)
                numbers.append(0 if token.text == "[" else None)
                if token.text == "[":
                    path = (*path, 0)
                else:
                    keys = []
            elif token.text == "=":
                path = self._named(around[-1], keys or [], token.line)
                keys = None
            elif token.text == ",":
                number = numbers[-1]
                if number is None:
                    keys = []
                else:
                    numbers[-1] = number + 1
                    path = (*around[-1], number + 1)
            elif token.text in "]}":
                path, keys = around.pop(), None
                numbers.pop()

    def _element(self, path: Path, array: Path, line: int) -> None:
        if line != line_of(array, self.found):
            self.found.setdefault(path, line)


def _key(token: _Token) -> str:
    """A key as it is read: bare, or in either kind of quotes."""
    if token.kind == "bare":
        return token.text
    if "\\" not in token.text:
        return token.text[1:-1]
    return str(tomllib.loads(f"key = {token.text}")["key"])
