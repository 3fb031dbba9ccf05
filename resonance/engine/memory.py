"""Memory, taken from the system before it is needed, and asked back where it may have been put away."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

_PAGE_BYTES = 4096
_NOT_OWNED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


def take(owner: object) -> None:
    """Writes to every page of the arrays that an object owns, or objects that it owns, what is there already.

    Zeros are only promised by the system: it gives a page when somebody first writes to it, which may be the
    thread that sounds, hours after the array was made. Nobody else may write to those arrays meanwhile.
    """
    for pages in _pages(owner):
        pages |= 0


def wake(owner: object) -> None:
    """Reads from every page: what nobody has touched for a while a system may have put away, to disk."""
    for pages in _pages(owner):
        pages.max(initial=0)


def _pages(owner: object) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """A byte of every page, array by array."""
    waiting, seen = [owner], set[int]()
    while waiting:
        owned = waiting.pop()
        if id(owned) in seen or isinstance(owned, _NOT_OWNED):
            continue
        seen.add(id(owned))
        if not isinstance(owned, np.ndarray):
            waiting += gc.get_referents(owned)
        elif owned.base is not None:
            waiting.append(owned.base)
        elif owned.flags.writeable and owned.flags.c_contiguous:
            yield owned.reshape(-1).view(np.uint8)[::_PAGE_BYTES]
