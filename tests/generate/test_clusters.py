import numpy as np
import pytest

from resonance import rng
from resonance.generate.clusters import MOST_MEMBERS, Clusters, Member
from resonance.units import GRID_FRAMES

RATE_HZ = 48_000.0
STEP_S = GRID_FRAMES / RATE_HZ


def clusters(steps_a_call: int = 1024, steps: int = 300_000, **shape: float) -> list[list[Member]]:
    found = Clusters(rng.stream(3, "clusters"))
    rate_hz = np.full(steps_a_call + 1, 0.5)
    return [
        found.members(frame, RATE_HZ, **shape)
        for step in range(0, steps, steps_a_call)
        for frame in found.due(step * GRID_FRAMES, rate_hz, STEP_S)
    ]


@pytest.mark.parametrize("steps_a_call", [1, 128])
def test_clusters_do_not_depend_on_how_time_is_cut(steps_a_call: int) -> None:
    assert clusters(steps_a_call, 20_480) == clusters(20_480, 20_480)


def test_rate_size_and_gaps_are_what_is_asked() -> None:
    found = clusters(count=6.0, gap_s=0.4)
    assert len(found) == pytest.approx(0.5 * 400.0, rel=0.2)
    assert np.mean([len(cluster) for cluster in found]) == pytest.approx(6.0, rel=0.08)
    gaps = np.concatenate([np.diff([member.frame for member in cluster]) for cluster in found])
    assert gaps.mean() / RATE_HZ == pytest.approx(0.4, rel=0.1)
    assert all(2 <= len(cluster) <= MOST_MEMBERS for cluster in clusters(count=40.0))


def test_onsets_are_clustered_in_time() -> None:
    """Pure chance has a coefficient of variation of 1."""
    frames = np.sort([member.frame for cluster in clusters(gap_s=0.2) for member in cluster])
    gaps = np.diff(frames)
    assert gaps.std() / gaps.mean() > 1.3


def test_members_lie_near_each_other() -> None:
    """Within a cluster places vary far less than between clusters."""
    found = clusters(spread=0.3)
    within = np.mean([np.var([member.side for member in cluster]) for cluster in found])
    between = np.var([np.mean([member.side for member in cluster]) for cluster in found])
    assert within < 0.15 * between
    assert all(abs(m.side) <= 1.0 and abs(m.depth) <= 1.0 for cluster in found for m in cluster)


def test_numbers_and_frames_ascend() -> None:
    for cluster in clusters():
        assert [member.number for member in cluster] == list(range(len(cluster)))
        frames = [member.frame for member in cluster]
        assert frames == sorted(frames)
