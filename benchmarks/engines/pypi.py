"""What engines from PyPI share: each is a script of its own, run by the Python that it is installed in."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines import work

PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
BLOCK_FRAMES = 8192


def version(package: str) -> str | None:
    told = [PYTHON, "-c", f"from importlib.metadata import version; print(version('{package}'))"]
    found = subprocess.run(told, capture_output=True, text=True)
    return f"{package} {found.stdout.strip()}" if found.returncode == 0 else None


def command(
    script: str, name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    told = [PYTHON, script, name, variant, str(int(probe)), str(seconds), str(folder), str(out)]
    path = str(Path(__file__).parent.parent)
    return told, {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path, "PYO_GUI_WX": "0"}


def asked() -> tuple[str, str, bool, float, Path, str]:
    """What a script was called with by `command`."""
    name, variant, probe, seconds, folder, out = sys.argv[1:]
    return name, variant, bool(int(probe)), float(seconds), Path(folder), out


def write(path: str, seconds: float, block: Callable[[int], np.ndarray]) -> None:
    """Writes blocks (2, BLOCK_FRAMES), each asked for by its first frame, to a float WAV."""
    frames = round(seconds * work.RATE_HZ)
    both = np.empty((BLOCK_FRAMES, 2), np.float32)
    with open(path, "wb") as file:
        form = struct.pack("<HHIIHH", 3, 2, work.RATE_HZ, 8 * work.RATE_HZ, 8, 32)
        file.write(b"RIFF" + struct.pack("<I", 36 + 8 * frames) + b"WAVEfmt " + struct.pack("<I", 16) + form)
        file.write(b"data" + struct.pack("<I", 8 * frames))
        for start in range(0, frames, BLOCK_FRAMES):
            # Side by side: a transposed copy takes five times as long, as much as a filter.
            both[:, 0], both[:, 1] = block(start)
            file.write(both[: frames - start])


def stereo_input(probe: bool, start: int, rng: np.random.Generator) -> np.ndarray:
    """What reverberation works on: a click on both sides, or noise."""
    if not probe:
        x = rng.random((2, BLOCK_FRAMES), np.float32)
        x -= np.float32(0.5)
        x *= np.float32(2.0 * work.INPUT_LEVEL)
        return x
    x = np.zeros((2, BLOCK_FRAMES), np.float32)
    x[:, 0] = 1.0 if start == 0 else 0.0
    return x
