import math

import numpy as np
import pytest

from resonance.score import Placed, Timeline, load
from resonance.score.timeline import Track

SCORE = """format = 1
bpm = 60
[sounds.drone]
glow = 0.9
[space]
t60_s = 5
[[scene]]
name = "a"
length = 40
valence = [0.1, 0.5]
energy = 0.3
space = { t60_s = [4, 9] }
sounds = { drone = { glow = [0.2, 0.6] }, room = {} }
[[scene]]
name = "b"
length = 20
crossfade = 8
valence = [0.9, 0.2, 0.8]
energy = 0.3
tension = [[0.25, 0.1], [0.75, 0.7]]
bpm = 90
sounds = { drone = { gain_db = -6 } }
[[scene]]
name = "c"
length = 40
crossfade = 0
sounds = { room = -12 }
[[scene]]
name = "d"
length = 20
breath_hz = 0.5
sounds = { drone = { glow = 0.1 }, room = -12 }
"""


@pytest.fixture
def timeline(written):
    return Timeline(load(written(SCORE)))


def at(track, *times_s):
    return pytest.approx(list(track(np.array(times_s, dtype=np.float64))), abs=1e-6)


def test_scenes_follow_one_another(timeline):
    assert timeline.duration_s == 120.0
    assert timeline.scenes == (
        Placed("a", 0.0, 40.0),
        Placed("b", 40.0, 60.0),
        Placed("c", 60.0, 100.0),
        Placed("d", 100.0, 120.0),
    )
    names = [timeline.scene_at(time_s).name for time_s in (-1, 0, 39.999, 40, 60, 100, 119, 120, 999)]
    assert names == ["a", "a", "a", "b", "c", "d", "d", "d", "d"]


def test_the_arc_is_drawn_scene_by_scene(timeline):
    # Straight in a; from its end through b's curve, past the crossfade; at once in c, which has none.
    assert at(timeline.valence, 0, 20, 40, 50, 60 - 1e-9, 60) == [0.1, 0.3, 0.5, 0.2, 0.8, 0.5]
    assert at(timeline.tension, 20, 57, 59.9) == [0.2, 0.7, 0.7]
    assert timeline.energy.constant == 0.3
    assert timeline.valence.constant is None


def test_the_arc_crosses_a_border_without_a_jump_and_smoothly(timeline):
    for track in (timeline.valence, timeline.tension, timeline.bpm):
        times = np.linspace(38.0, 50.0, 12_001)
        steps = np.abs(np.diff(track(times)))
        # No single millisecond takes more than its share of the steepest slope there can be here.
        assert steps.max() < 30.0 * 1.5 / 8.0 * 0.001 * 1.05
    # Half way through a crossfade of 8 s the smoothstep is at a half.
    assert at(timeline.bpm, 40, 42, 44, 48) == [60.0, 60 + 30 * 0.15625, 75.0, 90.0]


def test_a_breath_takes_four_beats_unless_the_score_says_how_long(timeline):
    assert at(timeline.breath_hz, 20, 55, 80, 110) == [0.25, 0.375, 0.25, 0.5]


def test_presence_fades_only_where_a_scene_with_the_sound_meets_one_without(timeline):
    room = timeline.presence("room")
    assert at(room, 0, 20, 40, 42, 44, 48, 59.999, 60, 120) == [
        1, 1, 1, 0.5 + 0.5 * np.cos(np.pi / 4), 0.5, 0, 0, 1, 1,
    ]  # fmt: skip
    drone = timeline.presence("drone")
    assert at(drone, 0, 40, 44, 59.999, 60, 100, 102, 104, 120) == [1, 1, 1, 1, 0, 0, 0.5, 1, 1]
    assert timeline.presence("memories").constant == 0.0


def test_presence_that_never_changes_is_constant(written):
    scene = "[[scene]]\nname = '{}'\nlength = 9\nsounds = ['room']\n"
    timeline = Timeline(load(written("format = 1\n" + scene.format("a") + scene.format("b"))))
    assert timeline.presence("room").constant == 1.0


def test_a_field_is_the_scenes_then_the_tables_then_the_default(timeline):
    glow = timeline.field("drone", "glow")
    assert at(glow, 0, 20, 40, 44, 48, 59) == [0.2, 0.4, 0.6, 0.75, 0.9, 0.9]
    gain_db = timeline.field("drone", "gain_db")
    assert at(gain_db, 0, 40, 44, 48) == [0.0, 0.0, -3.0, -6.0]
    assert timeline.field("drone", "root_hz").constant == 55.0


