"""Hit points: scenes that begin where they are wanted, and what is said where they cannot."""

import numpy as np
import pytest

from resonance.score import load
from resonance.score.hits import HitError, borders
from resonance.score.timeline import Timeline

NAMES = ["a", "b", "c", "d"]
LENGTHS_S = [10.0, 20.0, 30.0, 40.0]


def test_without_hits_all_are_stretched_alike() -> None:
    assert borders(NAMES, LENGTHS_S, 200.0, {}) == [0.0, 20.0, 60.0, 120.0, 200.0]


def test_a_scene_begins_exactly_where_it_is_hit() -> None:
    assert borders(NAMES, LENGTHS_S, 100.0, {"c": 45.0}) == [
        0.0,
        15.0,
        45.0,
        pytest.approx(45 + 55 * 3 / 7),
        100.0,
    ]
    found = borders(NAMES, LENGTHS_S, 100.0, {"d": 90.25, "b": 1.5, "a": 0.0})
    assert found == [0.0, 1.5, pytest.approx(1.5 + 88.75 * 0.4), 90.25, 100.0]


@pytest.mark.parametrize(
    ("hits", "nearest"),
    [
        ({"d": 150.0}, "--hit d=1:39"),
        ({"b": 0.25}, "--hit b=0:01"),
        ({"b": 50.0, "c": 40.0}, "--hit b=0:44.500 --hit c=0:45.500"),
        ({"c": 98.9, "d": 98.9}, "--hit c=1:38 --hit d=1:39"),
        ({"b": 60.0, "c": 50.0, "d": 40.0}, "--hit b=0:49 --hit c=0:50 --hit d=0:51"),
    ],
)
def test_what_cannot_be_hit_is_told_with_the_nearest_that_can(hits: dict[str, float], nearest: str) -> None:
    with pytest.raises(HitError) as refused:
        borders(NAMES, LENGTHS_S, 100.0, hits)
    assert str(refused.value).endswith(nearest)
    possible = {}
    for word in nearest.split(" "):
        name, equals, at = word.partition("=")
        minutes, _, seconds = at.partition(":")
        possible |= {name: 60.0 * float(minutes) + float(seconds)} if equals else {}
    lengths = np.diff(borders(NAMES, LENGTHS_S, 100.0, possible))
    assert lengths.min() > 0.998


def test_no_set_of_hits_near_the_told_one_is_nearer() -> None:
    """The nearest by squares, against a search over many possible sets."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        wanted = dict(zip("bcd", rng.uniform(-20.0, 120.0, 3), strict=True))
        try:
            borders(NAMES, LENGTHS_S, 100.0, wanted)
            continue
        except HitError as refused:
            told = [word.partition("=")[2] for word in str(refused).split() if "=" in word][-3:]
        found = np.array([60.0 * float(at.split(":")[0]) + float(at.split(":")[1]) for at in told])
        asked = np.array(list(wanted.values()))
        others = np.sort(rng.uniform(1.0, 99.0, (20_000, 3)), axis=1)
        others = others[(np.diff(others, axis=1) >= 1.0).all(axis=1)]
        best = ((others - asked) ** 2).sum(axis=1).min()
        assert ((found - asked) ** 2).sum() <= best + 1.0


def test_names_and_the_first_scene() -> None:
    with pytest.raises(HitError, match="no scene 'x'"):
        borders(NAMES, LENGTHS_S, 100.0, {"x": 1.0})
    with pytest.raises(HitError, match="first scene"):
        borders(NAMES, LENGTHS_S, 100.0, {"a": 3.0})


def test_a_timeline_is_bent_and_its_curves_with_it() -> None:
    score = load("dream")
    bent = Timeline(score, 600.0, hits={"tree": 400.0})
    placed = {scene.name: scene for scene in bent.scenes}
    assert placed["tree"].start_s == 400.0
    assert bent.scenes[-1].end_s == 600.0
    straight = Timeline(score, 600.0)
    own = {scene.name: scene for scene in straight.scenes}
    for name in ("ascent", "tree"):
        middles = [(where[name].start_s + where[name].end_s) / 2.0 for where in (placed, own)]
        here, there = bent.energy(np.array(middles[:1])), straight.energy(np.array(middles[1:]))
        assert here == pytest.approx(there, abs=1e-9)


def test_a_loop_goes_round_without_the_fades_of_an_end() -> None:
    """What every preset fades at its end and in at its beginning goes on; the arc is whole, and joined."""
    score = load("embers")
    round_, plain = Timeline(score, 600.0, loops=True), Timeline(score, 600.0)
    at_s = round_.lead_s + np.linspace(-15.0, 15.0, 61)
    for sound in ("fire", "drone", "ember"):
        levels_db = round_.field(sound, "gain_db")(at_s)
        assert np.ptp(levels_db) < 6.0
        assert np.ptp(plain.field(sound, "gain_db")(np.linspace(570.0, 600.0, 61))) > 6.0
    for track in (round_.energy, round_.tension, round_.presence("moonlight")):
        steps = np.abs(np.diff(track(round_.lead_s + np.linspace(-30.0, 30.0, 6001))))
        assert steps.max() < 0.01
        turn = track(at_s + 600.0)
        assert turn == pytest.approx(track(at_s), abs=1e-9)
    # Away from the seam it is the piece.
    middle_s = np.linspace(150.0, 450.0, 50)
    assert round_.energy(middle_s + round_.lead_s) == pytest.approx(plain.energy(middle_s), abs=1e-9)
    assert [scene.start_s - round_.lead_s for scene in round_.scenes] == pytest.approx(
        [scene.start_s for scene in plain.scenes]
    )
