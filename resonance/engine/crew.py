"""A crew: hands that work side by side on calls that share nothing, so that nothing hangs on who did what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Call = Callable[[], None]
Made = TypeVar("Made")


class Crew:
    """`workers` threads, the caller's own among them. Kernels run beside each other, Python takes turns."""

    def __init__(self, workers: int) -> None:
        self.is_several = workers > 1
        self._pool = ThreadPoolExecutor(workers - 1, "resonance") if workers > 1 else None
        self._others = workers - 1
        self._cost_s: dict[str, float] = {}

    def each(self, calls: Mapping[str, Call]) -> None:
        """Makes all calls, and returns when all are done; the first error is raised then.

        Whatever took longest the last time is begun first, so that nobody waits for one who began it last.
        """
        if self._pool is None:
            for call in calls.values():
                call()
            return
        waiting = sorted(calls, key=lambda name: self._cost_s.get(name, 0.0))

        def take() -> None:
            while waiting:
                try:
                    name = waiting.pop()
                except IndexError:
                    return
                began = time.perf_counter()
                calls[name]()
                self._cost_s[name] = time.perf_counter() - began

        helping = [self._pool.submit(take) for _ in range(min(self._others, len(waiting) - 1))]
        try:
            take()
        finally:
            wait(helping)
        for hand in helping:
            hand.result()


def ahead(made: Iterator[Made]) -> Iterator[Made]:
    """The same things, each made while the one before it is used."""
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(next, made, None)
        while (thing := coming.result()) is not None:
            coming = pool.submit(next, made, None)
            yield thing
