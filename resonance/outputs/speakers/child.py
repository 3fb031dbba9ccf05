"""A process of ours as its parent sees it: what it says, what it is asked, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any

STARTS = "import sys; from resonance.outputs.speakers import {0}; {0}.main(sys.argv[1:])"
"""Not by `-m`: what is pickled there must have the same name here."""
ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""glibc gives each thread a heap: what nights, each built by a thread, left in theirs would add up."""


class Child:
    """A process of ours, its messages as they come, and what its libraries print kept out of the way.

    In a session of its own (`apart`) it is weighed against all others by itself, and no terminal stops it.
    """

    def __init__(
        self,
        module: str,
        words: list[str],
        file: int,
        read: Callable[[IO[bytes]], Any],
        *,
        apart: bool = False,
    ) -> None:
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.noise: deque[str] = deque(maxlen=40)
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARTS.format(module), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(file,),
            env=os.environ | ONE_HEAP,
            start_new_session=apart,
        )
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        self._unsent = bytearray()
        self._sending = threading.Lock()
        threading.Thread(target=self._read, args=(read,), daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()

    def _read(self, read: Callable[[IO[bytes]], Any]) -> None:
        assert self.process.stdout is not None
        while (message := read(self.process.stdout)) is not None:
            self.messages.put(message)

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.noise.append(line.decode(errors="replace").rstrip())

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: bytes = b"") -> None:
        """Sends a request, and whatever is left of those before it; one to a process that is gone is lost.

        It never waits: a process that hangs is not to take with it who would end it.
        """
        assert self.process.stdin is not None
        with self._sending, contextlib.suppress(OSError, ValueError):
            self._unsent += message
            while self._unsent:
                del self._unsent[: os.write(self.process.stdin.fileno(), self._unsent)]

    def leave(self, seconds: float = 0.0) -> None:
        """Asks it to leave, and ends it where it has not after so long: nothing in it can refuse."""
        assert self.process.stdin is not None
        with self._sending, contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.process.kill()
        self.process.wait()


def read_line(pipe: IO[bytes]) -> Any:
    """The next line of JSON; None when there is none to come."""
    with contextlib.suppress(OSError, ValueError):
        line = pipe.readline()
        return json.loads(line) if line else None
    return None


def packed(what: Any) -> bytes:
    """A pickle after its length, as `read_pickle` reads it."""
    message = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return len(message).to_bytes(4, "little") + message


def read_pickle(pipe: IO[bytes]) -> Any:
    """The next pickle, after its length; None when there is none to come."""
    with contextlib.suppress(OSError, ValueError, EOFError, pickle.UnpicklingError):
        size = pipe.read(4)
        if len(size) == 4:
            return pickle.loads(pipe.read(int.from_bytes(size, "little")))
    return None
