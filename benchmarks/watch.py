"""Whether a kernel has become slower than it was: instructions a frame, counted, against a table.

    python benchmarks/watch.py           # fails where a kernel takes half as many again as in the table
    python benchmarks/watch.py --renew   # writes the table, benchmarks/watch.toml

Instructions are the same whatever else a machine does, so what fails here is no noise. valgrind counts them;
it knows no AVX-512, so kernels are compiled for a processor with AVX2, whatever this one has. Only one span
of each job of benchmarks/kernels.py is counted, the second. Needs valgrind and a C compiler, for the lines
that tell valgrind what to count; takes a minute or two. A kernel that has become faster is told of, and fails
nothing: renew the table then, and after a change that is meant to cost more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import kernels

TABLE = Path(__file__).with_suffix(".toml")
STEPS = 128
MOST = 1.5
"""How many times what the table says is too much. Other versions of LLVM stay within a tenth."""

PROCESSOR = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+popcnt"}
"""Features are named as well: numba would ask this machine for them, and another one under valgrind."""

_COUNTER = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
"""


def _run_all(counter: str | None) -> None:
    """Runs every job twice, in this process; the second time is counted where there is a counter."""
    import ctypes

    library = ctypes.CDLL(counter) if counter else None
    for name, job in kernels.JOBS.items():
        span = job(STEPS)
        span()
        if library:
            library.begin()
            span()
            library.end(name.encode())


def counted() -> dict[str, float]:
    """Instructions a frame, of every job of benchmarks/kernels.py."""
    environment = {**os.environ, **PROCESSOR, "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "counter.c").write_text(_COUNTER)
        library = str(folder / "counter.so")
        compiler = ["cc", "-shared", "-fPIC", "-o", library, str(folder / "counter.c")]
        subprocess.run(compiler, check=True)
        run = [sys.executable, __file__, "--run"]
        subprocess.run(run, check=True, env=environment)  # fills the cache of kernels
        valgrind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"]
        valgrind.append(f"--callgrind-out-file={folder / 'counts'}")
        subprocess.run([*valgrind, *run, library], check=True, env=environment)
        found = {}
        for dump in folder.glob("counts*"):
            lines = dump.read_text().splitlines()
            told = next((line for line in lines if line.startswith("desc: Trigger: Client Request: ")), None)
            if told:
                name = told.removeprefix("desc: Trigger: Client Request: ")
                total = next(line for line in lines if line.startswith(("summary: ", "totals: ")))
                found[name] = int(total.split()[1]) / (STEPS * kernels.FRAMES)
    return {name: found[name] for name in kernels.JOBS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="write the table")
    parser.add_argument("--run", nargs="?", const="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run is not None:
        _run_all(asked.run)
        return
    if not shutil.which("valgrind") or not shutil.which("cc"):
        print("kernels are not watched: valgrind or a C compiler is missing", file=sys.stderr)
        return
    found = counted()
    if asked.renew:
        rows = "".join(f'"{name}" = {count:.0f}\n' for name, count in found.items())
        TABLE.write_text(f"# Instructions a frame; made by python benchmarks/watch.py --renew\n{rows}")
        return
    table = tomllib.loads(TABLE.read_text())
    slower = []
    for name, count in found.items():
        ratio = count / table[name] if name in table else 1.0
        said = "" if name in table else "not in the table: renew it"
        if ratio > MOST:
            slower.append(name)
            said = "too many"
        elif ratio < 1.0 / MOST:
            said = "fewer: renew the table"
        print(f"{name:28}{count:10.0f} instructions a frame, {ratio:5.2f} times as many  {said}")
    if slower:
        sys.exit(f"slower than they were: {', '.join(slower)}")


if __name__ == "__main__":
    main()
