"""Maps: which control moves what, as a TOML file that a player can read, write and have written.

A map is validated as scores are: each mistake is a line with file, line, key, found and expected. What is
learned is written into the player's own text, whose comments and order stay.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resonance import sounds
from resonance.engine.commands import WHEN
from resonance.inputs.targets import Target, all_targets, target
from resonance.score import Score
from resonance.score.reading import Reading, shown
from resonance.score.words import nearest
from resonance.units import Parameter, choice, count, parameters

DEFAULT = Path(__file__).with_name("default_map.toml")
MOST_CONTROLS = 512
MODES = ("absolute", "twos", "offset", "sign")
ACTS = ("tap", "hold", "go on", "let go", "all off")

_CHANNEL = re.compile(r"[1-9]|1[0-6]")


@dataclass(frozen=True, slots=True)
class ControlKeys:
    """The keys of a [[control]]: a fader, knob or wheel and what it moves."""

    cc: int = count(1, 0, 119, "the controller's number, 7 bits")
    cc14: int = count(1, 0, 31, "a pair of controllers, this one and 32 above it, 14 bits")
    nrpn: int = count(0, 0, 16383, "a non-registered parameter, 14 bits")
    channel: int = count(0, 0, 16, "the MIDI channel; 0 is any")
    mode: str = choice("absolute", MODES, "absolute, or how an endless encoder says its steps")


@dataclass(frozen=True, slots=True)
class PadKeys:
    """The keys of a [[pad]]: a key, pad, button or program and what it does."""

    note: int = count(36, 0, 127, "the note, which then plays nothing")
    program: int = count(0, 0, 127, "a program change, from 0")
    cc: int = count(20, 0, 119, "a button's controller: pressed from 64 on")
    channel: int = count(0, 0, 16, "the MIDI channel; 0 is any")
    when: str = choice("now", WHEN, "where a scene begins: now, on the next beat, with the next breath")
    act: str = choice("tap", ACTS, "tap the tempo, hold this scene, go on, let controls go, or all notes off")


CONTROL = parameters(ControlKeys)
PAD = parameters(PadKeys)
SOURCES = ("cc", "cc14", "nrpn")
PRESSED = ("note", "program", "cc")


@dataclass(frozen=True, slots=True)
class Control:
    """A control and its target. `channel` is from 1, 0 is any; `device` a part of a port's name, or any."""

    source: str
    number: int
    target: Target
    channel: int = 0
    device: str = ""
    mode: str = "absolute"
    pickup: bool = True


@dataclass(frozen=True, slots=True)
class Pad:
    """Something pressed, and the scene that it launches or what else it does."""

    source: str
    number: int
    scene: str | None = None
    act: str | None = None
    channel: int = 0
    device: str = ""
    when: str = "now"


@dataclass(frozen=True, slots=True)
class Map:
    """A whole map. `sound` is what keys play (None: the score's own), `sounds` by channel from 0."""

    sound: str | None = None
    sounds: Mapping[int, str] = field(default_factory=dict)
    launch: str = "now"
    controls: tuple[Control, ...] = ()
    pads: tuple[Pad, ...] = ()


def astray(wiring: Map, score: Score) -> list[str]:
    """A line for each scene and sound of a map that a score does not have: maps serve several scores."""
    scenes, sounds = [scene.name for scene in score.scenes], list(score.sounds)
    named = [("scene", pad.scene, scenes) for pad in wiring.pads]
    named += [("sound", sound, sounds) for sound in (wiring.sound, *wiring.sounds.values())]
    return list(
        dict.fromkeys(
            f"the map's {kind} '{name}' is not in {score.title}{nearest(name, known)}"
            for kind, name, known in named
            if name is not None and name not in known
        )
    )


def load(path: Path | None = None) -> Map:
    """A map from its file, or the default one; raises ScoreError with every mistake in it."""
    return _Reading(path or DEFAULT).map()


