"""A score's text to frozen objects. A mistake becomes one line: file, line, key, found, expected."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from resonance import effects as all_effects
from resonance import nothing_collected
from resonance import sounds as all_sounds
from resonance.score import lines as source
from resonance.score import recordings, scala
from resonance.score.curves import MOST_POINTS, Curve
from resonance.score.piece import (
    ARC,
    HELD_NOTES,
    LEAST_S,
    MOST_S,
    MOST_SCENES,
    RATES_HZ,
    SCENE,
    WHOLE,
    EffectPart,
    Scene,
    Score,
    ScoreError,
    SoundPart,
    digest,
)
from resonance.score.reading import MOST_BYTES, Reading, clipped, shown, shown_key
from resonance.score.words import nearest, read_time
from resonance.sounds import Sound, SoundError
from resonance.tuning import JUST, Keys, Tuning, melodic, scale
from resonance.units import Parameter, parameters

MOST_RATIOS = 128
LONGEST_WORDS = 500
WORDS = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
"""A line of any script: nothing in it moves a terminal's cursor."""

SCENE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Short on purpose: a ratio with an exponent could ask for a number that fills the memory.
RATIO = re.compile(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,9})?")

_POSITION = Parameter("number", "", 0.0, 0.0, 1.0, "where in the scene")


