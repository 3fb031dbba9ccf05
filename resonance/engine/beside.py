"""A first start on a machine: a second process compiles half of the kernels, into the same folder.

It begins at the end, with what each span passes through last: the space, the effects, the ceiling. By the
time the first process comes to them they lie on disk. Then it goes through the piece, to what sounds later.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from resonance import sounds
from resonance.dsp import CACHE_FOLDER
from resonance.score import Score

SHORTENED_S = 60.0


def is_first() -> bool:
    """Whether no kernel lies on disk yet, where there is a folder for them."""
    return CACHE_FOLDER is not None and next(CACHE_FOLDER.rglob("*.nbi"), None) is None


@contextlib.contextmanager
def compiled_beside(score: Score) -> Iterator[None]:
    """Has a second process compile a score's kernels meanwhile, if this is a first start and there is a core.

    Scores with sounds of a user's own are left alone: their code runs where it was allowed to.
    """
    if not is_first() or (os.cpu_count() or 1) < 2 or set(score.sounds) - set(sounds.names()):
        yield
        return
    words = ["-c", "from resonance.engine.beside import main; main()", str(score.path)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen([sys.executable, *words], **quiet)  # type: ignore[call-overload]
    except OSError:
        yield
        return
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """The second process; whatever stops it, the first one compiles by itself."""
    from resonance.engine import Engine
    from resonance.score import load

    score = load(sys.argv[1])
    Engine(score, only=[list(score.sounds)[-1]]).render(64)
    for _ in Engine(score, duration_s=SHORTENED_S).blocks():
        pass
