"""The theme: a climb of five tones, 1 2 3 5 6, that stops one step short of the octave.

It binds the piece: every sound that sings takes its tones from here, broken off, turned over, or backwards.
Degrees count from 0, as tunings do.
"""

from __future__ import annotations

import numpy as np

CLIMB = (0, 1, 2, 4, 5)
OCTAVE = 7
"""The step that is withheld: reached in the hollow vision, at the height of the tree, and once on waking."""


def climb(valence: float, tension: float) -> tuple[int, ...]:
    """As much of the climb as the mood allows: whole at ease, breaking off sooner the more it darkens.

    In the ascent (valence over 0.6, tension under 0.3) all five tones; in the depth of doubt two.
    """
    doubt = max(0.0, min(1.0, max((tension - 0.3) / 0.45, (0.6 - valence) / 0.5)))
    return CLIMB[: max(2, round(5 - 3 * doubt))]


def rocking(rng: np.random.Generator, count: int, previous: tuple[int, ...] = ()) -> tuple[int, ...]:
    """A lullaby's phrase: `count` tones that rock between neighbours of the climb and rest on 1 or 5.

    It never equals `previous`. Draws are fixed in number for a given count.
    """
    steps = rng.random(count + 1)
    tones = (0, 1, 2, 4)
    place = int(steps[0] * len(tones))
    phrase = []
    for step in steps[1:]:
        phrase.append(tones[place])
        place += 1 if (step < 0.5 and place < len(tones) - 1) or place == 0 else -1
    phrase[-1] = 0 if phrase[-2] in (0, 1) else 4
    if tuple(phrase) == previous:
        phrase[0] = next(tone for tone in tones if tone not in (phrase[0], phrase[1]))
    return tuple(phrase)


def lean(rng: np.random.Generator) -> float:
    """Which way a tone leans when it is strained: flat more often than sharp, since doubt sags."""
    return float(rng.triangular(-1.0, -0.6, 0.6))
