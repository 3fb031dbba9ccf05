"""Memory that is taken from the system before it is needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from resonance.engine import memory

TAKES = """
import os
from pathlib import Path
import numpy as np
from resonance.engine import memory

class Voice:
    def __init__(self):
        flat = np.zeros(16_000_000, np.float32)
        flat[0], flat[-1] = 1.0, 2.0
        self.state = {"lines": [flat[4:-4].reshape(2, -1)]}

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = resident()
voice = Voice()
assert resident() - before < 6_400_000
memory.take([voice, voice])
assert resident() - before > 57_600_000
flat = voice.state["lines"][0].base
assert flat[0] == 1.0 and flat[-1] == 2.0 and np.count_nonzero(flat) == 2
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_takes_what_was_only_promised_and_changes_nothing() -> None:
    """In a process of its own: another's may have memory left over that it was given long ago."""
    done = subprocess.run([sys.executable, "-c", TAKES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_leaves_alone_what_cannot_be_written_to() -> None:
    frozen = np.arange(10_000.0)
    frozen.flags.writeable = False
    for asks in (memory.take, memory.wake):
        asks((frozen, np.arange(20_000.0).reshape(100, 200).T, np.zeros(0), np))
    assert frozen[-1] == 9_999.0
