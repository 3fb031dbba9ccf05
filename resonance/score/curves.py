"""Curves as a score draws them: a few points, joined without a kink and without overshooting any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

MOST_POINTS = 10_000
"""No curve has more points than this."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (position, value), positions ascending from 0 to 1 over a scene; one point is a constant.

    Before its first point and after its last a curve rests on that point's value.
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, *values: float) -> Curve:
        """The curve through values evenly spaced over the scene."""
        last = max(len(values) - 1, 1)
        return cls(tuple((index / last, value) for index, value in enumerate(values)))

    @property
    def constant(self) -> float | None:
        """Its one value, where it has only one."""
        first = self.points[0][1]
        return first if all(value == first for _, value in self.points) else None

    def breakpoints(self) -> tuple[F64, F64]:
        """Positions and values dense enough that straight lines between them are the curve."""
        positions, values = np.array(self.points, dtype=np.float64).T
        if len(positions) < 3:
            return positions, values
        # 32 lines bend a cubic closer than 0.1 % of its span; longer curves are dense already.
        pieces = max(1, min(32, 4096 // len(positions)))
        share = np.arange(pieces) / pieces
        slopes = _monotone_slopes(positions, values)
        width, rise = np.diff(positions)[:, None], np.diff(values)[:, None]
        # The cubic Hermite basis, written as the straight line and what bends it.
        leave, arrive = slopes[:-1, None] * width - rise, slopes[1:, None] * width - rise
        bend = share * (1.0 - share) * ((1.0 - share) * leave - share * arrive)
        dense_values = values[:-1, None] + rise * share + bend
        dense_positions = positions[:-1, None] + width * share
        return np.append(dense_positions, positions[-1]), np.append(dense_values, values[-1])


def _monotone_slopes(positions: F64, values: F64) -> F64:
    """The slope at each point of the cubic that turns only where its points turn.

    Source: Fritsch and Butland 1984, "A method for constructing local monotone piecewise cubic
    interpolants": the weighted harmonic mean of the slopes on both sides, 0 where they differ in sign.
    """
    width = np.diff(positions)
    steep = np.diff(values) / width
    before, after = steep[:-1], steep[1:]
    weight_before = 2.0 * width[1:] + width[:-1]
    weight_after = width[1:] + 2.0 * width[:-1]
    turning = before * after <= 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = (weight_before + weight_after) / (weight_before / before + weight_after / after)
    slopes = np.empty_like(values)
    slopes[1:-1] = np.where(turning, 0.0, mean)
    slopes[0] = _end_slope(width[0], width[1], steep[0], steep[1])
    slopes[-1] = _end_slope(width[-1], width[-2], steep[-1], steep[-2])
    return slopes


def _end_slope(width: float, next_width: float, steep: float, next_steep: float) -> float:
    """The slope at an end: of the parabola through three points, held where it would overshoot."""
    slope = ((2.0 * width + next_width) * steep - width * next_steep) / (width + next_width)
    if slope * steep <= 0.0:
        return 0.0
    if steep * next_steep < 0.0 and abs(slope) > abs(3.0 * steep):
        return 3.0 * steep
    return slope
