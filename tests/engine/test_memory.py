"""Memory that is taken from the system before it is needed."""

from __future__ import annotations

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


def resident(array: np.ndarray) -> int:
    """How many bytes the system has given of the mappings in which an array lies."""
    first_byte, given, here = array.ctypes.data, 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if "-" in first:
            begin, end = (int(word, 16) for word in first.split("-"))
            here = begin < first_byte + array.nbytes and end > first_byte
        elif here and first == "Rss:":
            given += 1024 * int(rest[0])
    return given


def test_takes_what_was_only_promised_and_changes_nothing() -> None:
    voice = Voice()
    (line,) = voice.state["lines"]
    flat = line.base
    assert isinstance(flat, np.ndarray)
    before = resident(flat)
    memory.take([voice, voice])
    assert resident(flat) - before > 0.9 * SIZE
    assert flat[0] == 1.0
    assert flat[-1] == 2.0
    assert np.count_nonzero(flat) == 2


def test_leaves_alone_what_cannot_be_written_to() -> None:
    frozen = np.arange(10_000.0)
    frozen.flags.writeable = False
    memory.take((frozen, np.arange(20_000.0).reshape(100, 200).T, np))
    assert frozen[-1] == 9_999.0
