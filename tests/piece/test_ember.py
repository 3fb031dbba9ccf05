"""Row 32: the fire is carried."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import centroid_hz, envelope_db, rms_db

ARC = "valence = [0.60, 0.75]\nenergy = [0.05, 0.12]\ntension = [0.15, 0.05]\nbpm = 50"
# All else fades before the end, as in the awakening: what is asked of the ember is that it stays.
OTHERS = """drone = { gain_db = [[0, -18], [0.5, -18], [0.75, -80], [1, -80]], distance_m = 40 }
room = { gain_db = [[0, -2], [0.5, -2], [0.75, -80], [1, -80]] }"""


@pytest.mark.parametrize("seed", [1, 2])
def test_it_outlasts_all_else(seed):
    fields = "gain_db = [[0, -8], [0.6, 0], [1, 0]]"
    seen = listen(alone("ember", seconds=24.0, arc=ARC, fields=fields, more=OTHERS), seed)
    last = {
        name: np.flatnonzero(envelope_db(stem, seen.rate_hz, 0.05) > -80.0)[-1]
        for name, stem in seen.stems.items()
    }
    assert last["ember"] == max(last.values())
    assert all(last["ember"] > last[name] + 20 for name in ("drone", "room")), last
    ends_db = {name: rms_db(stem[-5 * 48_000 :]) for name, stem in seen.stems.items()}
    assert max(ends_db, key=ends_db.get) == "ember"


@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_faint_and_warm_and_breathes(seed):
    seen = listen(alone("ember", seconds=24.0, arc=ARC), seed, only=("ember",))
    stem = seen.stems["ember"]
    assert -56.0 < rms_db(stem) < -38.0
    assert centroid_hz(stem, seen.rate_hz) < 2000.0
    level_db = envelope_db(stem, seen.rate_hz, 0.4)[3:]
    assert 4.0 < np.percentile(level_db, 95) - np.percentile(level_db, 5) < 20.0
    assert 3 <= len(seen.of("ember", "tick")) < 40
