"""Memory that is taken from the system before it is needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from resonance.engine import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SIZE = 64_000_000


class Voice:
    """Owns memory in several ways."""

    def __init__(self) -> None:
        flat = np.zeros(SIZE // 4, np.float32)
        flat[0], flat[-1] = 1.0, 2.0
        self.state = {"lines": [flat[4:-4].reshape(2, -1)]}


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_takes_what_was_only_promised_and_changes_nothing() -> None:
    before = resident()
    voice = Voice()
    assert resident() - before < 0.1 * SIZE
    memory.take([voice, voice])
    assert resident() - before > 0.9 * SIZE
    (line,) = voice.state["lines"]
    flat = line.base
    assert isinstance(flat, np.ndarray)
    assert flat[0] == 1.0
    assert flat[-1] == 2.0
    assert np.count_nonzero(flat) == 2


def test_leaves_alone_what_cannot_be_written_to() -> None:
    frozen = np.arange(10_000.0)
    frozen.flags.writeable = False
    memory.take((frozen, np.arange(20_000.0).reshape(100, 200).T, np))
    assert frozen[-1] == 9_999.0
