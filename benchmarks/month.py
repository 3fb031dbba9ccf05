"""An endless performance, driven as fast as it goes: what grows, what drifts, and whether nights are alike.

    python benchmarks/month.py [SCORE] [--days 1] [--rate 2000]
    python benchmarks/month.py --days 30

Prints a line an hour of sound: the night, the process's memory, open files and threads. Ends with 1 where
memory has grown by more than 5 % since the tenth night, where files or threads have grown at all, where a
clock is a frame off, where ten seconds ever sounded like ten others, or where it does not rest on its frame.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path

import numpy as np

import resonance
from resonance.dsp import GRID_FRAMES
from resonance.engine.commands import Command, Rest
from resonance.engine.history import CHUNK_S
from resonance.engine.performance import Performance

BLOCK_FRAMES = 32_768
GROWTH = 1.05
SETTLED = 10
"""By this night everything that is kept has been kept once."""
REST_S = 600.0


class Ear:
    """Remembers the digest of every ten seconds; half of them suffice to tell any two apart.

    It has room for all of them from the start: what grows in this process shall be the performance's.
    """

    def __init__(self, most: int) -> None:
        self.digests = np.full(most, 2**64 - 1, np.uint64)
        self.count = 0

    def did(self, frame: int, command: Command) -> None:
        """The rest at the end is the only command."""

    def heard(self, frame: int, digest: str) -> None:
        self.digests[self.count] = int(digest[:16], 16)
        self.count += 1

    def alike(self) -> int:
        """How many stretches sounded like one before them."""
        return self.count - len(np.unique(self.digests[: self.count]))


def resident_mb() -> float:
    """What the process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("score", nargs="?", default="dream")
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=2000.0, help="reduced; clock and rules are as ever")
    arguments = parser.parse_args(argv)
    score = resonance.load(arguments.score)
    performance = Performance(score, arguments.rate, endless=True)
    rate, seconds = arguments.rate, arguments.days * 86_400.0
    ear = Ear(int((seconds + 2.0 * REST_S) / CHUNK_S))
    performance.history.listen(ear)
    began, cpu = time.monotonic(), time.process_time()
    frames, hour, drift, nights = 0, 0, 0, 1
    level_mb, files, threads, most_mb = 0.0, 0, 0, 0.0
    while frames < seconds * rate:
        audio = performance.render(BLOCK_FRAMES)
        if not np.isfinite(audio).all():
            print("a sample is not finite")
            return 1
        frames += len(audio)
        drift = max(drift, _drift(performance, frames))
        if performance.view().night > nights:
            nights = performance.view().night
            gc.collect()
            most_mb = max(most_mb, resident_mb())
            if nights == SETTLED:
                level_mb, files, threads = resident_mb(), _files(), _threads()
        if frames / rate >= 3600.0 * hour:
            spent_s = time.monotonic() - began
            print(
                f"hour {hour:4d}: night {nights:5d}, {resident_mb():6.0f} MB, {_files()} files, "
                f"{_threads()} threads, {frames / rate / max(spent_s, 1e-9):.0f} times real time",
                flush=True,
            )
            hour += 1
    at_s = frames / rate + REST_S
    performance.do(Rest(at_s))
    rest = performance.render(round(at_s * rate) - frames + BLOCK_FRAMES)
    sounds = np.flatnonzero(np.abs(rest).max(axis=1))
    late = frames + (int(sounds[-1]) + 1 if len(sounds) else 0) - round(at_s * rate)
    spent_s, spent_cpu, alike = time.monotonic() - began, time.process_time() - cpu, ear.alike()
    print(
        f"{seconds / 86_400.0:g} days at {rate:g} Hz: {nights} nights in {spent_s:.0f} s, "
        f"{spent_cpu:.0f} s of CPU ({seconds / spent_s:.0f} and {seconds / spent_cpu:.0f} times real time)"
    )
    print(
        f"memory {level_mb:.0f} MB in night {SETTLED}, at most {most_mb:.0f} MB as one began; drift {drift}; "
        f"silent {-late} frames before its rest was due; {ear.count} stretches of 10 s, "
        f"{alike} alike; messages: {performance.messages or 'none'}"
    )
    grown = nights > SETTLED and (most_mb > GROWTH * level_mb or _files() > files or _threads() > threads)
    failed = grown or drift > 0 or alike or late > 0 or -late > 0.5 * rate or not performance.ended
    print("FAILED" if failed else "passed")
    return int(bool(failed))


def _drift(performance: Performance, frames: int) -> int:
    """How many frames any clock is off from the frames that were asked for."""
    desk = performance.view().time_s * performance.rate - performance.latency_frames
    ahead = desk - frames
    off = 0 if 0 <= ahead < GRID_FRAMES else round(abs(ahead))
    return max(off, abs(performance.frame - frames))


def _files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


if __name__ == "__main__":
    sys.exit(main())
