"""What tests listen with: a score rendered once, its mix, stems, space and events kept for all who ask."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resonance.contract import Event
from resonance.engine import Engine
from resonance.score import Score, load


@dataclass(frozen=True)
class Heard:
    """A span of a piece. Audio is float32 (frames, 2), `events` those that begin in the span."""

    rate_hz: float
    start_s: float
    mix: np.ndarray
    premaster: np.ndarray
    space: np.ndarray
    stems: dict[str, np.ndarray]
    events: tuple[Event, ...]
    messages: tuple[str, ...]

    def time_s(self, event: Event) -> float:
        """When an event begins, in seconds of the span."""
        return event.frame / self.rate_hz - self.start_s

    def of(self, sound: str, *kinds: str) -> list[Event]:
        """A sound's events, of these kinds or of all."""
        return [event for event in self.events if event.sound == sound and (not kinds or event.kind in kinds)]


@functools.lru_cache(maxsize=64)
def score_of(text: str, beside: Path | None = None) -> Score:
    """A preset by name, some of its scenes ("dream: base, ascent"), or a score by its text.

    `beside` is a folder with the score's own sounds.
    """
    if "\n" not in text:
        name, _, wanted = text.partition(": ")
        whole = load(name)
        kept = [scene for scene in whole.scenes if not wanted or scene.name in wanted.split(", ")]
        return dataclasses.replace(whole, scenes=tuple(kept))
    with tempfile.TemporaryDirectory() as folder:
        path = (beside or Path(folder)) / "score.toml"
        path.write_text(text)
        return load(path, allow_code=beside is not None)


def alone(sound: str, *, seconds: float = 20.0, arc: str = "", fields: str = "", more: str = "") -> str:
    """The text of a score with one scene and one sound. `arc` holds lines of the scene (valence = 0.5 ...),
    `fields` those of the sound's inline table (glow = 1, send_db = -9), `more` further sounds' lines.
    """
    return (
        'format = 1\ntitle = "alone"\nabout = "a test"\n[[scene]]\nname = "only"\n'
        f"length = {seconds}\n{arc}\n[scene.sounds]\n{sound} = {{ {fields} }}\n{more}\n"
    )


@functools.lru_cache(maxsize=48)
def listen(
    score: str = "dream",
    seed: int = 1,
    *,
    only: Sequence[str] = (),
    start_s: float = 0.0,
    end_s: float | None = None,
    duration_s: float | None = None,
    rate: float = 48_000.0,
    beside: Path | None = None,
) -> Heard:
    """Renders a preset, or the text of a score, from its beginning, and keeps the span asked for.

    With `only` (a tuple) little else is computed, so that a late span of one sound costs little.
    """
    engine = Engine(score_of(score, beside), rate, seed, duration_s=duration_s, only=only, stems=True)
    first = round(start_s * rate)
    last = engine.frames if end_s is None else min(engine.frames, round(end_s * rate))
    length = last - first
    kept = {name: np.zeros((length, 2), np.float32) for name in ("mix", "premaster", "space", *engine.heard)}
    events: list[Event] = []

    def keep(name: str, start: int, audio: np.ndarray) -> None:
        begin, end = max(first, start), min(last, start + audio.shape[1])
        if begin < end:
            kept[name][begin - first : end - first] = audio[:, begin - start : end - start].T

    for block in engine.blocks():
        keep("mix", block.start - engine.latency_frames, block.mix)
        keep("premaster", block.start, block.premaster)
        keep("space", block.start, block.space)
        for name, stem in block.stems.items():
            keep(name, block.start, stem)
        events += [event for event in block.events if first <= event.frame < last]
        if block.start - engine.latency_frames >= last:
            break
    whole = {name: kept.pop(name) for name in ("mix", "premaster", "space")}
    return Heard(rate, start_s, **whole, stems=kept, events=tuple(events), messages=tuple(engine.messages))
