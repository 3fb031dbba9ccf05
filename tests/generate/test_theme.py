import numpy as np
import pytest

from resonance import rng
from resonance.generate import theme


def test_at_ease_the_climb_is_whole_and_stops_short_of_the_octave() -> None:
    assert theme.climb(0.8, 0.2) == (0, 1, 2, 4, 5)
    assert theme.OCTAVE not in theme.CLIMB


def test_doubt_breaks_it_off_sooner_and_sooner() -> None:
    lengths = [
        len(theme.climb(v, t))
        for v, t in zip(np.linspace(0.6, 0.1, 9), np.linspace(0.4, 0.75, 9), strict=True)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 2


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_phrases_rock_between_neighbours_and_never_repeat_the_last(count: int) -> None:
    chance = rng.stream(5, "phrases")
    previous: tuple[int, ...] = ()
    for _ in range(300):
        phrase = theme.rocking(chance, count, previous)
        assert len(phrase) == count
        assert set(phrase) <= {0, 1, 2, 4}
        assert phrase != previous
        assert phrase[-1] in (0, 4), "it rests on the first or the fifth"
        previous = phrase


def test_tones_lean_flat_more_often_than_sharp() -> None:
    chance = rng.stream(5, "lean")
    leans = [theme.lean(chance) for _ in range(2000)]
    assert np.mean(np.array(leans) < 0.0) > 0.6
