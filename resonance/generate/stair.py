"""An endless stair: partials an octave apart that all rise together, fade in below and fade out above.

The ear follows each one up and never finds the top. Source: Shepard 1964, "Circularity in judgments of
relative pitch"; Risset's gliding version of 1968, as in Risset 1986, "Pitch and rhythm paradoxes".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_EDGE_OCTAVES = 1.0
"""Within an octave of either end a partial is drawn down to nothing, so that its way round is not heard."""


def places(octaves_risen: F64, partials: int) -> F64:
    """How many octaves above the bottom each partial lies: (..., partials), 0 to under `partials`."""
    return (np.asarray(octaves_risen)[..., None] + np.arange(partials)) % partials


def levels(place: F64, partials: int, centre: float, width: float) -> F64:
    """How loud a partial is at its place: a bell around `centre`, `width` octaves wide to each side.

    The bell rests while partials pass under it, so their common brightness stays. Zero at both ends.
    """
    bell = np.exp(-0.5 * ((place - centre) / width) ** 2)
    inside = np.clip(np.minimum(place, partials - place) / _EDGE_OCTAVES, 0.0, 1.0)
    return bell * np.sin(0.5 * np.pi * inside) ** 2


def treads(octaves_risen: F64, ratios: tuple[float, ...], period: float = 2.0) -> F64:
    """How near the stair is to a tread: 1 on a tone of the tuning, 0 halfway between two.

    All partials, being octaves, meet their treads at once. A raised cosine in pitch from tone to tone.
    """
    tones = np.log2(np.array([*ratios, period]))
    risen = np.asarray(octaves_risen) % tones[-1]
    above = np.searchsorted(tones, risen, "right").clip(1, len(tones) - 1)
    share = (risen - tones[above - 1]) / (tones[above] - tones[above - 1])
    return 0.5 + 0.5 * np.cos(2.0 * np.pi * share)
