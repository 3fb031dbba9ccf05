"""What other processors make of the kernels: how fast they are there, and whether they work side by side.

    python benchmarks/elsewhere.py [NAME ...] [--rounds 3]

First the jobs of benchmarks/kernels.py, compiled for this processor, for one with AVX2 and for one with SSE2
alone (`NUMBA_CPU_NAME`), in turns: how many times as long they take there as here. Then every kernel of those
jobs, compiled for these three and for 64-bit ARM, and read: the share of its floating-point instructions that
work on several numbers at once. It is counted as it stands, without regard to how often a line is run; what
matters is whether ARM's share comes up to that of SSE2, whose vectors are as wide.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

X86 = {
    "SSE2": ("x86-64", ""),
    "AVX2": ("haswell", ""),
}
"""Processors by what they can do: the compiler's names for them, and what else they have."""
ARM = ("aarch64-unknown-linux-gnu", "neoverse-n1")
ARM_DATA = "e-m:e-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128"
"""How numbers lie in memory there; as llvmlite says for that target."""

_ON_X86 = re.compile(r"^\s+v?f?n?m?(?:add|sub|mul|div|sqrt|max|min)\w*([ps])[sd]\s", re.MULTILINE)
_ON_ARM = re.compile(
    r"^\s+f(?:n?m?(?:add|sub|mul)|mla|mls|div|sqrt|maxnm|minnm)\s+(?:(v)\d+\.\d[sd]|[sd]\d+)", re.MULTILINE
)


def speeds(jobs: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """CPU seconds per second of sound, by processor and job, medians of processes that take turns."""
    taken: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for target, chosen in {"here": None, **X86}.items():
            env = dict(os.environ)
            if chosen is not None:
                env["NUMBA_CPU_NAME"], env["NUMBA_CPU_FEATURES"] = chosen
            command = [sys.executable, __file__, "--measure", *jobs]
            said = subprocess.run(command, env=env, check=True, capture_output=True).stdout
            for job, cost in json.loads(said).items():
                taken.setdefault(target, {}).setdefault(job, []).append(cost)
    return {
        target: {job: statistics.median(costs) for job, costs in by_job.items()}
        for target, by_job in taken.items()
    }


def measured(jobs: list[str]) -> dict[str, float]:
    """The same in this process."""
    from kernels import cpu_seconds

    return {job: min(costs) for job, costs in cpu_seconds(jobs, 128, 5).items()}


@contextmanager
def unoptimised() -> Iterator[dict[str, str]]:
    """Collects what numba hands to the compiler, by kernel, before any processor is thought of."""
    from numba.core.codegen import CPUCodeLibrary

    library: Any = CPUCodeLibrary
    found: dict[str, str] = {}
    optimise = library._optimize_final_module

    def note(self: Any) -> None:
        found[self.name] = str(self._final_module)
        optimise(self)

    library._optimize_final_module = note
    try:
        yield found
    finally:
        library._optimize_final_module = optimise


def handed_over(jobs: list[str]) -> dict[str, str]:
    """Every kernel that the jobs use, as numba hands it to the compiler, by its file and name."""
    import platformdirs

    with tempfile.TemporaryDirectory() as folder:
        platformdirs.user_cache_path = lambda *_, **__: Path(folder)  # type: ignore[assignment]
        from kernels import JOBS

        from resonance.dsp import kernels

        with unoptimised() as found:
            for job in jobs:
                JOBS[job](2)()
    names = {kernel.py_func.__name__: Path(kernel.py_func.__code__.co_filename).stem for kernel in kernels}
    return {f"{names[name]}.{name}": code for name, code in found.items() if name in names}


def shares(code: str) -> dict[str, float | None]:
    """The share of floating-point instructions that work on several numbers at once, by processor."""
    import llvmlite.binding as llvm

    here = llvm.Target.from_default_triple()
    machines = {
        "here": here.create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
        ),
        **{name: here.create_target_machine(cpu=cpu, opt=3) for name, (cpu, _) in X86.items()},
        "ARM": llvm.Target.from_triple(ARM[0]).create_target_machine(cpu=ARM[1], opt=3),
    }
    return {name: _share(code, machine, name == "ARM") for name, machine in machines.items()}


def _share(code: str, machine: Any, on_arm: bool) -> float | None:
    import llvmlite.binding as llvm

    if on_arm:
        code = re.sub(r'^target datalayout = ".*"$', f'target datalayout = "{ARM_DATA}"', code, flags=re.M)
        code = re.sub(r'^target triple = ".*"$', f'target triple = "{ARM[0]}"', code, flags=re.M)
        # What a kernel calls is linked to it as made for x86 already: counts of references go down there by
        # an instruction that ARM does not have. No sound is made with them.
        code = re.sub(r"@llvm\.x86\.atomic\.sub\.cc\.\w+", "@counts_down", code).replace(" immarg", "")
    module = llvm.parse_assembly(code)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    assembly = machine.emit_assembly(module)
    kinds = (_ON_ARM if on_arm else _ON_X86).findall(assembly)
    return sum(kind in ("p", "v") for kind in kinds) / len(kinds) if kinds else None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "jobs", nargs="*", metavar="NAME", help="only the jobs whose name contains one of these"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    from kernels import JOBS

    jobs = [name for name in JOBS if not asked.jobs or any(part in name for part in asked.jobs)]
    if asked.measure:
        print(json.dumps(measured(jobs)))
        return
    by_target = speeds(jobs, asked.rounds)
    print(f"{'':26}{'ms CPU per s here':>18}" + "".join(f"{name:>8}" for name in X86))
    for job in jobs:
        here = by_target["here"][job]
        print(f"{job:26}{1e3 * here:18.3f}" + "".join(f"{by_target[name][job] / here:8.1f}" for name in X86))
    print()

    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    columns = ("here", *X86, "ARM")
    print(f"{'side by side':34}" + "".join(f"{name:>8}" for name in columns))
    for name, code in sorted(handed_over(jobs).items()):
        found = shares(code)
        if any(found.values()):
            print(
                f"{name:34}"
                + "".join("       -" if share is None else f"{share:8.0%}" for share in found.values())
            )


if __name__ == "__main__":
    main()
