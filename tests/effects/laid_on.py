"""Effects laid on sound, for their tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from resonance.contract import Span
from resonance.dsp import GRID_FRAMES
from resonance.units import parameters

RATE_HZ = 48_000.0


def laid_on(
    x: np.ndarray,
    effect: Any,
    patch: type,
    curves: dict[str, np.ndarray],
    cuts: Sequence[int],
    fields: dict[str, float],
) -> np.ndarray:
    """`x` under an effect that follows `curves`, rendered in spans of `cuts` steps, in turn."""
    values = {name: parameter.default for name, parameter in parameters(patch).items()} | fields
    y = np.array(x, np.float32)
    step = turn = 0
    while step < y.shape[1] // GRID_FRAMES:
        steps = min(cuts[turn % len(cuts)], y.shape[1] // GRID_FRAMES - step)
        turn += 1
        own = {name: np.full(steps + 1, value) for name, value in values.items()}
        own |= {name: curve[step : step + steps + 1] for name, curve in curves.items()}
        flat = np.zeros(steps + 1)
        frames = slice(step * GRID_FRAMES, (step + steps) * GRID_FRAMES)
        piece = np.ascontiguousarray(y[:, frames])
        effect.render(Span(step * GRID_FRAMES, steps, RATE_HZ, flat, flat, flat, flat, flat, own), piece)
        y[:, frames] = piece
        step += steps
    return y


def noise(seed: int, steps: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return (0.1 * chance.standard_normal((2, steps * GRID_FRAMES))).astype(np.float32)


def tone(frequency_hz: float, steps: int) -> np.ndarray:
    time_s = np.arange(steps * GRID_FRAMES) / RATE_HZ
    return np.tile(0.3 * np.sin(2.0 * np.pi * frequency_hz * time_s), (2, 1)).astype(np.float32)
