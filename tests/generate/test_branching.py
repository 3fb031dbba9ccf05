import numpy as np
import pytest

from resonance.generate.branching import branch, grown, twigs


def rng(seed=1):
    return np.random.default_rng(seed)


def test_a_tree_that_never_forks_is_a_stem():
    text = grown(rng(), 5, fork=0.0)
    assert text == "FFFFFA"
    assert [(twig.step, twig.parent) for twig in twigs(text)] == [(0, None), (1, 0), (2, 1), (3, 2), (4, 3)]


def test_a_known_text_reads_as_its_tree():
    tree = twigs("F[+FF]-F")
    assert [twig.step for twig in tree] == [0, 1, 2, 1]
    assert [twig.parent for twig in tree] == [None, 0, 1, 0]
    assert [twig.forks for twig in tree] == [0, 1, 1, 0]
    assert [np.sign(twig.side) for twig in tree] == [0, 1, 1, -1]


def test_buds_double_where_all_fork():
    text = grown(rng(), 4, fork=1.0)
    assert text.count("A") == 16
    assert text.count("[") == text.count("]") == 15


@pytest.mark.parametrize("seed", range(8))
def test_every_twig_lies_a_step_above_its_parent(seed):
    tree = twigs(grown(rng(seed), 15))
    assert max(twig.step for twig in tree) == 14
    assert all(twig.step == tree[twig.parent].step + 1 for twig in tree if twig.parent is not None)
    assert all(-1.0 <= twig.side <= 1.0 for twig in tree)


def test_a_branch_climbs_step_by_step_and_ends_at_the_top():
    tree = twigs(grown(rng(3), 10))
    way = branch(tree, 0, rng(4).random(30).tolist())
    assert [tree[index].step for index in way] == list(range(10))
    assert branch(tree, 0, []) == [0]


def test_another_seed_is_another_tree():
    assert grown(rng(1), 12) == grown(rng(1), 12)
    assert grown(rng(1), 12) != grown(rng(2), 12)
