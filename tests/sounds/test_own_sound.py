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

DOCS = Path(__file__).parent.parent.parent / "docs"


def shown(page: str, language: str) -> str:
    """The first block of code in this language that a page of the documentation shows."""
    return (DOCS / page).read_text().split(f"```{language}\n")[1].split("```")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What docs/sound.md shows, saved as it says, but for the length."""
    (tmp_path / "bell.py").write_text(shown("sound.md", "python"))
    (tmp_path / "bells.toml").write_text(shown("sound.md", "toml").replace('"1:00"', "3"))
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
    score = folder / "bells.toml"
    score.write_text(score.read_text().replace("[220, 440]", "[220, 44000]"))
    with pytest.raises(ScoreError, match=r"bells\.toml:11: .*bell\.pitch_hz .*between 50 and 2000 Hz"):
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
