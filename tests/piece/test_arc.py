"""The whole dream, once: that it follows its arc, holds together, and keeps every promise made of the whole.

What is asked, and how it is measured, is told in one place: benchmarks/piece.py prints the same lines.
"""

from typing import Any

import pytest
from scripts import script

whole_piece = script("benchmarks/piece.py")


@pytest.fixture(scope="session")
def piece(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A render with all stems: a minute of CPU, a gigabyte of disk."""
    folder = tmp_path_factory.mktemp("dream")
    whole_piece.render(folder, 1)
    return whole_piece.Piece(folder)


def test_every_line_asked_of_the_whole_piece_holds(piece: Any) -> None:
    lines = whole_piece.measured(piece)
    assert len(lines) > 40
    missed = [f"{line.name}: asked {line.asked}, found {line.found}" for line in lines if not line.holds]
    assert not missed, "\n".join(missed)
