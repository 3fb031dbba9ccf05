"""Sounds side by side: the same bits, whoever played what; and a crew that forgets nothing."""

import hashlib
import threading
import time

import numpy as np
import pytest

import resonance
from resonance.engine import Engine
from resonance.engine.crew import Crew


def rendered(workers: int) -> list[tuple[str, ...]]:
    """The dream in half a minute: places, reflections, weather, stems and all."""
    score = resonance.load("dream")
    engine = Engine(score, 44_100, duration_s=30.0, stems=True, workers=workers)
    return [
        (
            *(digest(audio) for audio in (block.mix, block.space, block.premaster)),
            *(f"{name} {digest(stem)}" for name, stem in sorted(block.stems.items())),
            *(event.name for event in block.events),
        )
        for block in engine.blocks()
    ]


def digest(audio: np.ndarray) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


def test_two_workers_give_the_bits_of_one() -> None:
    alone, together = rendered(1), rendered(2)
    assert alone == together
    assert len(set(alone)) == len(alone)


def test_a_crew_makes_every_call_once_and_tells_what_went_wrong() -> None:
    made: list[str] = []
    threads = set()

    def call(name: str) -> None:
        time.sleep(0.002)
        threads.add(threading.get_ident())
        made.append(name)

    crew = Crew(3)
    for _ in range(4):
        made.clear()
        crew.each({name: (lambda name=name: call(name)) for name in "abcdefgh"})
        assert sorted(made) == list("abcdefgh")
    assert len(threads) > 1

    def broken() -> None:
        raise ZeroDivisionError

    for workers in (1, 2, 4):
        with pytest.raises(ZeroDivisionError):
            Crew(workers).each({"a": broken, "b": lambda: None, "c": lambda: None})
