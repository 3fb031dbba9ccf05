"""What went wrong, in one line and an exit code."""

from __future__ import annotations

import errno


def explained(error: Exception) -> tuple[str, int]:
    """The line (or, for a score, lines) to print and the code to end with."""
    from resonance.outputs.speakers import DeviceError
    from resonance.score import ScoreError
    from resonance.sounds import SoundError

    if isinstance(error, ScoreError):
        return "\n".join(error.problems), 2
    if isinstance(error, DeviceError):
        return _line(error), 1
    if isinstance(error, (SoundError, FileExistsError)):
        return _line(error), 2
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}the disk is full: free some space and try again", 1
        return _line(error), 1
    if isinstance(error, MemoryError):
        return "out of memory: close other programs, or render a shorter span", 1
    if isinstance(error, ValueError):
        return _line(error), 2
    return f"{type(error).__name__}: {_line(error)} (a mistake of ours: run it with --debug and report it)", 1


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
