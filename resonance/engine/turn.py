"""One turn of a loop: what belongs to it, and how what lasts crosses over into itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resonance.contract import Event
from resonance.dsp import F64, GRID_FRAMES


@dataclass(frozen=True, slots=True)
class Turn:
    """The frames from `first` up to `last`, which follow each other in a circle.

    Whatever begins in the turn rings on past its end, to be laid over its beginning. What lasts is there
    before and after, and is faded in and out with equal power over the turn's first `lap` frames and over
    as many after its end: laid over each other, it goes on.
    """

    first: int
    last: int
    lap: int

    def has(self, event: Event) -> bool:
        """Whether an event belongs here: it begins in the turn, or answers what did."""
        while event.follows is not None:
            event = event.follows
        return lasts(event) or self.first <= event.frame < self.last

    def levels(self, start: int, steps: int) -> F64:
        """The level of what lasts at the borders of the steps from absolute frame `start` on."""
        frames = start + np.arange(steps + 1) * GRID_FRAMES
        begun = np.clip((frames - self.first) / self.lap, 0.0, 1.0)
        ended = np.clip((frames - self.last) / self.lap, 0.0, 1.0)
        return np.asarray(np.sin(0.5 * np.pi * begun) * np.cos(0.5 * np.pi * ended))


def lasts(event: Event) -> bool:
    """Whether what begins here lasts as long as its scene."""
    return event.sustained and event.duration_s == 0.0
