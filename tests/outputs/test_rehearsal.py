"""The same samples, whatever a process has compiled or loaded before it plays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live import small

import resonance
from resonance.outputs.speakers import rehearsal
from resonance.outputs.speakers.rehearsal import rehearse

PLAYS = """
import hashlib, sys, resonance
from resonance.outputs.speakers.rehearsal import rehearse
score = resonance.load(sys.argv[1])
engine = resonance.Engine(score)
if sys.argv[2] == "rehearsed":
    rehearse(score, lambda line: None)
print(hashlib.sha256(engine.render(96_000).tobytes()).hexdigest())
"""


def test_what_is_installed_again_is_rehearsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba compiles anew what lies elsewhere or is younger: in the middle of the music, were it not told."""
    monkeypatch.setattr(rehearsal, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(rehearsal, "SHORTEST_S", 1.0)
    monkeypatch.setattr(rehearsal, "SCENE_S", 0.5)
    score = resonance.load(small(tmp_path))
    said: list[str] = []

    def rehearsals() -> int:
        rehearse(score, said.append)
        rehearse(score, said.append)
        return len(said)

    assert rehearsals() == 1
    copy = tmp_path / "crystals.py"
    copy.touch()
    monkeypatch.setattr(sys.modules["resonance.sounds.crystals"], "__file__", str(copy))
    assert rehearsals() == 2
    os.utime(copy, (1.0, 1.0))
    assert rehearsals() == 3
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "another")
    assert rehearsals() == 4


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
