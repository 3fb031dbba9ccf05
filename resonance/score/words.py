"""Words as people type them: lengths of time, and names that are nearly right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_UNITS = re.compile(rf"(?=[0-9])(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s?)?")
_CLOCK = re.compile(r"(?:([0-9]{1,9}):(?=[0-5]?[0-9]:))?([0-9]{1,9}):([0-5]?[0-9](?:\.[0-9]{1,9})?)")

TIME_PATTERN = rf"^(?:{_UNITS.pattern}|{_CLOCK.pattern})$"
"""Every text `read_time` takes, for the schema."""

LONGEST_NAME = 60
"""Longer names are not compared: nobody types one by accident, and comparing takes the square of it."""


def read_time(text: str) -> float:
    """Seconds from "90", "90s", "1m30s", "1:30" or "1:02:03"; raises ValueError for anything else."""
    found = _UNITS.fullmatch(text.strip()) or _CLOCK.fullmatch(text.strip())
    if found is None:
        shown = text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"
        raise ValueError(f"{shown!r} is no time: write 90, 90s, 1m30s, 1:30 or 1:02:03")
    hours, minutes, seconds = (float(number or 0.0) for number in found.groups())
    return hours * 3600.0 + minutes * 60.0 + seconds


def nearest(name: str, names: Iterable[str]) -> str:
    """ ": did you mean 'drone'?" where one of `names` is near to `name`, else an empty string."""
    if len(name) > LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f": did you mean {near[0]!r}?" if near else ""
