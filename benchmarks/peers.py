"""resonance beside the engines that one would use instead, on the same work: CPU time, and quality beside it.

    python benchmarks/peers.py [W1 ...] [--engine NAME ...] [--rounds 3] [--write docs/peers.md]

What is asked for, and how to install each engine, is in benchmarks/README.md; engines that are missing are
left out. PEERS_PYTHON names the Python that has pyo, signalflow and pedalboard.

An engine runs as a process of its own that renders to a float WAV. Its cost is the CPU time, user and system,
of a long run less that of a short one, medians of each, over what they differ by: so start-up does not count.
For each workload the engines take turns, so whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent))
from engines import checks, csound, faust, juce, ours, pyo_server, scsynth, signalflow_graph, work

ENGINES: tuple[ModuleType, ...] = (ours, scsynth, csound, faust, pyo_server, signalflow_graph, juce)

SHORT_S, CHECK_S, LONGEST_S = 2.0, 12.0, 600.0
NOISE_S, SURE_S = 0.3, 120.0
"""Starts vary: what takes so little more in ten seconds is looked at over so many."""
CPU_S, STARTS = 0.7, 1.2
"""What a long run is to take more than a short one: so many seconds, or so many times what that takes."""

TARGETS = (
    ("W1", "saws", "", 1 / 3),
    ("W2", "sines", "", 1 / 3),
    ("W3", "modes", "", 1 / 2),
    ("W4", "fine", "scsynth cubic", 1.0),
    ("W4", "fast", "Csound grain3", 1.0),
    ("W5", "space", "scsynth JPverb", 1 / 3),
    ("W6", "convolve", "", 1 / 2),
    ("W7", "winds", "", 1 / 3),
    ("W8", "scene", "scsynth JPverb", 1 / 2),
    ("W8", "scene", "scsynth FreeVerb2", 1.0),
)
"""Workload, variant, the peer it is held against (else the best that does the same work), and the most it may
cost of that.
"""


@dataclass
class Job:
    """One engine's way of doing one workload, and what came of it."""

    name: str
    engine: ModuleType
    variant: str
    long_s: float = LONGEST_S
    merit: float = 0.0
    quality: str = ""
    found: str = ""
    counts: bool = False
    taken: list[tuple[float, float]] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.engine.NAME} {self.variant}"

    @property
    def cost(self) -> float:
        """CPU seconds per second of sound."""
        short_s, long_s = (statistics.median(run) for run in zip(*self.taken, strict=True))
        return (long_s - short_s) / (self.long_s - SHORT_S)

    def run(self, folder: Path, seconds: float, probe: bool = False) -> tuple[float, Path]:
        """CPU seconds that a run takes, and what it wrote."""
        out = folder / f"{self.title} {self.name}.wav".replace(" ", "-")
        command, environment = self.engine.command(self.name, self.variant, probe, seconds, folder, out)
        with (folder / "log.txt").open("w+b") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode or not out.exists():
                log.seek(0)
                raise RuntimeError(f"{self.title} failed at {self.name}: {log.read().decode()[-2000:]}")
        return used.ru_utime + used.ru_stime, out

    def judge(self, folder: Path, response: np.ndarray) -> None:
        """Finds out whether it does the work, how well, and about how long a long run has to be."""
        probe = None
        self.counts = True
        if self.name != "W8":
            probe = soundfile.read(self.run(folder, checks.PROBE_S.get(self.name, 6.0), probe=True)[1])[0]
            self.merit, self.quality = checks.quality(self.name, probe, response)
            self.counts = checks.good_enough(self.name, self.merit)
        short_s, _ = self.run(folder, SHORT_S)
        check_s, out = self.run(folder, CHECK_S)
        did, self.found = checks.did(self.name, soundfile.read(out)[0], probe)
        self.counts &= did
        if not did:
            self.found = f"did not do it: {self.found}"
        length_s = CHECK_S
        if check_s - short_s < NOISE_S:
            length_s = SURE_S
            check_s, _ = self.run(folder, length_s)
        cost = max((check_s - short_s) / (length_s - SHORT_S), 1e-4)
        longer_s = max(CPU_S, STARTS * short_s) / cost
        self.long_s = float(round(min(max(SHORT_S + longer_s, CHECK_S), LONGEST_S)))

    def measure(self, folder: Path) -> None:
        short_s, _ = self.run(folder, SHORT_S)
        long_s, out = self.run(folder, self.long_s)
        out.unlink()
        self.taken.append((short_s, long_s))


