"""Before it sounds: every kernel of a piece compiled, and all that was compiled before loaded."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import llvmlite.binding  # type: ignore[import-untyped]

import resonance
from resonance.dsp import CACHE_FOLDER, GRID_FRAMES, kernels
from resonance.engine.commands import Express, NoteOff, NoteOn
from resonance.engine.performance import Performance
from resonance.score import Score

SHORTEST_S = 60.0
SCENE_S = 5.0
_BLOCK_FRAMES = 4096


def rehearse(score: Score, tell: Callable[[str], None]) -> None:
    """Plays a piece through, short and unheard, where this machine has not yet played all of its sounds.

    By then every kernel that it uses is compiled and kept on disk, and none has to be while it sounds. Where
    all have been played before, their kernels are loaded, since that too takes its time.
    """
    with contextlib.suppress(AttributeError, OSError, EOFError, KeyError):
        _load()
    new = [] if CACHE_FOLDER is None else _unheard(score)
    if not new:
        return
    tell(f"rehearsing {score.title} unheard: there are sounds in it that were never played here")
    hearing = Performance(score, duration_s=max(SHORTEST_S, SCENE_S * len(score.scenes)))
    for name in score.sounds:
        # A piece may leave a sound to the keys alone, and only a hand bends and presses it.
        hearing.do(NoteOn(60, 0.8, name))
        hearing.do(Express(None, 0, name, bend_cents=100.0, pressure=0.5, timbre=0.7), GRID_FRAMES)
        hearing.do(NoteOff(60, 0.5, name), _BLOCK_FRAMES)
    while not hearing.ended:
        hearing.render(_BLOCK_FRAMES)
    for name in new:
        with contextlib.suppress(OSError):
            (CACHE_FOLDER / name).touch()  # type: ignore[operator]


def _unheard(score: Score) -> Sequence[str]:
    """A file's name for each sound that was not rehearsed yet.

    It hangs on what numba knows kernels by on disk, the processor, and where their files lie, their age and
    size: another copy of resonance on the machine, or the same one installed again, compiles its own.
    """
    assert CACHE_FOLDER is not None
    shared = hashlib.blake2b(llvmlite.binding.get_host_cpu_name().encode(), digest_size=8)
    house = Path(resonance.__file__).parent
    for file in (*sorted((house / "dsp").glob("*.py")), *sorted((house / "effects").glob("*.py"))):
        shared.update(_known_by(file))
    names = []
    for name, played in score.sounds.items():
        stamp = shared.copy()
        stamp.update(_known_by(Path(sys.modules[played.definition.voice.__module__].__file__ or "")))
        names.append(f"rehearsed-{name}-{stamp.hexdigest()}")
    return [name for name in names if not (CACHE_FOLDER / name).exists()]


def _known_by(file: Path) -> bytes:
    told = file.stat()
    return f"{file} {told.st_mtime_ns} {told.st_size}".encode()


def _load() -> None:
    """Loads from disk what numba would otherwise load at a kernel's first call: in the middle of the music.

    numba has no public way to do so; where its own has changed, kernels are loaded as they are called.
    """
    for kernel in kernels:
        for signature, *_ in kernel._cache._cache_file._load_index():
            kernel.compile(signature)