class _Reading(Reading):
    """One reading of one map."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.targets = all_targets()

    def map(self) -> Map:
        whole = self.document
        if whole.get("format") != 1 or isinstance(whole["format"], bool):
            said = f"is {shown(whole['format'])}" if "format" in whole else "is missing"
            self.wrong(("format",), f"format {said}; write format = 1")
        self.refuse_unknown((), whole, ("format", "sound", "launch", "channels", "control", "pad"))
        launch = whole.get("launch", "now")
        if launch not in WHEN:
            self.wrong_value(("launch",), launch, f"one of {', '.join(WHEN)}")
        sound = self.sound(("sound",), whole["sound"]) if "sound" in whole else None
        by_channel = {}
        for key, value in self.table(("channels",), whole.get("channels", {})).items():
            if not _CHANNEL.fullmatch(key):
                self.wrong(("channels", key), f"channels.{key}: a channel is 1 to 16")
                continue
            found = self.sound(("channels", key), value)
            if found is not None:
                by_channel[int(key) - 1] = found
        controls = tuple(self.control(("control", i), t) for i, t in enumerate(self.tables("control")))
        pads = tuple(self.pad(("pad", i), t) for i, t in enumerate(self.tables("pad")))
        if self.problems:
            raise self.error()
        return Map(
            sound, by_channel, launch, tuple(filter(None, controls)), tuple(pad for pad in pads if pad)
        )

    def key(self, at: Any) -> str:
        """As a player would say it: "control 3: cc"."""
        if len(at) > 1 and isinstance(at[1], int):
            rest = super().key(at[2:])
            return f"{at[0]} {at[1] + 1}" + (f": {rest}" if rest else "")
        return super().key(at)

    def tables(self, name: str) -> list[dict[str, Any]]:
        value = self.document.get(name, [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            self.wrong_value((name,), value, f"[[{name}]] tables, in double brackets")
            return []
        if len(value) > MOST_CONTROLS:
            self.wrong((name,), f"there are {len(value)} of [[{name}]]; at most {MOST_CONTROLS}")
            return []
        return value

    def sound(self, at: Any, value: object) -> str | None:
        if not isinstance(value, str) or (value not in sounds.names() and not sounds.NAME.fullmatch(value)):
            self.wrong_value(at, value, "the name of a sound")
        elif value not in sounds.names():
            self.unknown(at, value, "sound", sounds.names(), around="")
        else:
            return value
        return None

    def declared(self, at: Any, table: dict[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
        """The table's values for declared keys, else their defaults."""
        found: dict[str, Any] = {}
        for name, parameter in known.items():
            value = self.number((*at, name), table[name], parameter) if name in table else None
            found[name] = parameter.default if value is None else value
        return found

    def source(self, at: Any, table: dict[str, Any], sources: tuple[str, ...]) -> str | None:
        named = [name for name in sources if name in table]
        if len(named) == 1:
            return named[0]
        said = f"names {' and '.join(named)}" if named else "names none"
        self.wrong(at, f"{self.key(at)} {said} of {', '.join(sources)}; it must name one")
        return None

    def device(self, at: Any, table: dict[str, Any]) -> str:
        value = table.get("device", "")
        if not isinstance(value, str) or len(value) > 200:
            self.wrong_value((*at, "device"), value, "a part of a port's name")
            return ""
        return value

    def control(self, at: Any, table: dict[str, Any]) -> Control | None:
        self.refuse_unknown(at, table, (*CONTROL, "target", "low", "high", "pickup", "device"))
        found = self.declared(at, table, CONTROL)
        source = self.source(at, table, SOURCES)
        pickup = table.get("pickup", True)
        if not isinstance(pickup, bool):
            self.wrong_value((*at, "pickup"), pickup, "true or false")
            pickup = True
        name = table.get("target")
        if not isinstance(name, str) or name not in self.targets:
            if isinstance(name, str):
                self.unknown_target((*at, "target"), name)
            else:
                said = shown(name) if "target" in table else "missing"
                self.wrong((*at, "target"), f"{self.key((*at, 'target'))} is {said}; name what it moves")
            return None
        parameter = self.targets[name]
        travel: dict[str, float | None] = {}
        for end in ("low", "high"):
            travel[end] = self.number((*at, end), table[end], parameter) if end in table else None
        device = self.device(at, table)
        if source is None:
            return None
        return Control(
            source,
            found[source],
            target(name, parameter, travel["low"], travel["high"]),
            found["channel"],
            device,
            found["mode"],
            pickup,
        )

    def unknown_target(self, at: Any, name: str) -> None:
        from resonance.score.words import nearest

        guess = nearest(name, self.targets) or "; resonance show NAME lists a sound's"
        self.wrong(at, f"{self.key(at)}: no target {shown(name)}{guess}")

    def pad(self, at: Any, table: dict[str, Any]) -> Pad | None:
        self.refuse_unknown(at, table, (*PAD, "scene", "device"))
        found = self.declared(at, table, PAD)
        source = self.source(at, table, PRESSED)
        scene = table.get("scene")
        if scene is not None and not isinstance(scene, str):
            self.wrong_value((*at, "scene"), scene, "the name of a scene")
        if ("scene" in table) == ("act" in table):
            self.wrong(at, f"{self.key(at)} must have either a scene or an act")
        device = self.device(at, table)
        if source is None:
            return None
        act = found["act"] if "act" in table else None
        return Pad(source, found[source], scene, act, found["channel"], device, found["when"])


# What is learned


def bound(old: Map, control: Control) -> Map:
    """The map with a control bound: what moved its target before, and what it moved before, let go."""
    kept = (c for c in old.controls if c.target.name != control.target.name and not same(c, control))
    return replace(old, controls=(*kept, control))


def same(one: Control, other: Control) -> bool:
    """Whether two bindings are of one physical control."""
    alike = (one.source, one.number) == (other.source, other.number)
    return alike and one.channel in (0, other.channel) and one.device in ("", other.device)


def write(path: Path, control: Control) -> None:
    """Writes a binding into a map's file, made from the default map where there is none.

    The file's comments, order and other bindings stay; it is replaced in one piece, never half written.
    """
    import tomlkit

    text = (path if path.exists() else DEFAULT).read_text(encoding="utf-8")
    document = tomlkit.parse(text)
    tables = document.get("control")
    if tables is None:
        tables = tomlkit.aot()
        document["control"] = tables
    keys: dict[str, Any] = {control.source: control.number}
    if control.channel:
        keys["channel"] = control.channel
    if control.device:
        keys["device"] = control.device
    if control.mode != "absolute":
        keys["mode"] = control.mode
    mine = [table for table in tables if table.get("target") == control.target.name]
    # What this control moved before is its no longer.
    for table in [table for table in tables if table not in mine and _names(table, control)]:
        tables.remove(table)
    for table in mine[1:]:
        tables.remove(table)
    if mine:
        table = mine[0]
        for key in (*SOURCES, "channel", "device", "mode"):
            if key not in keys:
                table.pop(key, None)
        table.update(keys)
    else:
        table = tomlkit.table()
        table.update(keys)
        table["target"] = control.target.name
        if len(tables) and not tables[-1].as_string().endswith("\n\n"):
            tables[-1].add(tomlkit.nl())
        tables.append(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(tomlkit.dumps(document), encoding="utf-8")
    os.replace(beside, path)


def _names(table: Mapping[str, Any], control: Control) -> bool:
    """Whether a table of a map's file is of the same physical control."""
    alike = table.get(control.source) == control.number
    same_channel = table.get("channel", 0) in (0, control.channel)
    return alike and same_channel and table.get("device", "") in ("", control.device)
