"""The second half of a render whose level or whose beginning hangs on the whole: gain, then the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from resonance.analysis.loudness import Meter
from resonance.dsp import F32, GRID_FRAMES
from resonance.effects.master import CEILING_DBTP, Ceiling
from resonance.outputs.aside import Aside
from resonance.units import level_from_db

_WARM_S = 10.0  # the limiter's slowest release is long over by then
_CLOSE_LU = 0.02
_TRIES = 8
_MOST_OVER_DB = 15.0
"""How much a limiter is asked to take away at most: past this nothing gets louder, only flatter."""
_UNTOUCHED_DBTP = -2.0
"""What peaks below this reaches the ceiling nowhere, whatever a meter may miss."""


def levelled(
    aside: Aside,
    rate_hz: int,
    wanted_lufs: float | None,
    tell: Callable[[str], None],
    *,
    loops: bool = False,
    begins: bool = False,
) -> Iterator[F32]:
    """The mix that was laid aside, under the ceiling and at a loudness; where it has none, why is told."""
    levelling = Levelling(aside, rate_hz, loops=loops, begins=begins)
    gain_db = 0.0
    if wanted_lufs is not None:
        gain_db, reached = levelling.gain_db(wanted_lufs)
        if not np.isfinite(reached):
            tell("it is silent: no gain brings it to a loudness")
        elif abs(reached - wanted_lufs) > 0.1:
            tell(f"{wanted_lufs:g} LUFS cannot be reached under -1 dBTP: it is {reached:.1f} LUFS")
    yield from levelling.blocks(gain_db)


class Levelling:
    """The mix that was laid aside, as it goes to the file.

    `loops` runs the ceiling over the seam; `begins` is whether a piece begins at the first frame, and is
    hushed as all beginnings are.
    """

    def __init__(self, aside: Aside, rate_hz: float, *, loops: bool, begins: bool) -> None:
        self._aside = aside
        self._rate_hz = rate_hz
        self._loops = loops
        self._begins = begins

    def gain_db(self, wanted_lufs: float) -> tuple[float, float]:
        """The gain that brings it to a loudness under the ceiling, and the loudness that is reached.

        Silence stays silence, at 0 dB and -inf. What the ceiling would have to flatten by more than 15 dB
        stays softer than wanted.
        """
        bare = Meter(self._rate_hz)
        for block in self._aside.blocks():
            bare.add(block)
        if not np.isfinite(bare.integrated()):
            return 0.0, bare.integrated()
        gain_db = wanted_lufs - bare.integrated()
        if bare.true_peak_dbtp + gain_db < _UNTOUCHED_DBTP:
            return gain_db, wanted_lufs
        most_db = CEILING_DBTP - bare.true_peak_dbtp + _MOST_OVER_DB
        gain_db = min(gain_db, most_db)
        tried: list[tuple[float, float]] = []
        for _ in range(_TRIES):
            found = self.metered(gain_db).integrated()
            tried.append((gain_db, found))
            if abs(found - wanted_lufs) <= _CLOSE_LU or (gain_db >= most_db and found < wanted_lufs):
                break
            gain_db = min(_better(tried, wanted_lufs), most_db)
        return min(tried, key=lambda each: abs(each[1] - wanted_lufs))

    def metered(self, gain_db: float) -> Meter:
        """How loud it comes out with a gain."""
        meter = Meter(self._rate_hz)
        for block in self.blocks(gain_db):
            meter.add(block)
        return meter

    def blocks(self, gain_db: float) -> Iterator[F32]:
        """The mix under the ceiling, block by block, (frames, 2), as many frames as were laid aside."""
        ceiling = Ceiling(self._rate_hz, hushes=self._begins and not self._loops)
        level = np.float32(level_from_db(gain_db))
        skip = ceiling.latency_frames + (self._warm_frames if self._loops else 0)
        left = self._aside.frames
        for block in _whole_steps(self._fed(ceiling.latency_frames)):
            out = np.empty_like(block)
            ceiling.render(block * level, out)
            heard = out[:, skip : skip + left].T
            skip = max(0, skip - block.shape[1])
            left -= len(heard)
            if len(heard):
                yield heard

    @property
    def _warm_frames(self) -> int:
        return min(self._aside.frames, round(_WARM_S * self._rate_hz))

    def _fed(self, latency_frames: int) -> Iterator[F32]:
        """What the ceiling is given: the loop with its end before it and its beginning after it."""
        if self._loops:
            yield from self._aside.blocks(self._aside.frames - self._warm_frames)
        yield from self._aside.blocks()
        if not self._loops:
            yield np.zeros((latency_frames, 2), np.float32)
            return
        for block in self._aside.blocks():
            yield block[:latency_frames]
            latency_frames -= len(block)
            if latency_frames <= 0:
                return


def _better(tried: list[tuple[float, float]], wanted: float) -> float:
    """The next gain to try: by the slope between the last two, where a ceiling leaves one."""
    gain, found = tried[-1]
    slope = 1.0
    if len(tried) > 1 and gain != tried[-2][0]:
        slope = min(max((found - tried[-2][1]) / (gain - tried[-2][0]), 0.1), 1.0)
    return gain + (wanted - found) / slope


def _whole_steps(pieces: Iterator[F32]) -> Iterator[F32]:
    """Pieces (frames, 2) of any length as contiguous (2, whole steps); the last is filled up with zeros."""
    left = np.zeros((0, 2), np.float32)
    for piece in pieces:
        whole = np.concatenate([left, piece])
        frames = len(whole) // GRID_FRAMES * GRID_FRAMES
        left = whole[frames:]
        if frames:
            yield np.ascontiguousarray(whole[:frames].T)
    if len(left):
        padded = np.zeros((2, GRID_FRAMES), np.float32)
        padded[:, : len(left)] = left.T
        yield padded
