"""Dream map, rows 10 and 13: the fog makes the mix dull, and the collapse makes it still."""

import pytest
from listening import alone, listen

from resonance.analysis.loudness import Meter
from resonance.analysis.measures import centroid_hz, rms_db

DOUBT = "energy = [0.50, 0.12]\ntension = [0.40, 0.75]\n"
MORE = "shadow = { gain_db = 0 }"
SECONDS = 9.0


def doubt(seed: int, effects: str = ""):
    return listen(alone("drone", seconds=SECONDS, arc=DOUBT + effects, fields="glow = 0.6", more=MORE), seed)


ASCENT = "valence = 0.8\nenergy = [0.35, 0.6]\ntension = 0.22\nbpm = 60"
LATE_DOUBT = "valence = 0.2\nenergy = [0.34, 0.12]\ntension = [0.6, 0.75]\nbpm = 54\n"
CLIMB = "crystals = { gain_db = 3, touch_hz = 4 }\nstars = { gain_db = -6 }"


@pytest.mark.parametrize("seed", [1, 2])
def test_in_the_densest_fog_the_mix_is_at_most_half_as_bright_as_in_the_ascent(seed):
    def bright(arc: str) -> float:
        text = alone("drone", seconds=SECONDS, arc=arc, fields="gain_db = -5, glow = 0.5", more=CLIMB)
        return centroid_hz(listen(text, seed).mix, 48_000.0)

    ascent = bright(ASCENT)
    assert bright(LATE_DOUBT + "fog = { density = [0.8, 1] }") <= 0.5 * ascent
    assert bright(LATE_DOUBT) > 0.5 * ascent, "without the fog it is the sounds that are dull"


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_falls_under_45_lufs_for_three_seconds(seed):
    fallen = doubt(seed, "collapse = { weight = [[0, 0], [0.2, 0], [0.7, 1], [1, 1]] }")
    meter = Meter(48_000.0, remembers=True)
    meter.add(fallen.mix)
    times_s, momentary, _ = meter.curve(0.1)
    assert momentary[times_s > SECONDS - 3.0].max() < -45.0
    assert momentary[(times_s > 0.5) & (times_s < 0.2 * SECONDS)].max() > -35.0


@pytest.mark.parametrize("seed", [1, 2])
def test_stems_and_space_still_add_up(seed):
    effects = "fog = { density = [0, 1] }\ncollapse = { weight = [0, 0, 0.8] }"
    heard = doubt(seed, effects)
    total = sum(stem.astype(float) for stem in heard.stems.values()) + heard.space
    assert rms_db(total - heard.premaster) < -90.0
