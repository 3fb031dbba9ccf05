"""`resonance play` as a stranger runs it: a program of its own, its lines, its signals, its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAM = [sys.executable, "-c", "import sys; from resonance.cli import main; sys.exit(main(sys.argv[1:]))"]
PATIENCE_S = 100.0
"""For a busy machine whose kernels may still have to be compiled; elsewhere nothing takes a tenth of it."""

SCORE = """format = 1
title = "Small"
about = "a test"
seed = 5
[[scene]]
name = "one"
length = {first}
energy = 0.6
[scene.sounds]
drone = {{}}
crystals = {{ touch_hz = 4 }}
[[scene]]
name = "two"
length = {second}
crossfade = 0.5
[scene.sounds]
drone = {{}}
"""


def small(folder: Path, first: float = 300.0, second: float = 300.0) -> Path:
    """A score of two scenes that costs little."""
    path = folder / "small.toml"
    path.write_text(SCORE.format(first=first, second=second))
    return path


class Program:
    """A running `resonance` command; `lines` grow while it runs, standard output and error together."""

    def __init__(self, *words: str | Path, env: dict[str, str], folder: Path, typed: bool = False) -> None:
        self.lines: list[str] = []
        self.running = subprocess.Popen(
            [*PROGRAM, *map(str, words)],
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**env, "PYTHONPATH": os.pathsep.join(sys.path)}, cwd=folder, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.running.stdout is not None
        for line in self.running.stdout:
            self.lines.append(line.rstrip("\n"))

    def types(self, text: str) -> None:
        """Types into it, where it was begun as `typed`."""
        assert self.running.stdin is not None
        self.running.stdin.write(text)
        self.running.stdin.flush()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait()

    def says(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Waits for a line that holds the pattern, for the n-th time."""
        found: list[re.Match[str]] = []

        def there() -> bool:
            found[:] = [match for line in list(self.lines) if (match := re.search(pattern, line))]
            return len(found) >= times

        wait_until(lambda: there() or self.running.poll() is not None, lambda: f"{pattern!r} in {self.lines}")
        if not there():
            self._reader.join(5)
        assert there(), f"{pattern!r} was never said, but {self.lines}"
        return found[times - 1]

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Fails where what is waited for takes longer, unless the machine has far too much to do."""
        began = time.monotonic()
        yield
        spent = time.monotonic() - began
        busy = os.getloadavg()[0] > 2.0 * (os.cpu_count() or 1)
        assert spent < seconds or busy, f"it took {spent:.1f} s"

    def ends(self, number: signal.Signals | None = None) -> int:
        """Its exit code, after a signal if one is given."""
        if number is not None:
            self.running.send_signal(number)
        code = self.running.wait(PATIENCE_S)
        self._reader.join(5)
        return code

    def children(self, part: str) -> list[int]:
        """The processes it has started whose command line holds `part`."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    if parent == self.running.pid and part in (entry / "cmdline").read_text():
                        found.append(int(entry.name))
        return found


def wait_until(true: Callable[[], bool], what: Callable[[], str], seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain for {what()}"
        time.sleep(0.05)
