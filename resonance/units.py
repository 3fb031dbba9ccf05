"""What a number means: its unit, its range, and the declaration that says both once.

A sound, an effect or a score declares each parameter by a function named after its unit:

    cutoff_hz: float = hz(800, 20, 20_000, "where the low-pass begins to close")

That one line gives the default, the validation, the JSON Schema, the help text and the controllers'
targets. Units follow the field: hertz, seconds, decibels, semitones, cents, metres; a number without a
unit suffix lies between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

GRID_FRAMES = 64
"""Control values change only on this absolute grid of frames, whatever block a caller asks for."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter: what it is called, measured in, and allowed to be.

    `kind` is "number", "count" (a whole number), "choice", "file" or "files". Only numbers follow curves.
    `low` and `high` bound numbers and counts, both ends included, and how many seconds a recording lasts.
    """

    kind: str
    unit: str
    default: Any
    low: float
    high: float
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def follows_curves(self) -> bool:
        return self.kind == "number"

    def expected(self) -> str:
        """The values it takes, as an error message says it: "between 20 and 200 Hz"."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "file":
            return "an audio file"
        if self.kind == "files":
            return "a list of audio files"
        whole = "a whole number " if self.kind == "count" else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{whole}between {self.low:g} and {self.high:g}{unit}"

    def allows(self, value: object) -> bool:
        """Whether `value` is one this parameter can have. NaN and infinities never are."""
        if self.kind == "choice":
            return value in self.choices
        if self.kind == "file":
            return isinstance(value, str)
        if self.kind == "files":
            return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.kind == "count" and not isinstance(value, int):
            return False
        return self.low <= value <= self.high


def _declare(kind: str, unit: str, default: Any, low: float, high: float, meaning: str, **more: Any) -> Any:
    parameter = Parameter(kind, unit, default, low, high, meaning, **more)
    if not parameter.allows(default):
        raise ValueError(f"default {default!r} must be {parameter.expected()}")
    return field(default=default, metadata={"parameter": parameter})


def hz(default: float, low: float, high: float, meaning: str) -> Any:
    """A frequency or a rate, in hertz; its name ends in `_hz`."""
    return _declare("number", "Hz", default, low, high, meaning)


def seconds(default: float, low: float, high: float, meaning: str) -> Any:
    """A time, in seconds; its name ends in `_s`."""
    return _declare("number", "s", default, low, high, meaning)


def db(default: float, low: float, high: float, meaning: str) -> Any:
    """A level, in decibels; its name ends in `_db`."""
    return _declare("number", "dB", default, low, high, meaning)


def cents(default: float, low: float, high: float, meaning: str) -> Any:
    """A small interval, in hundredths of a semitone; its name ends in `_cents`."""
    return _declare("number", "cents", default, low, high, meaning)


def semitones(default: float, low: float, high: float, meaning: str) -> Any:
    """An interval, in semitones; its name ends in `_st`."""
    return _declare("number", "st", default, low, high, meaning)


def metres(default: float, low: float, high: float, meaning: str) -> Any:
    """A distance; its name ends in `_m`."""
    return _declare("number", "m", default, low, high, meaning)


def bpm(default: float, low: float, high: float, meaning: str) -> Any:
    """A tempo, in beats a minute; its name is or ends in `bpm`."""
    return _declare("number", "bpm", default, low, high, meaning)


def part(default: float, meaning: str, low: float = 0.0, high: float = 1.0) -> Any:
    """A share from 0 to 1 (or within it): no suffix."""
    return _declare("number", "", default, low, high, meaning)


def position(default: float, meaning: str) -> Any:
    """A place between left (-1) and right (1): no suffix."""
    return _declare("number", "", default, -1.0, 1.0, meaning)


def count(default: int, low: int, high: int, meaning: str) -> Any:
    """How many of something; its name is a plural. It is fixed while a piece plays."""
    return _declare("count", "", default, low, high, meaning)


def choice(default: str, choices: tuple[str, ...], meaning: str) -> Any:
    """One word out of several. It is fixed while a piece plays."""
    return _declare("choice", "", default, 0, 0, meaning, choices=choices)


def file(meaning: str, longest_s: float = 600.0) -> Any:
    """An audio file of at most so many seconds, named relative to the score; none by default."""
    return _declare("file", "", "", 0, longest_s, meaning)


def files(meaning: str, longest_s: float = 600.0) -> Any:
    """A list of audio files of at most so many seconds, named relative to the score; empty by default."""
    return _declare("files", "", (), 0, longest_s, meaning)


def parameters(patch: type) -> dict[str, Parameter]:
    """The declared parameters of a patch, by name, in the order of their declaration."""
    return {f.name: f.metadata["parameter"] for f in fields(patch) if "parameter" in f.metadata}


def level_from_db(gain_db: float) -> float:
    """The linear level of a gain in decibels; -120 dB and less are silence."""
    return 0.0 if gain_db <= -120.0 else float(10.0 ** (gain_db / 20.0))


def db_from_level(level: float) -> float:
    """A linear level in decibels; never under -240."""
    return 20.0 * math.log10(max(abs(level), 1e-12))


def ratio_from_cents(interval_cents: float) -> float:
    """The frequency ratio of an interval in cents."""
    return float(2.0 ** (interval_cents / 1200.0))


def cents_from_ratio(ratio: float) -> float:
    """An interval in cents from its frequency ratio."""
    return 1200.0 * math.log2(ratio)
