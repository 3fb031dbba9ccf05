"""The engine: one clock, voices, stems and the mix. It knows no files, no devices and no MIDI."""

from __future__ import annotations

from collections.abc import Iterable

from resonance.dsp import F32
from resonance.engine.desk import Block
from resonance.engine.engine import Engine
from resonance.score import Score

__all__ = ["Block", "Engine", "render"]


def render(
    score: Score,
    seed: int | None = None,
    *,
    rate: float | None = None,
    duration_s: float | None = None,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
) -> F32:
    """The whole piece, float32 of shape (frames, 2), at `rate` Hz (default: `score.rate`).

    `seed` decides all chance (default: the score's); the same seed gives the same samples. `duration_s`
    stretches the scenes, 60 to 86,400; sounds keep their speed and pitch. `only` and `without` name the
    sounds that are heard. Raises ValueError for what the score does not have.
    """
    engine = Engine(score, rate, seed, duration_s=duration_s, only=only, without=without)
    return engine.render(engine.frames)