def measured(names: Sequence[str], engines: Sequence[ModuleType], rounds: int) -> list[Job]:
    jobs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work.materials(folder)
        response = soundfile.read(folder / "response.wav")[0]
        for workload in names:
            own = [
                Job(workload, engine, variant)
                for engine in engines
                for variant in engine.VARIANTS.get(workload, ())
            ]
            for job in own:
                job.judge(folder, response)
            for _ in range(rounds):
                for job in own:
                    job.measure(folder)
            jobs += own
            print(_table(workload, own), flush=True)
    return jobs


def _table(workload: str, jobs: Sequence[Job]) -> str:
    rows = [
        f"## {workload}: {work.WORKS[workload]}\n",
        "| engine | ms CPU per s | against resonance | quality | found in it | what it does |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    own = next((job.cost for job in jobs if job.engine is ours), None)
    for job in sorted(jobs, key=lambda job: job.cost):
        ratio = f"{job.cost / own:.2f}" if own else ""
        title = f"**{job.title}**" if job.engine is ours else job.title
        mark = "" if job.counts else " ¹"
        says = job.engine.VARIANTS[workload][job.variant]
        rows.append(
            f"| {title}{mark} | {1e3 * job.cost:.2f} | {ratio} | {job.quality} | {job.found} | {says} |"
        )
    return "\n".join(rows) + "\n"


def _verdicts(jobs: Sequence[Job]) -> str:
    rows = ["| workload | resonance | against | ratio | at most | |", "| --- | --- | --- | --- | --- | --- |"]
    for name, variant, peer, most in TARGETS:
        here = [job for job in jobs if job.name == name]
        own = next((job for job in here if job.engine is ours and job.variant == variant), None)
        others = [job for job in here if job.engine is not ours]
        others = [job for job in others if (job.title == peer if peer else job.counts)]
        if own is None or not others:
            continue
        best = min(others, key=lambda job: job.cost)
        ratio = own.cost / best.cost
        rows.append(
            f"| {name} {work.WORKS[name]} | {variant} | {best.title} | {ratio:.2f} | {most:.2f} "
            f"| {'met' if ratio <= most else 'missed'} |"
        )
    return "\n".join(rows) + "\n"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "")
    widest = next((name for name in ("avx512f", "avx2", "sse2") if name in flags), "")
    python = platform.python_version()
    return f"{os.cpu_count()} cores of {model} ({widest}), {platform.system()}, Python {python}"


def page(jobs: Sequence[Job], engines: Sequence[ModuleType], rounds: int) -> str:
    today = time.strftime("%Y-%m-%d")
    versions = "; ".join(engine.version() for engine in engines)
    names = [name for name in work.WORKS if any(job.name == name for job in jobs)]
    tables = [_table(name, [job for job in jobs if job.name == name]) for name in names]
    return f"""# resonance beside other engines

Made by `python benchmarks/peers.py --write docs/peers.md` on {today}, {rounds} round(s), medians: CPU
milliseconds, user and system, per second of 48 kHz stereo, start-up subtracted, the engines in turns.
{_machine()}.
{versions}.

What the workloads are, how each engine is asked for them and how to install it: see
[benchmarks](../benchmarks/README.md).
Ratios travel better than times; where the machine is busy, times grow for all.

{_verdicts(jobs)}
Where the most is missed, `python benchmarks/floor.py` says how far the loop itself can go: the same in C++ on
the same machine ([figures](performance.md#beside-c)).

¹ not held against resonance: it does not do the same work, by its quality or by what is found in it.

{chr(10).join(tables)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="W", help="only these workloads (default: all)")
    parser.add_argument("--engine", action="append", default=[], help="only these engines, and resonance")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables to a page")
    asked = parser.parse_args()
    unknown = set(asked.works) - set(work.WORKS)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}: there are {', '.join(work.WORKS)}")
    engines = []
    for engine in ENGINES:
        if engine is not ours and asked.engine and engine.NAME not in asked.engine:
            continue
        if engine.version() is None:
            print(f"{engine.NAME} is not installed: see benchmarks/README.md", file=sys.stderr)
        else:
            engines.append(engine)
    jobs = measured(asked.works or list(work.WORKS), engines, asked.rounds)
    print(_verdicts(jobs))
    if asked.write:
        asked.write.write_text(page(jobs, engines, asked.rounds))


if __name__ == "__main__":
    main()
