"""The house: rooms import only from rooms to their left, and nothing heavy at the door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "resonance"
ORDER = [
    {"units", "rng"},
    {"tuning"},
    {"dsp"},
    {"generate"},
    {"contract"},
    {"sounds", "effects"},
    {"score"},
    {"engine"},
    {"inputs", "outputs", "analysis"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The names of the project's modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("resonance.")} & RANK.keys()


FILES = sorted(path for path in HOUSE.rglob("*.py") if path.name != "__main__.py" and path.parent != HOUSE)
FILES += [HOUSE / f"{name}.py" for name in ("units", "rng", "tuning", "contract")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_rooms_import_only_from_their_left(path: Path) -> None:
    own = room(path)
    wrong = {other for other in imported(path) if other != own and RANK[other] >= RANK[own]}
    assert not wrong, f"{own} must not know {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("kind", ["sounds", "effects"])
def test_sounds_and_effects_do_not_know_each_other(kind: str) -> None:
    for path in (HOUSE / kind).glob("[!_]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(f"resonance.{kind}"), f"{path.name} imports {node.module}"


def test_the_order_names_every_room() -> None:
    rooms = {room(path) for path in HOUSE.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms <= RANK.keys()


def test_the_door_opens_without_anything_heavy() -> None:
    code = (
        "import sys, resonance, resonance.cli; resonance.cli._parser(); "
        "heavy = ('numba', 'numpy', 'scipy', 'matplotlib', 'sounddevice', 'rich'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert said_by(code) == "[]"


def test_kernels_come_without_scipy_which_whoever_multiplies_matrices_still_gets() -> None:
    code = (
        "import sys, numba, numpy as np, resonance.dsp; print('scipy.linalg' in sys.modules); "
        "print(numba.njit(lambda a: np.dot(a, a))(2.0 * np.eye(2))[1, 1])"
    )
    assert said_by(code).split() == ["False", "4.0"]


def said_by(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
