"""resonance: a generative ambient audio engine.

    score = resonance.load("dream")                  # a preset's name, or a path to a score
    audio = resonance.render(score, seed=7)          # float32, shape (frames, 2), at score.rate
    resonance.write("dream.flac", audio, score.rate)

    engine = resonance.Engine(score, rate=48000, seed=7)
    block = engine.render(256)                       # the next 256 frames: the same samples, as they come

Nothing heavy is imported, no kernel compiled and no device opened until it is used.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Engine": "resonance.engine",
    "Score": "resonance.score",
    "ScoreError": "resonance.score",
    "load": "resonance.score",
    "render": "resonance.engine",
    "write": "resonance.outputs.file",
}

__all__ = ["Engine", "Score", "ScoreError", "__version__", "load", "render", "write"]

if TYPE_CHECKING:
    from resonance.engine import Engine, render
    from resonance.outputs.file import write
    from resonance.score import Score, ScoreError, load


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'resonance' has no attribute {name!r}")
    with nothing_collected():
        return getattr(importlib.import_module(_HOMES[name]), name)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """What is made at a start stays: to look through it for rubbish, again and again, takes a fifth of it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
