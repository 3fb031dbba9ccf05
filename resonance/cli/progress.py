"""Progress on standard error: a bar on a terminal, plain lines elsewhere, and word of compiling kernels."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resonance.score import Score

_FIRST_LINE_S = 5.0  # a pipe is told nothing about what is over by then


class Progress:
    """How far a render is: its scene, the time left, how many times real time it runs."""

    def __init__(self, total_s: float) -> None:
        self._total_s = total_s
        self._began = time.monotonic()
        self._told = self._began + _FIRST_LINE_S - 10.0
        self._bar: Any = None
        self._scene = ""
        if sys.stderr.isatty():
            self._bar = _bar(total_s)
            self._bar.start()

    def at(self, done_s: float, scene: str) -> None:
        """Tells that `done_s` seconds of sound are there, and which scene plays."""
        spent_s = max(1e-9, time.monotonic() - self._began)
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=done_s, scene=scene, speed=f"{done_s / spent_s:.0f}x")
        elif time.monotonic() - self._told > 10.0 and scene != self._scene:
            self._told = time.monotonic()
            self._scene = scene
            print(f"{scene}: {done_s:.0f} of {self._total_s:.0f} s", file=sys.stderr, flush=True)

    def compiling(self, kernel: str, number: int, total: int) -> None:
        """Tells that a kernel is being compiled, which happens on a machine's first run only."""
        text = f"compiling kernels, this once: {number} of about {total} ({kernel})"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], scene=text, speed="")
        elif number == 1:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(total_s: float) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("[cyan]{task.fields[scene]}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[speed]}"),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task("render", total=total_s, scene="getting ready", speed="")
    return bar


@contextmanager
def rendering(total_s: float, score: Score) -> Iterator[Progress]:
    """Progress for as long as something of a score is rendered, kernels' compilation included."""
    from resonance.dsp import compilation
    from resonance.engine.beside import compiled_beside

    progress = Progress(total_s)
    try:
        with compiled_beside(score), compilation(progress.compiling):
            yield progress
    finally:
        progress.close()
