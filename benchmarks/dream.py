"""How fast the dream renders, on one thread: as a whole, and sound by sound.

    python benchmarks/dream.py [SCORE] [--rounds 3] [--steps 256] [--only NAME,NAME]
    python benchmarks/dream.py --long
    python benchmarks/dream.py --live

Prints times real time, of the whole and of its slowest ten seconds, what each sound costs in it (the desk is
space, effects and master), and CPU and wall seconds from the start of a process to its first sample, with an
empty kernel cache and with a filled one. `--long` renders two hours instead, and prints the peak memory, and
what the second hour costs of the first, beside the same of the halves of the piece as it is written. `--live`
plays it instead in blocks of 128 frames, as for a performer, and prints the share of a core that takes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

LIVE_FRAMES = 128
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def rendered(
    score: str, steps: int, duration_s: float | None = None, only: Sequence[str] = ()
) -> dict[str, float]:
    """Renders a score to nowhere: seconds of sound, of CPU and of the clock, without building the engine.

    `slowest` is how many times real time its slowest ten seconds take, `halves` what its second half costs
    of its first's CPU.
    """
    import resonance

    playing = resonance.Engine(resonance.load(score), duration_s=duration_s, only=only)
    began, began_cpu = time.perf_counter(), time.process_time()
    ten_s, ten_cpu, slowest, half_cpu = 0.0, began_cpu, math.inf, 0.0
    for _ in playing.blocks(steps):
        now_s, now_cpu = playing.frame / playing.rate, time.process_time()
        if now_s - ten_s >= 10.0:
            # The first ten also load every kernel that they use, once in a process.
            slowest = min(slowest, (now_s - ten_s) / (now_cpu - ten_cpu)) if ten_s else slowest
            ten_s, ten_cpu = now_s, now_cpu
        if not half_cpu and now_s >= playing.timeline.duration_s / 2.0:
            half_cpu = now_cpu
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    sound_s = playing.frame / playing.rate
    halves = (began_cpu + cpu_s - half_cpu) / (half_cpu - began_cpu)
    return {"sound_s": sound_s, "cpu_s": cpu_s, "wall_s": wall_s, "slowest": slowest, "halves": halves}


def live(score: str) -> dict[str, float]:
    """Plays a score in short blocks: the share of a core that it takes in all, and in its densest minute."""
    import resonance
    from resonance.engine.performance import Performance

    playing = Performance(resonance.load(score))
    playing.render(LIVE_FRAMES)
    minute, minute_cpu, densest = playing.frame, time.process_time(), 0.0
    first, first_cpu = minute, minute_cpu
    while not playing.ended:
        playing.render(LIVE_FRAMES)
        if (played_s := (playing.frame - minute) / playing.rate) >= 60.0:
            now_cpu = time.process_time()
            densest = max(densest, (now_cpu - minute_cpu) / played_s)
            minute, minute_cpu = playing.frame, now_cpu
    mean = (time.process_time() - first_cpu) * playing.rate / (playing.frame - first)
    return {"mean": mean, "densest": max(densest, mean)}


def first_sample(score: str) -> dict[str, float]:
    """Seconds from the start of this process to its first sample."""
    import resonance
    from resonance.engine.beside import compiled_beside

    played = resonance.load(score)
    with compiled_beside(played):
        resonance.Engine(played).render(64)
    return {"cpu_s": time.process_time(), "wall_s": time.time() - float(os.environ["BEGAN"])}


def apart(task: str, *arguments: object, cache: str | None = None) -> dict[str, float]:
    """Runs one of the tasks in a fresh process, on one thread, with kernels kept in a folder of its own."""
    environment = dict(os.environ, BEGAN=str(time.time()), **dict.fromkeys(THREADS, "1"))
    # As for everybody, Python keeps what it has compiled of the sources.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if cache is not None:
        environment["XDG_CACHE_HOME"] = cache
    command = [sys.executable, __file__, "--task", json.dumps([task, *arguments])]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(run.stdout)


def peak_mb() -> float:
    """The most memory this process has held so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def perform(task: str, score: str, *arguments: Any) -> dict[str, float]:
    """What `apart` asks of a process."""
    if task == "first sample":
        return first_sample(score)
    if task == "live":
        return live(score)
    if task == "sound by sound":
        return sound_by_sound(score, *arguments)
    return {**rendered(score, *arguments), "peak_mb": peak_mb()}


