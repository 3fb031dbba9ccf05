"""A branching grammar: how a tree grows, as text that is rewritten again and again.

In the text `A` is a bud, `F` a piece of wood, `[` begins a branch and `]` ends it, `+` and `-` turn right and
left. At each generation every bud becomes wood and either goes on, or forks. Read back, every piece of wood
is a twig that lies one step higher than the one it grew from.
Source: Prusinkiewicz & Lindenmayer 1990, The Algorithmic Beauty of Plants, pp. 24 (brackets), 28 (chance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORKS = ("F[+A]-A", "F[-A]+A")
STRAIGHT = "FA"
_TURN_DEGREES = 22.5  # the angle of the book's plants, p. 25


@dataclass(frozen=True, slots=True)
class Twig:
    """A piece of wood.

    How many steps above the ground it lies, where it points (-1 left to 1 right), how many forks lie below
    it, and which twig it grew from (None for the first).
    """

    step: int
    side: float
    forks: int
    parent: int | None


def grown(rng: np.random.Generator, generations: int, fork: float = 0.3) -> str:
    """The text of a tree after so many generations; each bud forks with chance `fork`."""
    text = "A"
    for _ in range(generations):
        chance = iter(rng.random((text.count("A"), 2)))
        text = "".join(_rewritten(next(chance), fork) if symbol == "A" else symbol for symbol in text)
    return text


def _rewritten(chance: NDArray[np.float64], fork: float) -> str:
    return FORKS[int(2.0 * chance[1])] if chance[0] < fork else STRAIGHT


def twigs(text: str) -> list[Twig]:
    """The tree that a text describes, from the ground up, each twig after the one it grew from."""
    tree: list[Twig] = []
    parked: list[tuple[int | None, float, int]] = []
    parent: int | None = None
    degrees, forks = 0.0, 0
    for symbol in text:
        if symbol == "F":
            step = 0 if parent is None else tree[parent].step + 1
            tree.append(Twig(step, math.sin(math.radians(degrees)), forks, parent))
            parent = len(tree) - 1
        elif symbol == "[":
            parked.append((parent, degrees, forks))
            forks += 1
        elif symbol == "]":
            parent, degrees, forks = parked.pop()
        elif symbol in "+-":
            degrees += _TURN_DEGREES if symbol == "+" else -_TURN_DEGREES
    return tree


def branch(tree: Sequence[Twig], twig: int, chance: Sequence[float]) -> list[int]:
    """A way up from a twig, one child after the other, as many as there are chances: the twig comes first."""
    way = [twig]
    for choice in chance:
        children = [index for index, other in enumerate(tree) if other.parent == way[-1]]
        if not children:
            break
        way.append(children[int(choice * len(children))])
    return way
