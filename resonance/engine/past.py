"""The past as an instrument: a few seconds of every scene, kept dry, as all its sounds played them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from resonance.contract import ready_frames
from resonance.dsp import F32, GRID_FRAMES
from resonance.engine.course import Passage

KEPT_S = 8.0
_FROM = 0.45  # of a scene's length: by then it has found itself


class Past:
    """Listens to the piece and keeps `KEPT_S` seconds of each scene, 3 MB each at 48 kHz."""

    def __init__(self, course: Passage) -> None:
        self._kept: dict[str, list[tuple[int, F32]]] = {}
        self._ready_frames = ready_frames(course.rate_hz)
        self._fresh: dict[str, F32] = {}
        self._frames = int(KEPT_S * course.rate_hz) // GRID_FRAMES * GRID_FRAMES
        self._free: list[F32] = []
        self.follow(course)

    @property
    def kept(self) -> Mapping[str, Sequence[tuple[int, F32]]]:
        """What was kept of each scene, by its name: of its last visits, oldest first."""
        return self._kept

    def take_memory(self) -> None:
        """Takes memory for every scene now."""
        self._free += [self._silence() for _ in self._begins]

    def _silence(self) -> F32:
        return np.full((2, self._frames), 0.0, np.float32)

    def follow(self, course: Passage) -> None:
        """Learns where on a course it will hear each scene; what it had begun to hear is forgotten."""
        begins = {scene.name: course.begins(scene, _FROM) for scene in course.timeline.scenes}
        self._begins = {name: begin for name, begin in begins.items() if begin is not None}
        self._free += self._fresh.values()
        self._fresh = {}

    def listen(self, start: int, played: F32) -> None:
        """Hears a block, (2, frames) from absolute frame `start` on."""
        end = start + played.shape[1]
        for name, begin in self._begins.items():
            if not (begin < end and start < begin + self._frames):
                continue
            if name not in self._fresh:
                # What was kept is never written over: somebody may be reflecting it.
                self._fresh[name] = self._free.pop() if self._free else self._silence()
                self._fresh[name].fill(0.0)
            fresh = self._fresh[name]
            first, last = max(begin, start), min(begin + self._frames, end)
            fresh[:, first - begin : last - begin] = played[:, first - start : last - start]
            if last == begin + self._frames:
                self._kept.setdefault(name, []).append((last, self._fresh.pop(name)))
        for kept in self._kept.values():
            # A mirror that was there before a scene came again reflects it as it was.
            while len(kept) > 2 and kept[2][0] + self._ready_frames <= start:
                del kept[0]

    def beside(self, start: int, played: F32) -> None:
        """Hears, too, what was played by hand over frames it has heard already, the last of all."""
        end = start + played.shape[1]
        for name, begin in self._begins.items():
            first, last = max(begin, start), min(begin + self._frames, end)
            memory = self._fresh.get(name)
            if memory is None and name in self._kept:
                memory = self._kept[name][-1][1]
            if first < last and memory is not None:
                memory[:, first - begin : last - begin] += played[:, first - start : last - start]
