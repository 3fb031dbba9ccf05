"""How fast the dream renders, on one thread: as a whole, and sound by sound.

    python benchmarks/dream.py [SCORE] [--rounds 3] [--steps 128] [--long]

Prints times real time, the cost of each sound alone (its CPU time less that of the desk with nothing on it),
and CPU and wall seconds from the start of a process to its first sample, with an empty kernel cache and with
a filled one. `--long` also renders two hours in a process of its own, and prints its peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def rendered(score: str, steps: int, duration_s: float | None = None, **engine: Any) -> dict[str, float]:
    """Renders a score to nowhere: seconds of sound, of CPU and of the clock, without building the engine."""
    import resonance

    playing = resonance.Engine(resonance.load(score), duration_s=duration_s, **engine)
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in playing.blocks(steps):
        pass
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return {"sound_s": playing.frame / playing.rate, "cpu_s": cpu_s, "wall_s": wall_s}


def first_sample(score: str, cache: str) -> dict[str, float]:
    """Seconds from the start of this process to its first sample, with kernels cached in a folder."""
    import platformdirs

    platformdirs.user_cache_path = lambda *_, **__: Path(cache)  # type: ignore[assignment]
    import resonance

    resonance.Engine(resonance.load(score)).render(64)
    return {"cpu_s": time.process_time(), "wall_s": time.time() - float(os.environ["BEGAN"])}


def apart(task: str, *arguments: object) -> dict[str, float]:
    """Runs one of the tasks in a fresh process, on one thread."""
    environment = dict(os.environ, BEGAN=str(time.time()), **dict.fromkeys(THREADS, "1"))
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
        return first_sample(score, *arguments)
    steps, duration_s = arguments
    return {**rendered(score, steps, duration_s), "peak_mb": peak_mb()}


def sound_by_sound(score: str, steps: int, rounds: int) -> dict[str, float]:
    """Median CPU seconds for each sound alone; "" is the desk with nothing heard."""
    import resonance

    names = list(resonance.load(score).sounds)
    chosen: dict[str, dict[str, Any]] = {
        "": {"without": names},
        **{name: {"only": (name,)} for name in names},
    }
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(rounds):
        for name, engine in chosen.items():
            taken[name].append(rendered(score, steps, **engine)["cpu_s"])
    return {name: statistics.median(cpu_s) for name, cpu_s in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("score", nargs="?", default="dream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=512, help="steps of 64 frames a span")
    parser.add_argument("--long", action="store_true", help="also render two hours, for its peak memory")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        print(json.dumps(perform(*json.loads(asked.task))))
        return

    with tempfile.TemporaryDirectory() as cache:
        for kind in ("cold", "warm"):
            first = apart("first sample", asked.score, cache)
            print(f"first sample, {kind}: {first['cpu_s']:.2f} s CPU, {first['wall_s']:.2f} s")

    apart("whole", asked.score, asked.steps, None)  # fills the cache
    runs = [apart("whole", asked.score, asked.steps, None) for _ in range(asked.rounds)]
    cpu_s, wall_s = (statistics.median(run[key] for run in runs) for key in ("cpu_s", "wall_s"))
    sound_s = runs[0]["sound_s"]
    print(f"{asked.score}: {sound_s:.0f} s of sound in {cpu_s:.1f} s CPU, {wall_s:.1f} s")
    print(f"times real time: {sound_s / cpu_s:.1f} by CPU, {sound_s / wall_s:.1f} by the clock")
    print(f"peak memory: {max(run['peak_mb'] for run in runs):.0f} MB")

    costs = sound_by_sound(asked.score, asked.steps, asked.rounds)
    desk_s = costs.pop("")
    print(f"{'':16}{'s CPU':>8}{'ms CPU per s':>14}")
    print(f"{'(empty desk)':16}{desk_s:8.2f}{1e3 * desk_s / sound_s:14.3f}")
    for name, cpu_s in sorted(costs.items(), key=lambda cost: -cost[1]):
        print(f"{name:16}{cpu_s - desk_s:8.2f}{1e3 * (cpu_s - desk_s) / sound_s:14.3f}")

    if asked.long:
        run = apart("whole", asked.score, asked.steps, 7200.0)
        print(f"two hours: {run['wall_s']:.0f} s, {run['peak_mb']:.0f} MB at most")


if __name__ == "__main__":
    main()