def sound_by_sound(score: str, steps: int) -> dict[str, float]:
    """CPU seconds of each sound in the whole piece, its rule and its voices; "" is all the rest."""
    import resonance

    playing = resonance.Engine(resonance.load(score))
    costs = dict.fromkeys((part.name for part in playing._parts), 0.0)

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any) -> Any:
            began = time.thread_time()
            answer = call(*arguments)
            costs[name] += time.thread_time() - began
            return answer

        return timing

    for part in playing._parts:
        for method in ("decide", "render"):
            setattr(part, method, timed(part.name, getattr(part, method)))
    began = time.thread_time()
    for _ in playing.blocks(steps):
        pass
    return {**costs, "": time.thread_time() - began - sum(costs.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("score", nargs="?", default="dream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=256, help="steps of 64 frames a span")
    parser.add_argument("--only", default="", help="only these sounds, with commas between them")
    parser.add_argument("--long", action="store_true", help="only render two hours, for memory and slope")
    parser.add_argument("--live", action="store_true", help="only play it in blocks of 128 frames")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        print(json.dumps(perform(*json.loads(asked.task))))
        return
    only = asked.only.split(",") if asked.only else []
    if asked.long:
        long = apart("whole", asked.score, asked.steps, 7200.0, only)
        print(
            f"two hours: {long['sound_s'] / long['cpu_s']:.1f} times real time by CPU, "
            f"peak memory {long['peak_mb']:.0f} MB"
        )
        short = apart("whole", asked.score, asked.steps, None, only)
        print(
            f"the second hour costs {long['halves']:.2f} times the first; "
            f"of the piece as it is written the second half costs {short['halves']:.2f} times the first"
        )
        return

    if asked.live:
        share = apart("live", asked.score)
        print(
            f"live, in blocks of {LIVE_FRAMES} frames: {100.0 * share['mean']:.1f} % of a core, "
            f"{100.0 * share['densest']:.1f} % in the densest minute"
        )
        return

    with tempfile.TemporaryDirectory() as cache:
        for kind in ("cold", "warm"):
            first = apart("first sample", asked.score, cache=cache)
            print(f"first sample, {kind}: {first['cpu_s']:.2f} s CPU, {first['wall_s']:.2f} s", flush=True)

    apart("whole", asked.score, asked.steps, None, only)  # fills the cache
    runs = [apart("whole", asked.score, asked.steps, None, only) for _ in range(asked.rounds)]
    cpu_s, wall_s = (statistics.median(run[key] for run in runs) for key in ("cpu_s", "wall_s"))
    sound_s = runs[0]["sound_s"]
    print(f"{asked.score}: {sound_s:.0f} s of sound in {cpu_s:.1f} s CPU, {wall_s:.1f} s")
    print(f"times real time: {sound_s / cpu_s:.1f} by CPU, {sound_s / wall_s:.1f} by the clock")
    print(f"slowest ten seconds: {statistics.median(run['slowest'] for run in runs):.1f} times real time")
    print(f"peak memory: {max(run['peak_mb'] for run in runs):.0f} MB")
    if only:
        return
    costs = apart("sound by sound", asked.score, asked.steps)
    desk_s = costs.pop("")
    print(f"{'':16}{'s CPU':>8}{'ms CPU per s':>14}")
    print(f"{'(the desk)':16}{desk_s:8.2f}{1e3 * desk_s / sound_s:14.3f}")
    for name, cpu_s in sorted(costs.items(), key=lambda cost: -cost[1]):
        print(f"{name:16}{cpu_s:8.2f}{1e3 * cpu_s / sound_s:14.3f}")


if __name__ == "__main__":
    main()
