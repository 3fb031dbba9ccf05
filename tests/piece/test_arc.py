"""The whole dream, once: that it follows its arc, holds together, and keeps every promise made of the whole.

What is asked, and how it is measured, is told in one place: benchmarks/piece.py prints the same lines.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import piece as whole_piece


@pytest.fixture(scope="session")
def piece(tmp_path_factory: pytest.TempPathFactory) -> whole_piece.Piece:
    """A render with all stems: a minute of CPU, a gigabyte of disk."""
    folder = tmp_path_factory.mktemp("dream")
    whole_piece.render(folder, 1)
    return whole_piece.Piece(folder)


def test_every_line_asked_of_the_whole_piece_holds(piece: whole_piece.Piece) -> None:
    lines = whole_piece.measured(piece)
    assert len(lines) > 40
    missed = [f"{line.name}: asked {line.asked}, found {line.found}" for line in lines if not line.holds]
    assert not missed, "\n".join(missed)
