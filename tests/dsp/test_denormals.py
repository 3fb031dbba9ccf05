"""Denormals are flushed in the thread that asks, and in no other."""

from __future__ import annotations

import platform
from threading import Thread

import numpy as np
import pytest

from resonance.dsp import GRID_FRAMES
from resonance.dsp.denormals import flush_denormals
from resonance.dsp.filters import one_pole

TINY = {np.float32: 1e-40, np.float64: 1e-310}


def survivors(flushes):
    """Which denormals are left after a product, by a thread of their own; and by a kernel."""
    left = {}

    def work():
        if flushes:
            flush_denormals()
            flush_denormals()
        for kind, tiny in TINY.items():
            # The operand is denormal in the first, only the result in the second.
            left[kind, "operand"] = np.any(np.full(9, tiny, kind) * kind(1.0))
            left[kind, "result"] = np.any(np.full(9, np.finfo(kind).tiny, kind) * kind(0.5))
        out = np.full((1, GRID_FRAMES), 1e-40, np.float32)
        one_pole(np.zeros(1), np.full((2, 1), 0.4), out, out)
        left["kernel"] = np.any(out)
        left["normal"] = np.float32(1e-37) * np.float32(1.0)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    return left


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86 only")
def test_denormals_are_flushed_in_the_thread_that_asks_and_in_no_other():
    flushed, kept = survivors(True), survivors(False)
    assert flushed.pop("normal") == kept.pop("normal") == np.float32(1e-37)
    assert not any(flushed.values())
    assert all(kept.values())
    assert np.any(np.full(9, 1e-310) * 0.5)


def test_it_can_be_asked_for_anywhere():
    thread = Thread(target=flush_denormals)
    thread.start()
    thread.join()
