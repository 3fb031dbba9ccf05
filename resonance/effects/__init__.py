"""The effects: what the sound of the whole piece goes through. The folder is the registry, as in sounds.

Each file declares one patch: a frozen dataclass whose parameters a score sets in a table of the file's name.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from resonance.units import parameters


def names() -> tuple[str, ...]:
    """The names of the effects; imports none of them."""
    return tuple(sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_")))


def effect(name: str) -> type:
    """The patch of an effect; raises TypeError where its file does not declare exactly one."""
    module = importlib.import_module(f"{__name__}.{name}")
    patches = [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type)
        and cls.__module__ == module.__name__
        and hasattr(cls, "__dataclass_fields__")
        and parameters(cls)
    ]
    if len(patches) != 1:
        raise TypeError(f"effects/{name}.py: it must declare one patch with parameters, not {len(patches)}")
    return patches[0]


def catalogue() -> dict[str, type]:
    """The patches of all effects, by name."""
    return {name: effect(name) for name in names()}
