"""What goes between the parent and its processes: whole, in order, and never waited for."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from resonance.outputs.speakers.child import Child, packed, read_pickle
from resonance.outputs.speakers.piece import Asked


def test_a_process_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    """A flood of requests to one that reads none: they are kept, and it is ended."""
    with (tmp_path / "ring").open("wb") as ring:
        child = Child("piece", [], ring.fileno(), read_pickle, apart=True)
        os.kill(child.process.pid, signal.SIGSTOP)
        assert os.getsid(child.process.pid) == child.process.pid
        began = time.monotonic()
        for _ in range(100):
            child.send(bytes(10_000))
        child.leave(0.1)
        assert time.monotonic() - began < 5.0
        assert not child.alive


def test_what_is_asked_comes_whole_and_in_order() -> None:
    here, there = os.pipe()
    asked = Asked(here)
    assert list(asked.take()) == []
    whole = b"".join(packed(("do", number)) for number in range(3))
    os.write(there, whole[:-5])
    assert list(asked.take()) == [("do", 0), ("do", 1)]
    assert list(asked.take()) == []
    os.write(there, whole[-5:])
    assert list(asked.take()) == [("do", 2)]
    os.close(there)
    with pytest.raises(EOFError):
        list(asked.take())
    os.close(here)


def test_of_a_flood_of_requests_no_more_is_taken_than_leaves_time_to_render() -> None:
    here, there = os.pipe()
    asked, told = Asked(here), [packed(("do", number)) for number in range(2000)]
    os.write(there, b"".join(told))
    first = list(asked.take())
    assert 100 < len(first) <= 8192 // len(told[0])
    rest = [request for _ in range(10) for request in asked.take()]
    assert [number for _, number in first + rest] == list(range(2000))
    os.close(there)
    os.close(here)
