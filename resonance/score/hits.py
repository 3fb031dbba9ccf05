"""Hit points: a piece bent in time, so that its scenes begin exactly where a picture wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from resonance.score.words import nearest

LEAST_SCENE_S = 1.0
"""What a scene is not squeezed under, unless its score has it shorter."""
_EXACT_S = 0.001  # a hit as it is printed has milliseconds


class HitError(ValueError):
    """Hits that cannot all be met; the text tells the nearest that can."""


def borders(
    names: Sequence[str], lengths_s: Sequence[float], duration_s: float, hits: Mapping[str, float]
) -> list[float]:
    """Where scenes begin, and at last the end: between two hits all are stretched alike.

    `names` and `lengths_s` are the scenes' as they are written, `hits` wanted beginnings in seconds by name.
    Raises HitError for a name there is not, and for hits that leave scenes less than a second or come in
    another order than theirs.
    """
    own = np.concatenate([[0.0], np.cumsum(lengths_s)])
    for name in hits:
        if name not in names:
            raise HitError(
                f"no scene '{name}' to hit{nearest(name, names) or ': there are ' + ', '.join(names)}"
            )
    if hits.get(names[0], 0.0) != 0.0:
        raise HitError(f"{names[0]} is the first scene and begins at 0:00: it cannot be hit elsewhere")
    places = sorted(names.index(name) for name in hits if name != names[0])
    wanted = np.array([hits[names[place]] for place in places])
    possible_s = _nearest(wanted, places, np.minimum(lengths_s, LEAST_SCENE_S), duration_s)
    if np.any(np.abs(possible_s - wanted) > _EXACT_S):
        asked = ", ".join(_said(names[place], at) for place, at in zip(places, wanted, strict=True))
        possible = " ".join(f"--hit {_said(names[k], at)}" for k, at in zip(places, possible_s, strict=True))
        raise HitError(f"{asked} cannot be hit in {_clock(duration_s)}; the nearest possible is {possible}")
    fixed = [(0, 0.0), *zip(places, possible_s, strict=True), (len(names), duration_s)]
    return [float(at) for at in np.interp(own, [own[place] for place, _ in fixed], [at for _, at in fixed])]


def _nearest(wanted: np.ndarray, places: Sequence[int], least_s: np.ndarray, duration_s: float) -> np.ndarray:
    """The beginnings closest to those wanted, by squares, that leave every scene its least length.

    Less what the scenes before it need, no beginning may come before the last: neighbours that do are pooled
    at their mean. Source: Ayer et al., Annals of Mathematical Statistics 26, 1955 (isotonic regression).
    """
    needed = np.array([least_s[:place].sum() for place in places])
    pools: list[tuple[float, int]] = []
    for value in wanted - needed:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, several = pools.pop()
            mean = (before * several + mean * count) / (several + count)
            count += several
        pools.append((mean, count))
    free = np.array([mean for mean, count in pools for _ in range(count)])
    return np.clip(free, 0.0, duration_s - least_s.sum()) + needed


def _said(name: str, at_s: float) -> str:
    return f"{name}={_clock(at_s)}"


def _clock(at_s: float) -> str:
    """A time as people type it: 2:10 or 2:10.250."""
    thousandths = round(at_s * 1000.0)
    minutes, rest = divmod(thousandths, 60_000)
    whole, part = divmod(rest, 1000)
    return f"{minutes}:{whole:02}" + (f".{part:03}" if part else "")
