"""Another performance can go on where one was: in its night, its scene, its hand's grip; softly."""

import dataclasses
import pickle

import numpy as np
import pytest
from listening import score_of

from resonance.engine.commands import Hold, Launch, Set
from resonance.engine.history import Opening
from resonance.engine.performance import Performance

TEXT = """format = 1
title = "two"
about = "a test"
[[scene]]
name = "one"
length = 20
energy = [0.1, 0.9]
sounds = ["drone"]
[[scene]]
name = "two"
length = 30
energy = 0.4
sounds = ["drone"]
"""


def again(before: Performance) -> Performance:
    """One that goes on where another is, as if in another process."""
    opening = pickle.loads(pickle.dumps(before.here()))
    return Performance(before.score, seed=before.seed, endless=before.endless, opening=opening)


def test_it_goes_on_in_the_middle_of_a_scene() -> None:
    first = Performance(score_of(TEXT))
    first.do(Set("tension", 0.9))
    first.render(48_000 * 10)
    second = again(first)
    assert abs(second.frame - first.frame) <= 512
    views = first.view(), second.view()
    assert views[1].scene == "one"
    for name, tolerance in (("position", 0.01), ("energy", 0.01), ("tension", 1e-9), ("time_s", 0.02)):
        assert getattr(views[1], name) == pytest.approx(getattr(views[0], name), abs=tolerance), name
    assert first.end == pytest.approx(second.end, abs=512)


def test_it_rises_softly_and_is_the_same_every_time() -> None:
    first = Performance(score_of(TEXT))
    first.render(48_000 * 10)
    opening = first.here()
    heard = [Performance(first.score, opening=opening).render(48_000 * 3) for _ in range(2)]
    assert np.array_equal(heard[0], heard[1])
    assert np.abs(heard[0][:2400]).max() < 10.0 ** (-30.0 / 20.0)
    assert np.abs(heard[0][48_000:]).max() > 0.01


@pytest.mark.parametrize("command", [Launch("two"), Hold(True)])
def test_it_goes_on_where_a_hand_has_brought_it(command: Launch | Hold) -> None:
    first = Performance(score_of(TEXT), endless=True)
    first.render(48_000)
    first.do(command)
    first.render(48_000 * 5)
    second = again(first)
    assert (second.view().scene, second.view().held) == (first.view().scene, first.view().held)


def test_it_goes_on_in_a_later_night() -> None:
    score = score_of(TEXT)
    night = Opening(48_000, 3, 4, 1234, "two", False, (), 0.5)
    second = Performance(score, endless=True, opening=night)
    second.render(48_000)
    view = second.view()
    assert (view.night, view.scene) == (4, "two")
    assert view.position == pytest.approx(0.5, abs=0.1)
    assert dataclasses.replace(second.here(), position=0.5, step=48_000) == night
