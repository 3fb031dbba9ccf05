"""Plays for an hour on a machine that is kept busy, records what came out, and looks for gaps in it.

    python benchmarks/soak.py                 # an hour of `resonance play dream --endless`
    python benchmarks/soak.py --minutes 5
    python benchmarks/soak.py --quiet         # without the load, for the share of a core that playing takes

The load: a program that burns one core, and beside the engine, in its own process, a Python thread that holds
the interpreter's lock in bursts of 100 ms. A virtual machine stops now and then by itself: two watchers at
real-time priority note when, and a gap that nothing else explains is a fault of ours. What was recorded is
compared, frame by frame, with a rendering of the same seed. Needs what the tests of live sound need.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "outputs"))

from servers import Servers

import resonance
from resonance.engine.performance import Performance

RATE_HZ = 48_000
STALL_S = 0.01
NEAR_S = 1.0
"""A gap and a stall this close to each other belong together: the sound lies that long in buffers."""
SETTLED_S = 300.0
_WINDOW = 4 * RATE_HZ
_SURE = 64  # equal frames in a row are no accident
_SEARCHED = 30 * RATE_HZ

_HOLDS_THE_LOCK = """
import sys, threading, time, random, os
if any("import piece" in word for word in sys.orig_argv):
    def hold():
        with open(os.environ["SOAK_THREAD"], "w") as file:
            file.write(str(threading.get_native_id()))
        jumble = random.sample(range(20_000), 20_000)
        while True:
            end = time.monotonic() + 0.1
            sys.setswitchinterval(0.1)
            while time.monotonic() < end:
                sorted(jumble)
            sys.setswitchinterval(0.005)
            time.sleep(0.4)
    threading.Thread(target=hold, daemon=True).start()
