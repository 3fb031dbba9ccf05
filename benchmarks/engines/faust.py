"""Faust, compiled to C++ and by g++ -O3 -march=native -ffast-math, in a host that moves its sliders."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines import work

NAME = "Faust"
FLAGS = ["-O3", "-march=native", "-ffast-math", "-std=c++17"]

VARIANTS = {
    "W1": {
        "sawtooth": "os.sawtooth, pitch moved every 64 frames",
        "saw4": "os.saw4, pitch moved every 64 frames",
    },
    "W2": {"osc": "os.osc, levels moved every 64 frames and smoothed"},
    "W3": {"modeFilter": "pm.modeFilter, 250 a side"},
    "W5": {
        "zita_rev1": "re.zita_rev1_stereo, 8 lines, still",
        "jpverb": "re.jpverb, modulated allpasses",
    },
    "W7": {"svf": "no.noises, no.pink_filter, fi.svf.bp moved every 64 frames"},
}


def version() -> str | None:
    if shutil.which("faust") is None or shutil.which("g++") is None:
        return None
    told = subprocess.run(["faust", "-v"], capture_output=True, text=True).stdout
    found = re.search(r"Version ([\d.]+)", told)
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    return f"Faust {found.group(1)}, g++ {compiler}" if found else None


def _slider(row: int) -> str:
    return f'hslider("{row}", 1, -1e9, 1e9, 1e-9)'


def _panned(row: int) -> str:
    return f"*({_slider(row)}), *({_slider(row + 1)})"


def _rows(centre: np.ndarray, depth: float | np.ndarray, lfo: work.Lfo, octaves: bool) -> np.ndarray:
    return np.stack(np.broadcast_arrays(centre, depth, lfo.rate_hz, lfo.phase, float(octaves)), axis=1)


def _still(values: np.ndarray) -> np.ndarray:
    return _rows(values, 0.0, work.Lfo(np.ones(len(values)), np.zeros(len(values))), False)


def _interleaved(*columns: np.ndarray) -> np.ndarray:
    """Rows of controls, all of one voice before those of the next."""
    return np.stack(columns, axis=1).reshape(-1, 5)


Job = tuple[str, np.ndarray, int]
"""A program, its sliders' rows, and how many instances of it there are."""


def _voices(n: int, most: int) -> tuple[int, int]:
    """How many voices an instance has, and how many instances there are."""
    own = min(n, most)
    return own, n // own


def _saws(asked: work.Saws, oscillator: str) -> Job:
    own, instances = _voices(len(asked.hz), 16)
    left, right = work.equal_power(asked.pan)
    rows = _interleaved(
        _rows(asked.hz, asked.drift_st / 12.0, asked.lfo, True),
        _still(asked.level * left),
        _still(asked.level * right),
    )
    voices = (f"(os.{oscillator}({_slider(3 * i)}) <: {_panned(3 * i + 1)})" for i in range(own))
    return f"process = {', '.join(voices)} :> _, _;", rows, instances


def _partials(asked: work.Partials) -> Job:
    own, instances = _voices(len(asked.hz), 50)
    levels = _rows(np.full(len(asked.hz), 0.6 * asked.level), 0.4 * asked.level, asked.lfo, False)
    voices = (f"os.osc({_slider(2 * i)}) * ({_slider(2 * i + 1)} : si.smoo)" for i in range(own))
    return f"process = {', '.join(voices)} :> _, _;", _interleaved(_still(asked.hz), levels), instances


def _modes(asked: work.Modes) -> Job:
    own, instances = _voices(len(asked.hz), 50)
    every = round(asked.every_s * work.RATE_HZ)
    click = f"counter = (+(1) : %({every})) ~ _; click = (1 - 1') + (counter == 0);"
    voices = (
        f"pm.modeFilter({_slider(2 * i)}, {_slider(2 * i + 1)}, {0.5 * asked.level})" for i in range(own)
    )
    rows = _interleaved(_still(asked.hz), _still(asked.t60_s))
    return f"{click}\nprocess = click <: {', '.join(voices)} :> _, _;", rows, instances


def _space(variant: str, probe: bool) -> Job:
    source = (
        "click = 1 - 1';\ninput = click, click;"
        if probe
        else (f"input = no.noises(2, 0) * {work.INPUT_LEVEL}, no.noises(2, 1) * {work.INPUT_LEVEL};")
    )
    unit = {
        "zita_rev1": f"re.zita_rev1_stereo(12, 250, 4000, {1.15 * work.T60_S}, {work.T60_S}, 48000)",
        "jpverb": f"re.jpverb({work.T60_S}, 0, 2, 0.707, 0.1, 2, 1, 1, 0.9, 250, 4000)",
    }[variant]
    return f"{source}\nprocess = input : {unit};", np.zeros((0, 5)), 1


def _winds(asked: work.Winds) -> Job:
    own = len(asked.hz)
    left, right = work.equal_power(asked.pan)
    rows = _interleaved(
        _rows(asked.hz, asked.sweep_octaves, asked.lfo, True),
        _still(asked.level * left),
        _still(asked.level * right),
    )
    voices = (
        f"(no.noises({own}, {i}) : no.pink_filter : fi.svf.bp({_slider(3 * i)}, {asked.q})"
        f" <: {_panned(3 * i + 1)})"
        for i in range(own)
    )
    return f"process = {', '.join(voices)} :> _, _;", rows, 1


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    jobs: dict[str, Callable[[], Job]] = {
        "W1": lambda: _saws(work.saws(probe), variant),
        "W2": lambda: _partials(work.partials(probe)),
        "W3": lambda: _modes(work.modes(probe)),
        "W5": lambda: _space(variant, probe),
        "W7": lambda: _winds(work.winds(probe)),
    }
    program, rows, instances = jobs[name]()
    own = folder / f"faust-{name}-{variant}-{int(probe)}"
    if not (own / "job").exists():
        own.mkdir(exist_ok=True)
        (own / "job.dsp").write_text(f'import("stdfaust.lib");\n{program}\n')
        np.savetxt(own / "controls.txt", rows.reshape(-1, 5))
        host = str(Path(__file__).with_name("faust_host.cpp"))
        for told in (
            ["faust", "-a", host, "-o", str(own / "job.cpp"), str(own / "job.dsp")],
            ["g++", *FLAGS, "-o", str(own / "job"), str(own / "job.cpp")],
        ):
            subprocess.run(told, check=True, capture_output=True)
    return [str(own / "job"), str(seconds), str(out), str(own / "controls.txt"), str(instances)], dict(
        os.environ
    )
