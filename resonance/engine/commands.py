"""What a hand can ask of a performance: notes, controls, scenes, rest. Each goes to and from one JSON object.

A command says what, never when: the performance gives it its frame, and a take keeps both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

LONGEST_NAME = 200
MOST_S = 1e9
CHANNELS = 16
MOST_CABLES = 32
"""Each has channels of its own: those of the first are 0 to 15. The last one is OSC's."""
WHEN = ("now", "beat", "breath")
MOST_BEND_CENTS = 9600.0
TOUCHED, WHOLE = ("bend_cents", "pressure", "timbre"), "whole_"
"""What a finger does to a note; what is done to a whole channel has the same names with this before them."""


class CommandError(ValueError):
    """A command that cannot be meant; the text says which, and what it must be."""


@dataclass(frozen=True, slots=True)
class Command:
    """What every command can do: check itself as it is made, and be written down."""

    def __post_init__(self) -> None:
        for name, declared in _DECLARED[type(self)]:
            problem = _problem(name, getattr(self, name), declared)
            if problem:
                raise CommandError(f"{type(self).__name__}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        """For thousands a second: what dataclasses do by themselves takes three times as long."""
        return _unpacked, (type(self), *[getattr(self, name) for name, _ in _DECLARED[type(self)]])


@dataclass(frozen=True, slots=True)
class NoteOn(Command):
    """A note begins. `note` is a MIDI number; `sound` None is the default instrument; velocity 0 ends it."""

    note: int
    velocity: float
    sound: str | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class NoteOff(Command):
    """A note is let go of: the one of this number, sound and channel that was played last.

    One that is `pedalled` sounds on, by a pedal, but feels the finger of its channel no more.
    """

    note: int
    velocity: float = 0.5
    sound: str | None = None
    channel: int = 0
    pedalled: bool = False


@dataclass(frozen=True, slots=True)
class Express(Command):
    """A held note is bent, pressed or coloured, or with `note` None all held notes of the channel.

    What is done to the `whole` channel, as by a wheel, comes on top, and moves what only rings on as well.
    """

    note: int | None = None
    channel: int = 0
    sound: str | None = None
    bend_cents: float | None = None
    pressure: float | None = None
    timbre: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        Command.__post_init__(self)
        if self.whole and self.note is not None:
            raise CommandError("Express: what is for the whole channel is for no single note")

    @property
    def moves(self) -> dict[str, float]:
        """What it moves, by the names that a note's hand has for them, and where to."""
        asked = {WHOLE * self.whole + name: getattr(self, name) for name in TOUCHED}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AllOff(Command):
    """Every note that was played is let go of, or a channel's; `cut` ends what rings on as well."""

    channel: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Set(Command):
    """A hand takes a control: `tension`, `bpm`, or a sound's or effect's own as `drone.glow`."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class LetGo(Command):
    """A hand gives a control back to the score."""

    name: str


@dataclass(frozen=True, slots=True)
class Pulse(Command):
    """The heart is led: a beat in `in_s` seconds, one each `interval_s`, until "pulse" is let go."""

    in_s: float
    interval_s: float


@dataclass(frozen=True, slots=True)
class Tune(Command):
    """A key is tuned to a pitch, for as long as the performance lasts."""

    note: int
    pitch_hz: float


@dataclass(frozen=True, slots=True)
class Launch(Command):
    """On to a scene: at once, on the heart's next beat, or where the next breath begins."""

    scene: str
    when: str = "now"


@dataclass(frozen=True, slots=True)
class Hold(Command):
    """Stay in this scene, or go on with the piece."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class Rest(Command):
    """Come to rest: silence, and the end, exactly `at_s` seconds after the performance began."""

    at_s: float


COMMANDS: dict[str, type[Command]] = {
    "note_on": NoteOn,
    "note_off": NoteOff,
    "express": Express,
    "all_off": AllOff,
    "set": Set,
    "let_go": LetGo,
    "pulse": Pulse,
    "tune": Tune,
    "launch": Launch,
    "hold": Hold,
    "rest": Rest,
}
_DECLARED = {each: [(field.name, str(field.type)) for field in fields(each)] for each in COMMANDS.values()}
_NAMES = {command: name for name, command in COMMANDS.items()}
_DEFAULTS = {command: [(field.name, field.default) for field in fields(command)] for command in _NAMES}


def _unpacked(command: type[Command], *values: object) -> Command:
    """A command that was checked when it was made."""
    made = object.__new__(command)
    for (name, _), value in zip(_DECLARED[command], values, strict=True):
        object.__setattr__(made, name, value)
    return made


def to_json(command: Command) -> dict[str, Any]:
    """The command as one JSON object: `do` is its name, the rest is what differs from its defaults."""
    said: dict[str, Any] = {"do": _NAMES[type(command)]}
    for name, default in _DEFAULTS[type(command)]:
        value = getattr(command, name)
        if value != default:
            said[name] = value
    return said


def from_json(said: object) -> Command:
    """The command that `to_json` wrote; raises CommandError for anything else."""
    if not isinstance(said, Mapping):
        raise CommandError("a command is a JSON object")
    name = said.get("do")
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise CommandError(f"no command {str(name)[:40]!r}: there are {', '.join(COMMANDS)}")
    asked = {key: value for key, value in said.items() if key != "do"}
    known = {field.name: field for field in fields(command)}
    for key in asked:
        if key not in known:
            raise CommandError(f"{name}: it has no '{str(key)[:40]}'")
    # What is a whole number in JSON may stand for any number, never the other way round.
    for key, value in asked.items():
        if str(known[key].type).startswith("float") and type(value) is int:
            asked[key] = float(value) if abs(value) < 1 << 53 else math.inf
    try:
        return command(**asked)
    except TypeError:
        missing = [key for key, field in known.items() if key not in asked and field.default is not None]
        raise CommandError(f"{name}: it needs {', '.join(missing) or 'more'}") from None


_BOUNDS = {
    "velocity": (0.0, 1.0),
    "pressure": (0.0, 1.0),
    "timbre": (0.0, 1.0),
    "bend_cents": (-MOST_BEND_CENTS, MOST_BEND_CENTS),
    "at_s": (0.0, MOST_S),
    "in_s": (0.0, 10.0),
    "interval_s": (0.25, 3.0),
    "pitch_hz": (1.0, 20_000.0),
}


def _problem(name: str, value: object, declared: str) -> str | None:
    """What is wrong with a command's field, if anything."""
    if value is None:
        return None if declared.endswith("None") else f"{name} is missing"
    if declared.startswith("bool"):
        return None if isinstance(value, bool) else f"{name} must be true or false"
    if declared.startswith("int"):
        high = 127 if name == "note" else CHANNELS * MOST_CABLES - 1
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high
        return None if fits else f"{name} must be a whole number between 0 and {high}"
    if declared.startswith("str"):
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
            return f"{name} must be a name"
        if name == "when" and value not in WHEN:
            return f"when is {value[:40]!r}; it must be one of {', '.join(WHEN)}"
        return None
    least, most = _BOUNDS.get(name, (-1e12, 1e12))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # NaN lies between nothing.
    fits = number and least <= value <= most  # type: ignore[operator]
    return None if fits else f"{name} must be a number between {least:g} and {most:g}"
