"""Kernels: pure Python to read, native to run. They know nothing of sounds, scores, seeds or files.

Conventions, held by every kernel of this folder:

- state comes first, then parameters, the output last; outputs are added to, in place, unless the name
  says otherwise; nothing is allocated inside a kernel;
- audio is float32 of shape (channels, frames), and `frames` is a whole number of grid steps of 64;
- a control is an array of shape (steps + 1, ...): row k is its value at the start of step k, row k + 1
  at its end, and the kernel moves between them in a straight line; so the output is the same to the bit
  however a span is cut into steps;
- frequencies are in cycles a frame; only coefficient functions see `rate_hz`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from resonance.units import GRID_FRAMES

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

__all__ = [
    "F32",
    "F64",
    "GRID_FRAMES",
    "I64",
    "aligned",
    "compilation",
    "kernel",
    "kernels",
    "make_ready",
    "strict_kernel",
    "summing_kernel",
]


def _learn_arrays() -> None:
    """Has numba learn numpy's arrays without looking for scipy's BLAS: a quarter of a second of every start.

    Whoever multiplies matrices in a kernel gets it then all the same.
    """
    found = sys.modules.setdefault("scipy.linalg", None)  # type: ignore[arg-type]
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        if found is None:
            del sys.modules["scipy.linalg"]


_learn_arrays()


def _cache_folder() -> Path | None:
    """A writable folder for compiled kernels, named by a digest of their sources; None where there is none.

    numba's cache does not notice a change to a kernel that another file calls, so a new digest begins a
    new folder. Source: measured, see docs/performance.md.
    """
    import platformdirs

    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()}"
    for parent in (platformdirs.user_cache_path("resonance"), Path(tempfile.gettempdir()) / "resonance"):
        try:
            (parent / name).mkdir(parents=True, exist_ok=True)
            if os.access(parent / name, os.W_OK):
                return parent / name
        except OSError:
            continue
    return None


CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]

# Flags that keep output identical for every block size; full fastmath does not (docs/performance.md).
_SAFE = {"contract", "nsz", "nnan", "ninf", "arcp"}
_LINE_BYTES = 64
kernels: list[Any] = []


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    # Nobody calls a kernel from C: without that entry it compiles a tenth sooner.
    options["no_cfunc_wrapper"] = True
    # It becomes a part of each kernel that calls it. As a function of its own it would be there twice,
    # compiled alone and once more with its caller, each rounding in its own way, and which of them was
    # heard would hang on what a process had compiled or loaded before.
    options["forceinline"] = True
    dispatcher = numba.njit(cache=CACHE_FOLDER is not None, nogil=True, **options)(function)
    functools.update_wrapper(dispatcher, function)
    kernels.append(dispatcher)
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles a kernel at its first call, releases the GIL in it, and remembers it on disk."""
    return _compiled(function, fastmath=_SAFE)


def summing_kernel(function: Callable[..., Any]) -> Any:
    """A kernel that adds up a fixed number of lanes in whatever order is fastest, the same at every call."""
    return _compiled(function, fastmath=_SAFE | {"reassoc"})


def strict_kernel(function: Callable[..., Any]) -> Any:
    """A kernel with exact IEEE arithmetic: for whatever has to notice a NaN."""
    return _compiled(function)


def aligned(*shape: int) -> F32:
    """Zeros, float32, that begin with a line of the cache: across two, reads take a third longer."""
    size = math.prod(shape)
    flat = np.zeros(size + _LINE_BYTES // 4, np.float32)
    first = -flat.__array_interface__["data"][0] % _LINE_BYTES // 4
    return flat[first : first + size].reshape(shape)


def make_ready() -> None:
    """Has numba learn all it knows now, half a second's work, and not at the first kernel's call."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


@contextmanager
def compilation(tell: Callable[[str, int, int], None]) -> Iterator[None]:
    """Calls `tell(kernel, how many so far, how many there are)` whenever a kernel begins to be compiled."""
    from numba.core import event

    class Listener(event.Listener):
        def __init__(self) -> None:
            self.names: list[str] = []

        def on_start(self, event: Any) -> None:
            self.names.append(event.data["dispatcher"].__name__)
            tell(self.names[-1], len(self.names), max(len(kernels), len(self.names)))

        def on_end(self, event: Any) -> None:
            pass

    listener = Listener()
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]
