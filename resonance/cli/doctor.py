"""`resonance doctor`: what is installed, what is missing and how to get it, and how fast this machine is."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import time
from pathlib import Path

import platformdirs

import resonance
from resonance.dsp import CACHE_FOLDER
from resonance.engine import Engine

_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "soundfile",
    "sounddevice",
    "soxr",
    "rich",
    "matplotlib",
    "platformdirs",
    "mido",
    "rtmidi2",
    "python-osc",
    "tomlkit",
)
_MEASURED_S = 20.0


def run(_: argparse.Namespace) -> int:
    """Prints the report, and returns 0 where rendering works."""
    print(f"resonance {resonance.__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(f"cores: {os.cpu_count()}")
    for name in _LIBRARIES:
        try:
            print(f"  {name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"  {name}: missing; pip install {name}")
    print(f"speakers: {_speakers()}")
    print(f"file formats: {_formats()}")
    print(f"kernel cache: {CACHE_FOLDER or 'no folder can be written: kernels compile anew at every start'}")
    print(f"settings: {platformdirs.user_config_path('resonance')}")
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    print(f"disk: {free_gb:.1f} GB free here; an hour of 24-bit stereo at 48 kHz takes 1.04 GB")
    print(f"speed: the dream renders at {_speed():.0f} times real time on one core")
    return 0


def _speakers() -> str:
    """Whether something can be played on, and what is missing if not: rendering to files needs none."""
    from resonance.outputs.speakers import DeviceError
    from resonance.outputs.speakers.outlet import outputs

    try:
        found = outputs()
    except DeviceError as error:
        return str(error)
    default = next(
        (f", by default {output.name} ({output.system})" for output in found if output.default), ""
    )
    return f"{len(found)} outputs{default}" if found else f"{DeviceError('no output device')}"


def _formats() -> str:
    import soundfile

    library = soundfile.available_formats()
    subtypes = soundfile.available_subtypes("OGG")
    found = ["wav", "flac", "ogg"]
    found += ["opus"] if "OPUS" in subtypes else []
    found += ["mp3"] if "MP3" in library else []
    return f"{', '.join(found)} (libsndfile {soundfile.__libsndfile_version__})"


def _speed() -> float:
    """Times real time of the dream's first minutes, kernels compiled beforehand."""
    for _ in range(2):
        engine = Engine(resonance.load("dream"))
        began = time.process_time()
        engine.render(int(_MEASURED_S * engine.rate))
    return _MEASURED_S / max(1e-9, time.process_time() - began)