def test_a_field_holds_while_its_sound_is_away_and_starts_anew_when_it_comes_back(timeline):
    glow = timeline.field("drone", "glow")
    assert at(glow, 60, 80, 99.999, 100, 110) == [0.9, 0.9, 0.9, 0.1, 0.1]
    assert glow(np.array([np.nextafter(100.0, 0.0), 100.0])).tolist() == pytest.approx([0.9, 0.1])
    gain_db = timeline.field("room", "gain_db")
    assert at(gain_db, 30, 50, 59.999, 60, 110) == [0.0, 0.0, 0.0, -12.0, -12.0]


def test_a_field_has_its_first_value_before_its_sound_first_comes(written):
    text = SCORE.replace("sounds = { drone = { glow = [0.2, 0.6] }, room = {} }", "")
    timeline = Timeline(load(written(text.replace("gain_db = -6", "glow = [0.3, 0.4]"))))
    assert at(timeline.field("drone", "glow"), 0, 40, 60) == [0.3, 0.3, 0.4]


def test_an_effects_field_moves_like_the_arc(timeline):
    t60_s = timeline.effect("space", "t60_s")
    assert at(t60_s, 0, 20, 40, 44, 48, 120) == [4.0, 6.5, 9.0, 7.0, 5.0, 5.0]


def test_stretching_scales_scenes_but_not_crossfades(written):
    score = load(written(SCORE))
    timeline = Timeline(score, 1200.0)
    assert [(scene.start_s, scene.end_s) for scene in timeline.scenes] == [
        (0, 400), (400, 600), (600, 1000), (1000, 1200),
    ]  # fmt: skip
    assert at(timeline.bpm, 404, 408) == [75.0, 90.0]
    assert at(timeline.presence("drone"), 1002, 1004) == [0.5, 1.0]
    assert at(timeline.valence, 200, 500) == [0.3, 0.2]
    short = Timeline(score, 24.0)
    # Scene b now lasts 4 s: its crossfade is cut from 8 s to 2 s, half of it.
    assert at(short.bpm, 8, 9, 10, 12 - 1e-9) == [60.0, 75.0, 90.0, 90.0]
    assert short.scenes[-1].end_s == short.duration_s == 24.0


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 86_401.0, float("nan"), float("inf")])
def test_an_impossible_duration_is_refused(duration_s, written):
    with pytest.raises(ValueError, match="it must be between 1 and 86400 s"):
        Timeline(load(written(SCORE)), duration_s)


def test_a_time_has_the_same_value_whatever_it_is_asked_with(timeline):
    times = np.random.default_rng(3).uniform(-1.0, 121.0, 4000)
    times[:400] = np.round(times[:400])
    tracks = [
        timeline.valence,
        timeline.tension,
        timeline.bpm,
        timeline.energy,
        timeline.presence("room"),
        timeline.field("drone", "glow"),
        timeline.effect("space", "t60_s"),
    ]
    for track in tracks:
        whole = track(times)
        assert whole.dtype == np.float64
        for length in (1, 7, 129, 1000):
            chunks = [track(times[i : i + length]) for i in range(0, len(times), length)]
            assert np.concatenate(chunks).tobytes() == whole.tobytes()


def test_breakpoints_ascend_so_that_every_value_is_defined(timeline):
    names = ("gain_db", "glow", "root_hz")
    tracks = [timeline.field("drone", name) for name in names] + [timeline.presence("room"), timeline.bpm]
    for track in tracks:
        assert np.all(np.diff(track.times_s) > 0.0)
        assert np.isfinite(track.values).all()


def test_ten_thousand_years_of_nothing_is_still_one_scene(written):
    timeline = Timeline(load(written("format = 1\n[[scene]]\nname = 'a'\nlength = '24h'\n")))
    assert timeline.scene_at(5.0) == Placed("a", 0.0, 86_400.0)
    assert timeline.valence.constant == 0.5
    assert timeline.breath_hz.constant == 54.0 / 240.0


def test_a_track_knows_from_when_until_when_it_rests():
    track = Track(np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 5.0, 6.0, 6.0]))
    assert track.stretch(0.0) == track.stretch(2.0) == (-math.inf, 2.0, 5.0)
    assert track.stretch(2.5) == (2.0, 3.0, None)
    assert track.stretch(3.0) == track.stretch(9.0) == (3.0, math.inf, 6.0)
    assert Track(np.array([7.0]), np.array([0.5])).stretch(1.0) == (-math.inf, math.inf, 0.5)