"""


@dataclass(frozen=True)
class Gap:
    """Where what was heard and what was rendered part, in seconds of the recording."""

    at_s: float
    silent_frames: int
    faded_frames: int


def gaps(heard: np.ndarray, rendered: Iterator[np.ndarray]) -> tuple[list[Gap], int]:
    """Every gap, and how many frames were heard as they were rendered. Both are (frames, 2)."""
    whole = next(rendered)
    at = gap_at = equal = 0
    found: list[Gap] = []
    place = _match(heard, whole, at)
    while place is not None:
        at, begin = place
        if equal:
            found.append(Gap(at / RATE_HZ, at - gap_at, begin))
        whole = whole[begin:]
        while at < len(heard):
            while len(whole) < _WINDOW:
                whole = np.concatenate([whole, next(rendered)])
            length = min(len(heard) - at, len(whole))
            differs = np.flatnonzero((heard[at : at + length] != whole[:length]).any(axis=1))
            run = int(differs[0]) if len(differs) else length
            at, equal, whole = at + run, equal + run, whole[run:]
            if len(differs):
                break
        else:
            return found, equal
        gap_at = at
        place = _match(heard, whole, at)
    return found, equal


def _match(heard: np.ndarray, whole: np.ndarray, at: int) -> tuple[int, int] | None:
    """The next frame that was heard from `at` on which is one of the rendered, and which.

    None where none is found for half a minute of sound: then it is another piece.
    """
    sounding = 0
    while at < len(heard) - _SURE and sounding < _SEARCHED:
        part = heard[at : at + _SURE]
        if part.any():
            sounding += 16
            for place in np.flatnonzero((whole[: len(whole) - _SURE] == part[0]).all(axis=1)):
                if np.array_equal(whole[place : place + _SURE], part):
                    return at, int(place)
        at += 16
    return None


def rendered(score: str, seconds: float) -> Iterator[np.ndarray]:
    """What `play --endless` renders, without its first soft start."""
    performance = Performance(resonance.load(score), endless=True)
    while performance.frame < (seconds + 60.0) * RATE_HZ:
        yield performance.render(RATE_HZ * 5)


def _stalls(cpu: int, until: float, results: multiprocessing.Queue) -> None:
    """Wakes every millisecond at real-time priority, and notes by how much it was late, and when."""
    os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    late: list[tuple[float, float]] = []
    due = time.monotonic()
    while due < until:
        due += 1e-3
        time.sleep(max(0.0, due - time.monotonic()))
        over = time.monotonic() - due
        if over > STALL_S:
            late.append((time.monotonic(), over))
        due = max(due, time.monotonic() - 1e-3)
    results.put(late)


def _burn() -> None:
    x = 0
    while True:
        x = (x * 31 + 7) % 1_000_003


@contextmanager
def burning() -> Iterator[None]:
    burner = multiprocessing.Process(target=_burn, daemon=True)
    burner.start()
    try:
        yield
    finally:
        burner.kill()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += parents.get(known, [])
    return found


def memory_mb(pids: list[int]) -> list[float]:
    """What each of them holds for itself; what they share with each other counts in part.

    Files are left out, libraries above all: their share of those grows as a stranger ends who had them too.
    """
    held = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return [sum(map(int, re.findall(r"^Pss_(?:Anon|Shmem): +(\d+)", each, re.M))) / 1024.0 for each in held]


def cpu_s(pids: list[int], but_thread: Path) -> float:
    """The processor time of their threads, but for the one that holds the lock."""
    left_out = but_thread.read_text() if but_thread.exists() else ""
    ticks = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if thread.name != left_out:
                fields = (thread / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def soak(score: str, minutes: float, quiet: bool, folder: Path) -> int:
    seconds = 60.0 * minutes
    servers = Servers(folder)
    servers.start("pulse")
    thread = folder / "thread"
    code = folder / "beside"
    code.mkdir()
    if not quiet:
        (code / "sitecustomize.py").write_text(_HOLDS_THE_LOCK)
    env = {**servers.env, "SOAK_THREAD": str(thread), "PYTHONPATH": os.pathsep.join([str(code), *sys.path])}
    call = [sys.executable, "-c", "import sys; from resonance.cli import main; sys.exit(main(sys.argv[1:]))"]
    words = ["play", score, "--endless", "--device", "virt"]
    stalls: multiprocessing.Queue = multiprocessing.Queue()
    with (
        servers.recording("virt") as recorded,
        subprocess.Popen([*call, *words], env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as playing,
    ):
        assert playing.stdout is not None
        print(playing.stdout.readline(), end="", flush=True)
        threading.Thread(target=lambda: [print(line, end="", flush=True) for line in playing.stdout]).start()
        began = time.monotonic()
        silent_s = recorded.stat().st_size / (8 * RATE_HZ)
        watchers = [
            multiprocessing.Process(target=_stalls, args=(cpu, began + seconds, stalls), daemon=True)
            for cpu in sorted(os.sched_getaffinity(0))
        ]
        for watcher in watchers:
            watcher.start()
        with nullcontext() if quiet else burning():
            settled_s = min(SETTLED_S, 0.5 * seconds)
            time.sleep(settled_s)
            pids = family(playing.pid)
            before_mb, before_cpu_s, at = memory_mb(pids), cpu_s(pids, thread), time.monotonic()
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            after_mb = memory_mb(pids)
            share = (cpu_s(pids, thread) - before_cpu_s) / (time.monotonic() - at)
            late = sorted(stall for _ in watchers for stall in stalls.get())
        playing.send_signal(signal.SIGTERM)
        playing.wait(20)
    servers.close()
    for when, held_mb in ((f"after {settled_s:.0f} s", before_mb), ("at the end", after_mb)):
        each = ", ".join(f"{mb:.0f}" for mb in held_mb)
        print(f"memory {when}: {sum(held_mb):.0f} MB (its processes {each})")
    print(f"share of a core: {100.0 * share:.1f} %", flush=True)
    heard = np.memmap(recorded, "<f4", "r")
    heard = heard[: len(heard) // 2 * 2].reshape(-1, 2)
    found, equal = gaps(heard, rendered(score, seconds))
    unexplained = [
        gap for gap in found if not any(abs(gap.at_s - silent_s - (t - began)) < NEAR_S for t, _ in late)
    ]
    print(f"heard as rendered: {equal / RATE_HZ:.1f} s of {seconds:.0f} s, {len(found)} gaps")
    lasted_s = [stall_s for _, stall_s in late]
    print(
        f"stalls of the machine: {len(late)}, {sum(lasted_s):.2f} s, longest {max(lasted_s, default=0):.3f} s"
    )
    for gap in found:
        why = "NOT beside a stall" if gap in unexplained else "beside a stall"
        frames = f"{gap.silent_frames} frames silent, then {gap.faded_frames} faded"
        print(f"  gap at {gap.at_s:.1f} s: {frames}, {why}")
    grown = sum(after_mb) > 1.05 * sum(before_mb)
    return int(bool(unexplained) or grown or equal < 0.8 * seconds * RATE_HZ)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="how long; default an hour")
    parser.add_argument("--score", default="dream", help="what is played; default the dream")
    parser.add_argument("--quiet", action="store_true", help="without the load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return soak(arguments.score, arguments.minutes, arguments.quiet, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
