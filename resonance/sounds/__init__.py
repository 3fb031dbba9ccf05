"""The sounds. The folder is the registry: a sound is one file, named as scores name it.

Listing the names imports nothing; taking a sound imports its file, and with it the kernels it plays on.
A player's own file is taken in the same way and held to the same promises.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from resonance.units import Parameter, parameters

if TYPE_CHECKING:
    from resonance.contract import Patch, Rule, Voice

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What a sound can be called: a word that is a TOML key, a file's name and an OSC address alike."""

SUFFIXES = {"Hz": "_hz", "s": "_s", "dB": "_db", "st": "_st", "cents": "_cents", "m": "_m", "bpm": "bpm"}
"""How a parameter's name ends, by its unit."""

LARGEST_FILE_BYTES = 1_000_000
_OWN = "_resonance_own_"


class SoundError(ValueError):
    """A sound's file that cannot be used: one line that names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound as its file declares it: what can be asked of it, what sounds, and what decides when."""

    name: str
    patch: type[Patch]
    voice: type[Voice]
    rule: type[Rule] | None
    doc: str

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Its declared parameters by name, the shared ones first."""
        return parameters(self.patch)


def names() -> tuple[str, ...]:
    """The names of the built-in sounds; imports none of them."""
    return tuple(sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_")))


def sound(name: str) -> Sound:
    """A built-in sound; raises SoundError where there is none of that name, or its file is at fault."""
    if name not in names():
        raise SoundError(f"no sound {name!r}; there are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return _declared(name, module, f"sounds/{name}.py")


def own_sound(path: Path) -> Sound:
    """A player's own sound, named after its file. This runs the file's code; raises SoundError."""
    if not NAME.fullmatch(path.stem) or path.suffix != ".py":
        raise SoundError(f"{path.name}: name the file in small letters, digits and _, ending in .py")
    return _declared(path.stem, _own_module(path), path.name)


def catalogue(extra: Sequence[Path] = ()) -> dict[str, Sound]:
    """All sounds by name: the built-in ones, and a player's own files after them."""
    found = {name: sound(name) for name in names()}
    for path in extra:
        if path.stem in found:
            raise SoundError(f"{path.name}: there is a sound {path.stem!r} already; rename the file")
        found[path.stem] = own_sound(path)
    return found


def own_files(sounds: Iterable[Sound]) -> list[Path]:
    """The files of those sounds that are a player's own, for `own_sound` in another process."""
    modules = [sys.modules[sound.voice.__module__] for sound in sounds]
    return [Path(module.__file__ or "") for module in modules if module.__name__.startswith(_OWN)]


class _FromSource(SourceFileLoader):
    """Reads what the file says now: bytecode kept beside it does not notice two savings in one second."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError


def _own_module(path: Path) -> ModuleType:
    """The file as a module under a private name, which a changed file changes."""
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise SoundError(f"{path.name}: a sound's file is smaller than 1 MB")
        digest = hashlib.blake2b(str(path.resolve()).encode() + path.read_bytes(), digest_size=8)
    except OSError as error:
        raise SoundError(f"{path.name}: cannot be read: {error.strerror}") from None
    name = f"{_OWN}{path.stem}_{digest.hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SoundError(_fault(path, error)) from error
    return module


def _fault(path: Path, error: BaseException) -> str:
    """What went wrong while a file was imported, and in which of its lines."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name}:{error.lineno}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = f":{own[-1].lineno}" if own else ""
    said = " ".join(str(error).split())[:200]
    return f"{path.name}{line}: {type(error).__name__}: {said}".removesuffix(": ")


def _declared(name: str, module: ModuleType, file: str) -> Sound:
    """The sound a module declares; raises SoundError where it is not whole."""
    from resonance.contract import Patch, Rule, Voice

    patches = _subclasses(module, Patch)
    voices = _subclasses(module, Voice)
    rules = _subclasses(module, Rule)
    for kind, found, least in (("patch", patches, 1), ("voice", voices, 1), ("rule", rules, 0)):
        if len(found) > 1:
            listed = ", ".join(cls.__name__ for cls in found)
            raise SoundError(f"{file}: one {kind} a file; it has {len(found)}: {listed}")
        if len(found) < least:
            raise SoundError(
                f"{file}: no {kind}: write a class that extends resonance.contract.{kind.title()}"
            )
    _check_parameters(patches[0], file)
    return Sound(name, patches[0], voices[0], rules[0] if rules else None, (module.__doc__ or "").strip())


def _subclasses(module: ModuleType, parent: type) -> list[type]:
    """The classes written in this module (not merely imported into it) that extend `parent`."""
    return [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, parent) and cls.__module__ == module.__name__
    ]


def _check_parameters(patch: type[Patch], file: str) -> None:
    """Raises SoundError unless every parameter is declared, and named after its unit."""
    declaration = vars(patch).get("__dataclass_params__")
    if declaration is None or not declaration.frozen:
        raise SoundError(f"{file}: {patch.__name__} must be frozen: write @dataclass(frozen=True) above it")
    declared = parameters(patch)
    for field in dataclasses.fields(patch):
        if field.name not in declared:
            raise SoundError(
                f"{file}: {patch.__name__}.{field.name} is not declared: "
                f"write {field.name}: float = part(...), or hz, seconds, db of resonance.units"
            )
        unit, due = declared[field.name].unit, suffix_due(field.name, declared[field.name])
        if due is not None:
            measured = f"is in {unit}" if unit else "has no unit"
            said = f"end in {due}" if due else "have no unit's suffix"
            raise SoundError(f"{file}: {patch.__name__}.{field.name} {measured}; its name must {said}")


def suffix_due(name: str, parameter: Parameter) -> str | None:
    """The suffix that a parameter's name should have and has not; None where the name is right."""
    due = SUFFIXES.get(parameter.unit, "")
    right = name.endswith(due) if due else not name.endswith(tuple(SUFFIXES.values()))
    return None if right else due
