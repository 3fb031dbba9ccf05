"""Clusters: things that begin near each other in time and in space, as moss grows and rain gathers.

Clusters come by chance; each has a middle somewhere, and members that follow one another closely and lie
about it. So there are flurries and long pauses: intervals vary far more than those of pure chance.
Source: Neyman & Scott 1958, Statistical approach to problems of cosmology, sec. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resonance.generate.onsets import Onsets

MOST_MEMBERS = 16


@dataclass(frozen=True, slots=True)
class Member:
    """One of a cluster: when it begins, which one it is (0 is the first), and where it lies, -1 to 1 each.

    `own` is chance of its own, 0 to 1, for whatever else is to be decided about it.
    """

    frame: int
    number: int
    side: float
    depth: float
    own: float


class Clusters:
    """Clusters one after the other; however the time is cut into spans, they are the same."""

    def __init__(self, rng: np.random.Generator, regularity: float = 1.0) -> None:
        # Two streams, so that members never depend on how many onsets were found before them.
        onset_rng, self._rng = rng.spawn(2)
        self._onsets = Onsets(onset_rng, regularity)

    def due(self, start: int, cluster_rate_hz: NDArray[np.float64], step_s: float) -> list[int]:
        """The frames at which clusters begin in the steps from frame `start` on.

        `cluster_rate_hz` is (steps + 1,), at the steps' borders. Ask each for its `members` at once.
        """
        return self._onsets.due(start, cluster_rate_hz, step_s)

    def members(
        self, frame: int, rate_hz: float, count: float = 5.0, gap_s: float = 0.45, spread: float = 0.3
    ) -> list[Member]:
        """The members of the cluster that begins at `frame`; most of them begin later.

        There are `count` on average, 2 to `MOST_MEMBERS`, `gap_s` apart on average, and they lie up to
        `spread` from their middle.
        """
        middle = self._rng.uniform(-1.0, 1.0, 2)
        size = self._rng.random()
        gaps_s = gap_s * self._rng.exponential(size=MOST_MEMBERS)
        strays = self._rng.uniform(-1.0, 1.0, (MOST_MEMBERS, 2))
        own = self._rng.random(MOST_MEMBERS)
        # Sizes are even about their mean, from half of it to half as much again.
        members = int(np.clip(round(count * (0.5 + size)), 2, MOST_MEMBERS))
        delays = np.concatenate(([0.0], np.cumsum(gaps_s[:-1]))) * rate_hz
        places = np.clip(middle + spread * strays, -1.0, 1.0)
        return [
            Member(frame + int(delays[k]), k, float(places[k, 0]), float(places[k, 1]), float(own[k]))
            for k in range(members)
        ]
