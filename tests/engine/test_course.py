"""Other ways through a score: launched scenes, held ones, other nights, rest; in blocks of any length."""

import itertools

import numpy as np
import pytest
from listening import score_of
from test_engine import PIECE

import resonance.engine.performance as performing
from resonance.engine.commands import Command, Hold, Launch, NoteOff, NoteOn, Rest, Set
from resonance.engine.engine import LEAD_STEPS
from resonance.engine.nights import next_seed, varied
from resonance.engine.performance import AHEAD_STEPS, Performance
from resonance.score import Timeline, load

RATE_HZ = 48_000
HANDS: list[tuple[int, Command]] = [
    (50_000, Launch("two")),
    (150_001, Launch("one", "beat")),
    (300_000, Launch("two", "breath")),
    (400_001, Hold()),
    (480_000, Set("tension", 0.9)),
    (500_000, NoteOn(60, 0.5)),
    (560_000, NoteOff(60)),
    (700_000, Hold(False)),
]


@pytest.fixture(autouse=True)
def _short_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes in a performance takes seconds here."""
    for name, seconds in {
        "HELD_S": 5.0,
        "TAIL_S": 2.0,
        "LEAVES_S": 1.0,
        "LANDING_S": 6.0,
        "_SETTLED_S": 3.0,
        "_DAWN_S": 1.0,
        "_AHEAD_S": 1.0,
    }.items():
        monkeypatch.setattr(performing, name, seconds)


def performed(options: dict, hands: list[tuple[int, Command]], seconds: float, block: int) -> np.ndarray:
    performance = Performance(score_of(PIECE), seed=3, **options)
    for at, command in hands:
        performance.do(command, at)
    frames = round(seconds * RATE_HZ)
    return np.concatenate(
        [performance.render(min(block, frames - start)) for start in range(0, frames, block)]
    )


def level(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(audio.astype(np.float64) ** 2)))


@pytest.mark.parametrize(
    ("options", "hands", "seconds"),
    [
        ({"endless": True}, [], 16.0),
        ({"hold": True, "scene": "two"}, [], 12.0),
        ({"endless": True}, HANDS, 18.0),
        ({}, [(100_000, Rest(12.5))], 13.0),
    ],
    ids=["nights", "hold", "hands", "rest"],
)
def test_the_course_is_the_same_in_blocks_of_any_length(options: dict, hands: list, seconds: float) -> None:
    whole = performed(options, hands, seconds, 1 << 20)
    assert np.array_equal(performed(options, hands, seconds, 1000), whole)


def test_a_launched_scene_plays_at_once_and_what_both_have_goes_on() -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(2 * RATE_HZ)
    performance.do(Launch("two"))
    performance.render(RATE_HZ // 10)
    assert performance.view().scene == "two"
    assert performance.view().position <= 0.25, "it begins where its crossfade would be over"
    assert {event.sound for event in _events(performance, 3.0) if event.time_s > 2.0} >= {"lullaby", "room"}
    soon = (AHEAD_STEPS + LEAD_STEPS) * 64 + performance.latency_frames
    assert performance.end == pytest.approx((2.0 + 4.0) * RATE_HZ, abs=soon)


def _events(performance: Performance, seconds: float) -> list:
    found = []
    for _ in range(round(seconds * 10)):
        performance.render(RATE_HZ // 10)
        found += performance.view().events
    return found


def test_common_tones_are_kept(tmp_path) -> None:
    text = PIECE.replace("[scene.sounds]\nlullaby = {}", "[scene.sounds]\ndrone = {}\nlullaby = {}")
    performance = Performance(score_of(text), seed=3)
    performance.render(2 * RATE_HZ)
    performance.do(Launch("two"))
    events = [event for event in _events(performance, 3.0) if event.sound == "drone"]
    assert {event.kind for event in events} <= {"begin"}
    assert all(event.time_s < 0.1 for event in events)


@pytest.mark.parametrize("when", ["beat", "breath"])
def test_a_launch_waits_for_the_beat(when: str) -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(RATE_HZ // 10)
    performance.do(Launch("two", when))
    scenes, beats = [], []
    for _ in range(600):
        performance.render(640)
        view = performance.view()
        scenes.append((view.scene, view.time_s))
        beats += [event.time_s for event in view.events if event.kind == "lub"]
    launched_s = next(time_s for scene, time_s in scenes if scene == "two")
    nearest = min(sorted(set(beats)), key=lambda beat_s: abs(beat_s - launched_s))
    assert launched_s - 0.02 <= nearest <= launched_s + 0.002
    number = sorted(set(beats)).index(nearest)
    assert number == 0 if when == "beat" else number % 4 == 0


def test_a_scene_that_is_launched_has_nothing_of_the_one_before_it() -> None:
    performance = Performance(score_of(PIECE), seed=3, scene="two")
    sounds = {event.sound for event in _events(performance, 3.0)}
    assert sounds <= {"lullaby", "room", "crystals"}
    assert sounds


def test_a_held_scene_never_ends_never_repeats_and_never_falls_silent() -> None:
    heard = performed({"hold": True, "scene": "one"}, [], 24.0, 1 << 20)
    seconds = heard[2 * RATE_HZ :].reshape(-1, RATE_HZ, 2)
    levels = [level(second) for second in seconds]
    assert min(levels) > 0.05 * max(levels)
    # Handed over every 5 s, crossed for 2 s: no second stands out by more than the music moves by itself.
    for first, second in itertools.combinations(seconds, 2):
        assert np.abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.9


def test_to_let_go_of_a_scene_goes_on_from_there() -> None:
    performance = Performance(score_of(PIECE), seed=3, hold=True)
    performance.render(3 * RATE_HZ)
    assert performance.end == np.inf
    performance.do(Hold(False))
    performance.render(RATE_HZ)
    assert performance.view().scene == "one"
    assert performance.end < 20 * RATE_HZ
    assert not performance.render(20 * RATE_HZ)[-RATE_HZ:].any()
    assert performance.ended


def test_no_two_nights_are_alike() -> None:
    performance = Performance(score_of(PIECE), seed=3, endless=True)
    heard = performance.render(40 * RATE_HZ)
    assert performance.view().night >= 4
    pieces = [heard[start : start + 5 * RATE_HZ, 0] for start in range(0, 40 * RATE_HZ, 10 * RATE_HZ)]
    for first, second in itertools.combinations(pieces, 2):
        assert not np.array_equal(first, second)
    assert np.array_equal(heard[: 9 * RATE_HZ], Performance(score_of(PIECE), seed=3).render(9 * RATE_HZ))


def test_every_night_is_still_the_dream() -> None:
    score = load("dream")
    seed, seen = 1, set()
    for _ in range(50):
        seed = next_seed(seed)
        night = varied(score, seed)
        assert [scene.name for scene in night.scenes] == [scene.name for scene in score.scenes]
        assert 0.85 * score.duration_s < night.duration_s < 1.18 * score.duration_s
        peak = max(night.scenes, key=lambda scene: max(value for _, value in scene.tension.points))
        assert peak.name == "agony"
        for scene, written in zip(night.scenes, score.scenes, strict=True):
            assert 0.8 < scene.length_s / written.length_s < 1.25
            for key, stray in (("valence", 0.12), ("energy", 0.16), ("tension", 0.16), ("bpm", 8.0)):
                for (place, value), (place_before, before) in zip(
                    getattr(scene, key).points, getattr(written, key).points, strict=True
                ):
                    assert place == place_before
                    assert abs(value - before) <= stray
        seen.add((night.duration_s, night.scenes[0].valence.points))
        Timeline(night)
    assert len(seen) == 50
    assert varied(score, seed) == varied(score, seed)


@pytest.mark.parametrize("length_s", [1.0, 86_400.0])
def test_the_shortest_and_the_longest_piece_have_nights(length_s: float) -> None:
    text = PIECE.replace("length = 6", f"length = {0.6 * length_s}").replace(
        "length = 4", f"length = {0.4 * length_s}"
    )
    for seed in range(20):
        assert Timeline(varied(score_of(text), seed)).duration_s == pytest.approx(length_s, rel=0.25)


def test_rest_lands_where_it_was_asked_and_slows_the_heart() -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.do(Rest(15.0))
    before = performance.render(round(8.9 * RATE_HZ))
    bpm = performance.view().bpm
    after = performance.render(round(7.1 * RATE_HZ))
    assert performance.ended
    assert performance.view().bpm < 0.75 * bpm
    assert performance.view().energy < 0.05
    heard = np.concatenate((before, after))
    assert not heard[15 * RATE_HZ :].any()
    assert heard[14 * RATE_HZ : round(14.9 * RATE_HZ)].any()
    steps = [level(heard[start : start + RATE_HZ]) for start in range(9 * RATE_HZ, 15 * RATE_HZ, RATE_HZ)]
    assert steps[-1] < 0.2 * max(steps)
    assert np.abs(np.diff(heard[-3 * RATE_HZ :, 0])).max() < 0.01, "it is not cut"


@pytest.mark.parametrize("at_s", [0.0, 2.0])
def test_rest_at_once_is_a_short_fade(at_s: float) -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(2 * RATE_HZ)
    performance.do(Rest(at_s))
    heard = performance.render(RATE_HZ)
    assert performance.ended
    assert not heard[RATE_HZ // 2 :].any()
    assert heard[: RATE_HZ // 10].any()


@pytest.mark.parametrize("options", [{"scene": "two"}, {"scene": "one", "hold": True}, {"endless": True}])
def test_no_start_ever_startles(options: dict) -> None:
    loud = PIECE.replace("[[scene]]", "[master]\ngain_db = 24\n[[scene]]", 1)
    performance = Performance(score_of(loud), seed=3, **options)
    performance.do(Set("master.volume_db", 12.0))
    for _ in range(20):
        performance.do(NoteOn(60, 1.0))
        performance.do(Launch("one"))
    start = performance.render(RATE_HZ)
    assert np.abs(start[: RATE_HZ // 20]).max() < 10.0 ** (-30.0 / 20.0)
    assert np.abs(start).max() > 0.2


def test_scenes_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no scene 'too'.*did you mean 'two'"):
        Performance(score_of(PIECE), scene="too")
    performance = Performance(score_of(PIECE))
    with pytest.raises(ValueError, match="no scene 'nowhere'"):
        performance.do(Launch("nowhere"))


def test_a_flood_of_launches_is_not_followed() -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(RATE_HZ)
    entered = 0
    for number in range(300):
        performance.do(Launch(("one", "two")[number % 2]))
        was = performance._legs[-1].engine.entered
        performance.render(64)
        entered += performance._legs[-1].engine.entered != was
    assert 1 <= entered <= 5
