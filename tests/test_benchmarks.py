"""The benchmarks still fit the house: each can be read, and says what it is for."""

import tomllib
from pathlib import Path

import pytest
from scripts import REPOSITORY, script


@pytest.mark.parametrize("path", sorted((REPOSITORY / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_can_be_read(path: Path) -> None:
    benchmark = script(f"benchmarks/{path.name}")
    assert f"python benchmarks/{path.name}" in (benchmark.__doc__ or "")


@pytest.mark.parametrize("job", script("benchmarks/kernels.py").JOBS)
def test_a_kernel_still_takes_what_its_benchmark_gives_it(job: str) -> None:
    script("benchmarks/kernels.py").JOBS[job](2)()


def test_a_take_with_everything_in_it_is_identical_and_its_notes_are_in_their_places(tmp_path: Path) -> None:
    """Some seconds of what the benchmark plays for five minutes."""
    assert script("benchmarks/take.py").check("crystal-garden", 12.0, tmp_path) == []


def test_every_kernel_of_the_benchmark_is_watched() -> None:
    table = tomllib.loads((REPOSITORY / "benchmarks" / "watch.toml").read_text())
    assert list(table) == list(script("benchmarks/kernels.py").JOBS)
