"""A sound of one's own is one new file: validation, `show`, schema and the battery come with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import resonance
from resonance.cli import main
from resonance.score import ScoreError, schema

BELL = '''"""A bell that hums to itself."""

import math
from dataclasses import dataclass

import numpy as np

from resonance.contract import Patch, Voice
from resonance.dsp.partials import sines
from resonance.units import hz, part


@dataclass(frozen=True)
class Bell(Patch):
    """A soft bell, one long tone."""

    pitch_hz: float = hz(330.0, 50.0, 2000.0, "the bell's tone")
    purity: float = part(0.5, "how little of its octave is heard")


class BellVoice(Voice):
    """The tone and its octave, swaying by chance of its own."""

    voices = 1

    def __init__(self, patch, setting):
        self.rate_hz = setting.rate_hz
        self.chance = setting.stream("phases")
        self.turn = self.chance.random(2)
        self.phase = np.zeros(2)

    def start(self, event, span):
        self.phase[:] = self.turn
        return math.inf

    def render(self, span, out):
        cycles = span["pitch_hz"][:, None] * np.array([1.0, 2.0]) / self.rate_hz
        octave = 1.0 - span["purity"]
        level = 0.1 * span.energy[:, None] * np.stack((np.ones_like(octave), octave), axis=1)
        level = level.astype(np.float32)
        sines(self.phase, cycles, level, level, out)
'''
SCORE = """format = 1
title = "Bells"
about = "a test"
sounds = ["bell.py"]
[[scene]]
name = "only"
length = 3
[scene.sounds]
bell = { pitch_hz = [220, 440] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bell.py").write_text(BELL)
    (tmp_path / "bells.toml").write_text(SCORE)
    return tmp_path


def test_it_plays(folder: Path) -> None:
    score = resonance.load(folder / "bells.toml", allow_code=True)
    audio = resonance.render(score, seed=1)
    assert audio.shape == (3 * 48_000, 2)
    assert np.sqrt(np.mean(audio**2)) > 0.001


def test_it_runs_only_when_it_may(folder: Path) -> None:
    with pytest.raises(ScoreError, match="allow-code"):
        resonance.load(folder / "bells.toml")


def test_its_declarations_validate_the_score(folder: Path) -> None:
    (folder / "bells.toml").write_text(SCORE.replace("[220, 440]", "[220, 44000]"))
    with pytest.raises(ScoreError, match=r"bells\.toml:9: .*bell\.pitch_hz .*between 50 and 2000 Hz"):
        resonance.load(folder / "bells.toml", allow_code=True)


def test_show_tells_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(folder / "bell.py"), "--allow-code"]) == 0
    out = capsys.readouterr().out
    assert "A bell that hums to itself." in out
    assert "50 .. 2000" in out
    assert "/bell/pitch_hz" in out
    assert main(["show", str(folder / "bell.py")]) == 2


def test_the_schema_knows_it(folder: Path) -> None:
    told = json.dumps(schema([folder / "bell.py"]))
    assert "the bell's tone" in told


def test_the_battery_passes_on_it(folder: Path) -> None:
    environment = {**os.environ, "BATTERY_SOUND": str(folder / "bell.py")}
    battery = Path(__file__).parent / "test_battery.py"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", str(battery)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout or "[100%]" in run.stdout
