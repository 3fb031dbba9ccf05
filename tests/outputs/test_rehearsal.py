"""The same samples, whatever a process has compiled or loaded before it plays."""

import os
import subprocess
import sys
from pathlib import Path

from live import small

PLAYS = """
import hashlib, sys, resonance
from resonance.outputs.speakers.rehearsal import rehearse
score = resonance.load(sys.argv[1])
engine = resonance.Engine(score)
if sys.argv[2] == "rehearsed":
    rehearse(score, lambda line: None)
print(hashlib.sha256(engine.render(96_000).tobytes()).hexdigest())
"""


def test_kernels_round_alike_compiled_kept_and_rehearsed(tmp_path: Path) -> None:
    score = small(tmp_path)
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    heard = [
        subprocess.run(
            [sys.executable, "-c", PLAYS, score, how], env=env, check=True, capture_output=True
        ).stdout
        for how in ("compiled now", "kept on disk", "rehearsed", "rehearsed before")
    ]
    assert len(set(heard)) == 1
