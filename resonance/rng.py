"""Chance that belongs to a name.

Every random choice in a piece is drawn from a stream named after what it decides, such as
`stream(7, "crystals", "pitch")`. So adding or muting one sound never changes another, and a piece is
repeatable down to its samples.
"""

from __future__ import annotations

import hashlib

import numpy as np


def key(seed: int, *names: str | int) -> int:
    """A 64-bit number that belongs to a seed and a name: the same for ever, on every machine."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of random numbers that belongs to a seed and a name."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key(seed, *names))))
