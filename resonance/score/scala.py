"""Tuning files as Scala writes them: a scale (`.scl`) and how it lies on a keyboard (`.kbm`).

Source: Manuel Op de Coul, "Scala scale file format" and "Scala keyboard mapping format",
huygens-fokker.org/scala.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from resonance.units import ratio_from_cents

MOST_TONES = 2048
MOST_KEYS = 128

# Short on purpose: a ratio of thousands of digits would take for ever to divide.
_RATIO = re.compile(r"([0-9]{1,18})(?:/([0-9]{1,18}))?")
_CENTS = re.compile(r"-?[0-9]{0,9}\.[0-9]{0,18}")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,18})?")


class ScalaError(ValueError):
    """A file that is no scale or no keyboard mapping; `line` is where, from 1."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(said)
        self.line = line


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale as its file says: ratios of all its tones from 1 on, in the file's order, and its period."""

    about: str
    ratios: tuple[float, ...]
    period: float


@dataclass(frozen=True, slots=True)
class Mapping:
    """A keyboard mapping as its file says. `keys` are degrees, None for keys that play nothing.

    Without keys every key plays the next degree. Key `middle` is where the mapping begins, key `reference`
    sounds at `reference_hz`; `octave` is the degree by which the mapping repeats, 0 the scale's own period.
    """

    first: int
    last: int
    middle: int
    reference: int
    reference_hz: float
    octave: int
    keys: tuple[int | None, ...]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are no comments, with their numbers."""
    # A line ends where one ended on the machine it was written on, and at no letter of another encoding.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.startswith("!"):
            yield number, line.strip()


def scale(text: str) -> Scale:
    """Reads a `.scl`; raises ScalaError."""
    lines = _lines(text)
    _, about = next(lines, (1, ""))
    line, count = next(lines, (1, ""))
    words = count.split()
    if not words or not words[0].isdecimal() or not 0 < int(words[0][:9]) <= MOST_TONES:
        raise ScalaError(line, f"its second line says how many tones follow, 1 to {MOST_TONES}")
    wanted, found = int(words[0]), list[float]()
    for line, text_of in lines:
        if len(found) == wanted:
            break
        if text_of:
            found.append(_pitch(line, text_of.split()[0]))
    if len(found) < wanted:
        raise ScalaError(line, f"it says {wanted} tones, and has {len(found)}")
    if found[-1] <= 1.0:
        raise ScalaError(line, "its last tone, at which the scale repeats, must be above the first")
    return Scale(about, (1.0, *found[:-1]), found[-1])


def _pitch(line: int, word: str) -> float:
    """A tone: cents where there is a point, else a ratio."""
    if "." in word:
        if not _CENTS.fullmatch(word) or word in (".", "-."):
            raise ScalaError(line, f"{word[:40]!r} are no cents: write them as 701.955")
        cents = float(word)
        if abs(cents) > 12_000.0:
            raise ScalaError(line, f"{word[:40]} cents are further than ten octaves")
        return ratio_from_cents(cents)
    found = _RATIO.fullmatch(word)
    if not found or int(found[1]) == 0 or int(found[2] or 1) == 0:
        raise ScalaError(line, f"{word[:40]!r} is no ratio: write it as 3/2, or cents with a point")
    ratio = int(found[1]) / int(found[2] or 1)
    if not 1e-3 <= ratio <= 1e3:
        raise ScalaError(line, f"{word[:40]} is further than ten octaves")
    return ratio


_HEAD = (
    "how many keys the mapping has",
    "the first key that plays",
    "the last key that plays",
    "the middle key, where the mapping begins",
    "the key whose pitch is given",
    "that pitch in Hz",
    "the degree of the octave",
)


def mapping(text: str) -> Mapping:
    """Reads a `.kbm`; raises ScalaError."""
    lines = _lines(text)
    head: list[float] = []
    line = 1
    for place, what in enumerate(_HEAD):
        line, text_of = next(lines, (line, ""))
        word = text_of.split()[0] if text_of else ""
        if not _NUMBER.fullmatch(word) or (place != 5 and "." in word):
            raise ScalaError(line, f"here it says {what}, a number, not {word[:40]!r}")
        value = float(word)
        if 1 <= place <= 4 and value > 127:
            raise ScalaError(line, f"{what} is {word}; keys are 0 to 127")
        head.append(value)
    count, first, last, middle, reference, _, octave = (int(value) for value in head)
    if count > MOST_KEYS:
        raise ScalaError(line, f"a mapping has at most {MOST_KEYS} keys")
    if not 1.0 <= head[5] <= 20_000.0:
        raise ScalaError(line, f"its pitch is {head[5]:g} Hz; it must be between 1 and 20000 Hz")
    keys: list[int | None] = []
    for line, text_of in lines:
        if len(keys) == count:
            break
        if not text_of:
            continue
        word = text_of.split()[0]
        if word.lower() == "x":
            keys.append(None)
        elif word.isdecimal() and int(word[:9]) < MOST_TONES:
            keys.append(int(word))
        else:
            raise ScalaError(line, f"{word[:40]!r} is no degree: write a number, or x for a key that is mute")
    # What a file leaves out at its end is not mapped.
    keys += [None] * (count - len(keys))
    found = Mapping(first, last, middle, reference, head[5], octave, tuple(keys))
    if count and keys[(reference - middle) % count] is None:
        raise ScalaError(line, f"key {reference}, whose pitch it gives, is mute")
    return found


def plain(root_hz: float) -> Mapping:
    """Every key the next degree, from the key nearest to the root on, which sounds at the root."""
    middle = min(127, max(0, round(69.0 + 12.0 * math.log2(root_hz / 440.0))))
    return Mapping(0, 127, middle, middle, root_hz, 0, ())