def _preset_folder() -> Path:
    """Inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    return next((p for p in (package / "presets", package.parent / "presets") if p.is_dir()), package)


def preset_names() -> tuple[str, ...]:
    """The names of the presets."""
    return tuple(sorted(path.stem for path in _preset_folder().glob("*.toml")))


def preset_path(name: str) -> Path:
    """The file of a preset; raises ScoreError where there is none of that name."""
    if name not in preset_names():
        guess = nearest(name, preset_names()) or "; give a preset's name, or the path of a .toml file"
        raise ScoreError([f"no preset {shown(name)}{guess}"])
    return _preset_folder() / f"{name}.toml"


@nothing_collected()
def load(name_or_path: str | Path, *, allow_code: bool = False) -> Score:
    """The score of a preset's name or a file's path; raises ScoreError with every mistake in it.

    `allow_code` lets it use sounds of the player's own, whose files are run.
    """
    return _Reading(_path(name_or_path), allow_code).score()


def read(text: str, path: Path, *, allow_code: bool = False) -> Score:
    """The score in a text that was once read from a file; as `load`. Files it names lie beside `path`."""
    return _Reading(path, allow_code, text).score()


def _path(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path):
        return name_or_path
    is_name = not name_or_path.endswith(".toml") and Path(name_or_path).name == name_or_path
    if is_name and (name_or_path in preset_names() or not os.path.lexists(name_or_path)):
        return preset_path(name_or_path)
    return Path(name_or_path)


Declared = Mapping[str, Parameter]


class _Reading(Reading):
    """One reading of one score."""

    def __init__(self, path: Path, allow_code: bool, text: str | None = None) -> None:
        super().__init__(path, text)
        self.folder = Path(os.path.abspath(path.parent)).resolve()
        self.allow_code = allow_code
        self.built_in = all_sounds.names()
        self.found: dict[str, Sound | None] = {}  # by name; None for one whose mistake is noted
        self.contents: dict[str, str] = {}
        self.effects = all_effects.catalogue()

    def key(self, at: source.Path) -> str:
        """The way to a value as a composer would say it: "scene base: sounds.drone.glow"."""
        keys = [shown_key(key) for key in at if isinstance(key, str)]
        if at[:1] == ("scene",) and len(at) > 1:
            return ": ".join([self.scene_label(at), ".".join(keys[1:])]).removesuffix(": ")
        return ".".join(keys)

    def scene_label(self, at: source.Path) -> str:
        number = at[1]
        assert isinstance(number, int)
        name = self.document["scene"][number].get("name")
        named = isinstance(name, str) and SCENE_NAME.fullmatch(name)
        return f"scene {name}" if named else f"scene {number + 1}"

    # Values. Each gives None, or its default, where it noted a mistake.

    def words(self, at: source.Path, default: str) -> str:
        value = self.document.get(str(at[-1]), default)
        if not isinstance(value, str) or not WORDS.fullmatch(value) or len(value) > LONGEST_WORDS:
            self.wrong_value(at, value, f"a line of at most {LONGEST_WORDS} characters")
            return default
        return value

    def time(self, at: source.Path, value: object, parameter: Parameter) -> float | None:
        if isinstance(value, str):
            try:
                value = read_time(value)
            except ValueError as error:
                self.wrong(at, f"{self.key(at)}: {error}")
                return None
        if not parameter.allows(value):
            self.wrong_value(at, value, f'{parameter.expected()}, or a text like "1:30"', parameter.unit)
            return None
        return float(value)  # type: ignore[arg-type]

    def curve(self, at: source.Path, value: object, parameter: Parameter) -> Curve | None:
        """A number; a list of them, evenly spaced; or a list of (position, value) pairs."""
        if not isinstance(value, list):
            number = self.number(at, value, parameter)
            return None if number is None else Curve.of(number)
        if not value or len(value) > MOST_POINTS:
            self.wrong(at, f"{self.key(at)} has {len(value)} points; a curve has 1 to {MOST_POINTS}")
            return None
        if not any(isinstance(point, list) for point in value):
            numbers = [self.number((*at, i), point, parameter) for i, point in enumerate(value)]
            return None if None in numbers else Curve.of(*numbers)
        points = [self.point((*at, i), point, parameter) for i, point in enumerate(value)]
        if None in points:
            return None
        for i in range(1, len(points)):
            before, now = points[i - 1][0], points[i][0]
            if not before < now:
                said = f"position {shown(now)} comes after {shown(before)}; positions must ascend"
                self.wrong((*at, i), f"{self.key(at)}: {said}")
                return None
        return Curve(tuple(points))

    def point(self, at: source.Path, value: object, parameter: Parameter) -> Any:
        if not isinstance(value, list) or len(value) != 2:
            self.wrong_value(at, value, "all numbers, or all pairs [position, value]")
            return None
        if not _POSITION.allows(value[0]):
            said = f"position is {shown(value[0])}; it must be {_POSITION.expected()}"
            self.wrong(at, f"{self.key(at)}: {said}")
            return None
        number = self.number((*at, 1), value[1], parameter)
        return None if number is None else (float(value[0]), number)

    def file(self, at: source.Path, value: object) -> Path | None:
        """A file that lies in the score's folder, or under it."""
        if not isinstance(value, str) or not WORDS.fullmatch(value) or not 0 < len(value) <= LONGEST_WORDS:
            self.wrong_value(at, value, "the name of a file")
            return None
        try:
            path = (self.folder / value).resolve()
            inside = path.is_relative_to(self.folder) and not Path(value).is_absolute()
            there = inside and path.is_file()
        except (OSError, RuntimeError):
            inside, there = True, False
        if not inside:
            said = "leads out of the score's folder; put it beside the score"
            self.wrong(at, f"{self.key(at)}: {shown(value)} {said}")
        elif not there:
            self.wrong(at, f"{self.key(at)}: there is no file {shown(value)} beside the score")
        return path if there else None

    def content(self, name: str, path: Path) -> None:
        """Makes a file part of the score's digest."""
        with path.open("rb") as file:
            self.contents[name] = hashlib.file_digest(file, "blake2b").hexdigest()

    # Fields of sounds and effects

    def fields(self, at: source.Path, table: dict[str, Any], declared: Declared) -> dict[str, Any]:
        """The fields that a table sets for the whole piece: no curves."""
        self.refuse_unknown(at, table, declared)
        found: dict[str, Any] = {}
        for name, value in table.items():
            parameter, here = declared.get(name), (*at, name)
            if parameter is None:
                continue
            if parameter.kind == "file":
                self.recording(here, value, parameter)
                found[name] = value
            elif parameter.kind == "files":
                found[name] = self.files(here, value, parameter)
            elif parameter.follows_curves and isinstance(value, list):
                self.wrong_value(here, value, f"{parameter.expected()}; curves belong in scenes")
            else:
                found[name] = self.number(here, value, parameter)
        return found

    def table_of(self, at: source.Path) -> str:
        """The table for the whole piece of what a scene names: "[sounds.drone]" or "[space]"."""
        return f"[{'.'.join(str(key) for key in at[2:])}]"

    def files(self, at: source.Path, value: object, parameter: Parameter) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > recordings.MOST_FILES:
            self.wrong_value(at, value, f"a list of at most {recordings.MOST_FILES} audio files")
            return ()
        for i, name in enumerate(value):
            self.recording((*at, i), name, parameter)
        return tuple(value)

    def recording(self, at: source.Path, name: object, parameter: Parameter) -> None:
        path = self.file(at, name)
        if path is None:
            return
        try:
            recordings.check(path, parameter.high)
            self.content(str(name), path)
        except (recordings.RecordingError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            self.wrong(at, f"{self.key(at)}: {shown(name)} {said}")

    def curves(self, at: source.Path, table: dict[str, Any], declared: Declared) -> dict[str, Curve]:
        """The fields that a scene sets: numbers and curves."""
        self.refuse_unknown(at, table, declared)
        found = {}
        for name, value in table.items():
            parameter, here = declared.get(name), (*at, name)
            if parameter is None:
                continue
            if not parameter.follows_curves:
                said = f"is fixed while a piece plays; set it in {self.table_of(at)}"
                self.wrong(here, f"{self.key(here)} {said}")
                continue
            curve = self.curve(here, value, parameter)
            if curve is not None:
                found[name] = curve
        return found

    # The parts of a score

    def score(self) -> Score:
        whole = self.document
        known = {
            "format",
            "title",
            "about",
            "rate_hz",
            "tuning",
            "keyboard",
            "held_notes",
            "sounds",
            "scene",
            *WHOLE,
            *self.effects,
        }
        if whole.get("format") != 1 or isinstance(whole["format"], bool):
            said = f"is {shown(whole['format'])}" if "format" in whole else "is missing"
            self.wrong(("format",), f"format {said}; write format = 1")
        self.refuse_unknown((), whole, known)
        numbers = {
            name: self.number((name,), whole[name], parameter) if name in whole else parameter.default
            for name, parameter in WHOLE.items()
        }
        rate_hz = whole.get("rate_hz", 48_000)
        if isinstance(rate_hz, bool) or rate_hz not in RATES_HZ:
            self.wrong_value(("rate_hz",), rate_hz, f"one of {', '.join(map(str, RATES_HZ))}", "Hz")
        title, about = self.words(("title",), self.path.stem), self.words(("about",), "")
        tuning = self.tuning(numbers["root_hz"])
        held_notes = whole.get("held_notes", HELD_NOTES[0])
        if held_notes not in HELD_NOTES:
            self.wrong_value(("held_notes",), held_notes, f"one of {', '.join(HELD_NOTES)}")
        tables = self.sound_tables()
        effects = {name: self.effect_part(name, patch) for name, patch in self.effects.items()}
        scenes = self.scenes(numbers)
        sounds = self.sound_parts(tables, scenes)
        if self.problems:
            raise self.error()
        heard = (numbers["seed"], int(rate_hz), tuning, scenes, sounds, effects, self.contents)
        return Score(
            name=self.path.stem,
            path=self.path,
            title=title,
            about=about,
            seed=numbers["seed"],
            rate_hz=int(rate_hz),
            tuning=tuning,
            held_notes=held_notes,
            bpm=numbers["bpm"],
            breath_hz=numbers["breath_hz"],
            scenes=scenes,
            sounds=sounds,
            effects=effects,
            digest=digest(*heard),
            text=self.text,
        )

    def effect_part(self, name: str, patch: type) -> EffectPart:
        table = self.table((name,), self.document.get(name, {}))
        return EffectPart(patch, self.fields((name,), table, parameters(patch)))

    def tuning(self, root_hz: float | None) -> Tuning:
        value = self.document.get("tuning", list(JUST))
        expected = 'a list of ratios like ["1/1", "5/4", "3/2"], or a .scl file beside the score'
        if isinstance(value, str):
            return self.tuned(value, root_hz or Tuning().root_hz)
        if "keyboard" in self.document:
            self.wrong(("keyboard",), 'keyboard: a mapping goes with a tuning file: tuning = "my.scl"')
        if not isinstance(value, list) or not 0 < len(value) <= MOST_RATIOS:
            self.wrong_value(("tuning",), value, f"{expected}, at most {MOST_RATIOS}")
        else:
            for i, ratio in enumerate(value):
                number = isinstance(ratio, (int, float)) and not isinstance(ratio, bool)
                if not number and not (isinstance(ratio, str) and RATIO.fullmatch(ratio)):
                    self.wrong_value(("tuning", i), ratio, expected)
                    return Tuning()
            try:
                return scale(value, root_hz or Tuning().root_hz)
            except ValueError as error:
                self.wrong(("tuning",), f"tuning: {clipped(str(error), 120)}")
        return Tuning()

    def tuned(self, value: str, root_hz: float) -> Tuning:
        """A tuning from a scale's file, and a keyboard's mapping where there is one."""
        read = self.scala(("tuning",), value, ".scl", scala.scale)
        mapped: scala.Mapping | None = scala.plain(root_hz)
        if "keyboard" in self.document:
            mapped = self.scala(("keyboard",), self.document["keyboard"], ".kbm", scala.mapping)
        if read is None or mapped is None:
            return Tuning()
        keys = Keys(
            read.ratios,
            read.period,
            mapped.middle,
            1.0,
            mapped.first,
            mapped.last,
            mapped.keys,
            mapped.octave,
        )
        # The pitch that is given is one key's, wherever that lies, even where it plays nothing itself.
        given = replace(keys, first=0, last=127).hz(mapped.reference)
        assert given is not None
        keys = replace(keys, middle_hz=mapped.reference_hz / given)
        # The piece's root is the mapping's, in the octave that the score asks for.
        octaves = round(math.log(root_hz / keys.middle_hz, read.period))
        root_hz = keys.middle_hz * read.period**octaves
        return Tuning(root_hz, melodic(read.ratios, read.period), read.period, keys)

    def scala(self, at: source.Path, value: object, ending: str, read: Callable[[str], Any]) -> Any:
        """What a tuning file says; None where a mistake in it was noted."""
        if not isinstance(value, str) or not value.endswith(ending):
            self.wrong_value(at, value, f"the name of a {ending} file")
            return None
        path = self.file(at, value)
        if path is None:
            return None
        try:
            if path.stat().st_size > MOST_BYTES:
                raise scala.ScalaError(1, f"it has more than {MOST_BYTES} bytes")
            self.content(value, path)
            # Scala's own files are in the encoding of the West of 1990.
            return read(path.read_bytes().decode("latin-1"))
        except scala.ScalaError as error:
            self.wrong(at, f"{self.key(at)}: {shown(value)}, line {error.line}: {error}")
        except OSError as error:
            self.wrong(at, f"{self.key(at)}: {shown(value)} cannot be read: {error.strerror}")
        return None

    def sound_tables(self) -> dict[str, dict[str, Any]]:
        """The tables of [sounds.X], and in `found` the player's own sounds, before any field is read."""
        value = self.document.get("sounds", {})
        if isinstance(value, list):
            for i, file in enumerate(value):
                name = Path(file).stem if isinstance(file, str) else ""
                self.own_sound(("sounds", i), name, file)
            return {}
        found = {}
        for name, table in self.table(("sounds",), value).items():
            fields = dict(self.table(("sounds", name), table))
            if "code" in fields:
                self.own_sound(("sounds", name, "code"), name, fields.pop("code"))
            found[name] = fields
        return found

    def own_sound(self, at: source.Path, name: str, file: object) -> None:
        if name in self.found or name in self.built_in:
            self.wrong(at, f"{self.key(at)}: there is a sound {shown(name)} already; choose another name")
            return
        self.found[name] = None
        if not self.allow_code:
            said = f"{shown(file)} is code, which is run only where you allow it: add --allow-code"
            self.wrong(at, f"{self.key(at)}: {said}")
            return
        path = self.file(at, file)
        if path is None:
            return
        try:
            self.found[name] = all_sounds.own_sound(path)
            self.content(name, path)
        except (SoundError, OSError) as error:
            self.wrong(at, f"{self.key(at)}: {error}")

    def sound(self, at: source.Path, name: str) -> Sound | None:
        """The sound of a name; a name that is not one is noted where it stands."""
        if name in self.found:
            return self.found[name]
        if name not in self.built_in:
            around = self.key(at[:2]) if at[0] == "scene" else ""
            self.unknown(at, name, "sound", (*self.built_in, *self.found), around)
            return None
        self.found[name] = None
        try:
            self.found[name] = all_sounds.sound(name)
        except SoundError as error:
            self.wrong(at, str(error))
        return self.found[name]

    def sound_parts(self, tables: Mapping[str, Any], scenes: tuple[Scene, ...]) -> dict[str, SoundPart]:
        """Every sound that the score names, in the order of the names."""
        found = {}
        for name in sorted({*tables, *self.found, *(name for scene in scenes for name in scene.sounds)}):
            definition = self.sound(("sounds", name), name)
            if definition is not None:
                fields = self.fields(("sounds", name), tables.get(name, {}), definition.parameters)
                found[name] = SoundPart(definition, fields)
        return found

    def scenes(self, whole: Mapping[str, Any]) -> tuple[Scene, ...]:
        value = self.document.get("scene", [])
        if isinstance(value, dict):
            self.wrong(("scene",), "scene is one table; write [[scene]], in double brackets")
            return ()
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            self.wrong_value(("scene",), value, "[[scene]] tables")
            return ()
        if not 0 < len(value) <= MOST_SCENES:
            self.wrong(("scene",), f"there are {len(value)} scenes; write 1 to {MOST_SCENES} of [[scene]]")
            return ()
        found: dict[str, Scene] = {}
        for i, table in enumerate(value):
            scene = self.scene(("scene", i), table, whole)
            if scene.name in found:
                said = f"there is a scene {scene.name!r} already; give this one another name"
                self.wrong(("scene", i, "name"), said)
            elif scene.name:
                found[scene.name] = scene
        duration_s = sum(scene.length_s for scene in found.values())
        if not self.problems and not LEAST_S <= duration_s <= MOST_S:
            said = f"it must be between {LEAST_S:g} and {MOST_S:g} s"
            self.wrong(("scene",), f"the scenes last {duration_s:g} s together; {said}")
        return tuple(found.values())

    def scene(self, at: source.Path, table: dict[str, Any], whole: Mapping[str, Any]) -> Scene:
        """A scene; whatever is wrong in it is noted, and its default stands in."""
        self.refuse_unknown(at, table, {"name", "length", "crossfade", "sounds", *ARC, *self.effects})
        name = table.get("name")
        if not isinstance(name, str) or not SCENE_NAME.fullmatch(name):
            said = f"name is {shown(name)}" if "name" in table else "name is missing"
            self.wrong((*at, "name"), f"{self.key(at)}: {said}; it must be 1 to 64 letters, digits, _ and -")
            name = ""
        length_s = SCENE["length_s"].default
        if "length" in table:
            length_s = self.time((*at, "length"), table["length"], SCENE["length_s"]) or length_s
        else:
            self.wrong(at, f'{self.key(at)}: length is missing; write length = "1:30"')
        crossfade_s = SCENE["crossfade_s"].default
        if "crossfade" in table:
            read_s = self.time((*at, "crossfade"), table["crossfade"], SCENE["crossfade_s"])
            crossfade_s = crossfade_s if read_s is None else read_s
        arc = {}
        for key in ARC:
            stands_in = Curve.of(whole.get(key) or SCENE[key].default)
            read = self.curve((*at, key), table[key], SCENE[key]) if key in table else None
            arc[key] = read or stands_in
        effects = {
            key: self.curves((*at, key), self.table((*at, key), table[key]), parameters(patch))
            for key, patch in self.effects.items()
            if key in table
        }
        return Scene(name, length_s, crossfade_s, **arc, sounds=self.asked(at, table), effects=effects)

    def asked(self, at: source.Path, table: dict[str, Any]) -> dict[str, dict[str, Curve]]:
        """Who plays in a scene, and what it asks of them: a list of names, or a table."""
        at, value = (*at, "sounds"), table.get("sounds", {})
        if isinstance(value, list):
            found: dict[str, dict[str, Curve]] = {}
            for i, name in enumerate(value):
                if not isinstance(name, str):
                    self.wrong_value((*at, i), name, "all names of sounds")
                elif self.sound((*at, i, name), name):
                    found[name] = {}
            return found
        found = {}
        for name, fields in self.table(at, value).items():
            here = (*at, name)
            sound = self.sound(here, name)
            if sound is None:
                continue
            if isinstance(fields, (int, float)) and not isinstance(fields, bool):
                gain = self.number(here, fields, sound.parameters["gain_db"])
                found[name] = {} if gain is None else {"gain_db": Curve.of(gain)}
            elif isinstance(fields, dict):
                found[name] = self.curves(here, fields, sound.parameters)
            else:
                self.wrong_value(here, fields, "its gain_db, or a table of its fields")
        return found
