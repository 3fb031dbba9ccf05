import itertools

import numpy as np

from resonance import rng
from resonance.generate.heart import Heart
from resonance.generate.pace import UNDER_FOOT, Breathing, Stride, Weight


def test_feet_alternate_and_fall_where_the_heart_is_silent():
    stride = Stride(rng.stream(1, "stride"))
    falls = [stride.fall(beat, 1.0) for beat in range(400)]
    assert [foot for _, foot in falls[:4]] == [-1, 1, -1, 1]
    assert all(0.5 < share < 0.75 for share, _ in falls)


def test_only_a_limp_tells_the_feet_apart():
    def apart(limp: float) -> float:
        stride = Stride(rng.stream(2, "stride"))
        falls = np.array([stride.fall(beat, limp) for beat in range(600)])
        return abs(falls[falls[:, 1] < 0, 0].mean() - falls[falls[:, 1] > 0, 0].mean())

    assert apart(0.0) < 0.005
    assert apart(1.0) > 0.02


def test_the_weight_climbs_to_the_seventh_stays_there_and_never_comes_home():
    weight = Weight(rng.stream(3, "weight"))
    places = [weight.place() for _ in range(2000)]
    assert places[0] == 0
    assert set(places) == set(range(6))
    moves = {(before, now) for before, now in itertools.pairwise(places)}
    top = len(UNDER_FOOT) - 1
    assert all(abs(now - before) == 1 or before == top for before, now in moves)
    assert (top, top) in moves
    assert (top, 0) not in moves
    assert 7 not in UNDER_FOOT


def test_the_breath_turns_in_every_four_beats_and_out_two_beats_later():
    heart = Heart(rng.stream(4, "heart"))
    breathing = Breathing()
    turns = [breathing.turn(heart.beat(90.0).breath) for _ in range(80)]
    assert turns == ["in", "", "out", ""] * 20


def test_roundings_do_not_move_the_turns():
    breathing = Breathing()
    almost = (0.0, 0.25 - 1e-16, 0.5 - 1e-16, 0.75, 1.0 - 1e-16, 0.25, 0.5, 0.75 + 1e-16, 0.0)
    assert [breathing.turn(breath) for breath in almost] == ["in", "", "out", ""] * 2 + ["in"]


def test_a_breath_of_its_own_rate_still_turns_on_beats():
    heart = Heart(rng.stream(5, "heart"))
    breathing = Breathing()
    turns = [breathing.turn(heart.beat(60.0, 0.14).breath) for _ in range(700)]
    assert abs(turns.count("in") - 98) <= 1
    kinds = [turn for turn in turns if turn]
    assert kinds == ["in", "out"] * (len(kinds) // 2) + ["in"] * (len(kinds) % 2)
