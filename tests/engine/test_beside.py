"""A first start: a second process compiles beside the first, and goes when it is not wanted any more."""

import subprocess
import sys
from pathlib import Path

import pytest
from listening import alone, score_of

from resonance.engine import beside


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen]:
    """The processes that were begun; each would sleep for a minute."""
    processes: list[subprocess.Popen] = []
    begin = subprocess.Popen

    def sleeping(words: list[str], **how: object) -> subprocess.Popen:
        assert words[:2] == [sys.executable, "-c"]
        processes.append(begin([sys.executable, "-c", "import time; time.sleep(60)"], **how))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    monkeypatch.setattr(beside.os, "cpu_count", lambda: 2)
    return processes


def test_only_a_first_start_has_one(
    begun: list[subprocess.Popen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "CACHE_FOLDER", tmp_path)
    with beside.compiled_beside(score_of(alone("drone"))):
        assert begun[0].poll() is None
    assert begun[0].poll() is not None, "it is gone when the first process is done"
    monkeypatch.setattr(beside.os, "cpu_count", lambda: 1)
    with beside.compiled_beside(score_of(alone("drone"))):
        assert len(begun) == 1
    monkeypatch.setattr(beside.os, "cpu_count", lambda: 2)
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "drone.nbi").touch()
    with beside.compiled_beside(score_of(alone("drone"))):
        assert len(begun) == 1
    monkeypatch.setattr(beside, "CACHE_FOLDER", None)
    with beside.compiled_beside(score_of(alone("drone"))):
        assert len(begun) == 1


def test_it_goes_through_the_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(alone("heartbeat", seconds=60))
    monkeypatch.setattr(sys, "argv", ["-c", str(path)])
    rendered = []
    monkeypatch.setattr(
        "resonance.engine.Engine.blocks", lambda self: rendered.append(self.score.name) or iter(())
    )
    beside.main()
    assert rendered == ["one"]
