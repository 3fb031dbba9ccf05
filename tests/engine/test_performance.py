"""A performance: the engine's own samples, and hands on it that count the same however it is asked."""

import random

import numpy as np
import pytest
from listening import alone, score_of
from test_engine import PIECE

import resonance
from resonance.dsp import GRID_FRAMES
from resonance.engine import memory
from resonance.engine.commands import (
    AllOff,
    Command,
    Express,
    Hold,
    Launch,
    LetGo,
    NoteOff,
    NoteOn,
    Pulse,
    Rest,
    Set,
    Tune,
)
from resonance.engine.engine import Engine
from resonance.engine.performance import AHEAD_STEPS, HAND_STEPS, MOST_NOTES_HZ, Performance
from resonance.sounds.memories import _built_in

HANDS: list[tuple[int, Command]] = [
    (0, Set("tension", 0.9)),
    (10_001, NoteOn(69, 0.8)),
    (10_001, Set("master.volume_db", -12.0)),
    (30_000, NoteOn(57, 0.6, "lullaby")),
    (30_000, NoteOff(57, 0.0, "lullaby")),
    (40_001, Express(None, 0, bend_cents=150.0)),
    (40_090, Express(69, 0, pressure=0.7)),
    (40_100, Express(None, 0, bend_cents=-150.0, pressure=0.2)),
    (44_000, NoteOff(69, pedalled=True)),
    (44_001, Express(None, 0, bend_cents=700.0)),
    (44_002, Express(None, 0, bend_cents=-40.0, timbre=0.9, whole=True)),
    (60_777, LetGo("tension")),
    (80_000, AllOff()),
]


def played(performance: Performance, frames: int, block: int, hands: list[tuple[int, Command]]) -> np.ndarray:
    """Renders in blocks, cut where a hand comes in, as whoever listens to the hands does."""
    heard = []
    waiting = list(hands)
    while performance.frame < frames:
        while waiting and waiting[0][0] == performance.frame:
            performance.do(waiting.pop(0)[1])
        until = min(frames, performance.frame + block, *(at for at, _ in waiting[:1]))
        heard.append(performance.render(until - performance.frame))
    return np.concatenate(heard)


def test_without_a_hand_it_is_the_engine_to_the_bit() -> None:
    whole = resonance.render(score_of(PIECE), seed=3)
    performance = Performance(score_of(PIECE), seed=3)
    assert np.array_equal(performance.render(len(whole)), whole)
    assert performance.ended
    assert not performance.render(1000).any()
    assert performance.frame == len(whole) + 1000


def test_what_takes_long_to_make_is_there_before_it_plays() -> None:
    """A file makes it when it comes to it, and not at all where it never does."""
    _built_in.cache_clear()
    score = resonance.load("dream")
    Engine(score)
    assert _built_in.cache_info().currsize == 0
    Performance(score)
    assert _built_in.cache_info().currsize == 1


@pytest.mark.parametrize("block", [1, 128, 1000])
def test_hands_count_the_same_in_blocks_of_any_length(block: int) -> None:
    frames = 12_000 if block == 1 else 120_000
    whole = Performance(score_of(PIECE), seed=3)
    for at, command in HANDS:
        whole.do(command, at)
    wanted = whole.render(frames)
    assert np.array_equal(played(Performance(score_of(PIECE), seed=3), frames, block, HANDS), wanted)
    assert not np.array_equal(Performance(score_of(PIECE), seed=3).render(frames), wanted)


@pytest.mark.parametrize("at", [48_000, 48_001, 48_063])
def test_every_note_comes_as_late_as_any_other_to_the_sample(at: int) -> None:
    performance = Performance(score_of(alone("crystals", fields="touch_hz = 0, theme_hz = 0")), seed=1)
    performance.render(at)
    performance.do(NoteOn(69, 0.9))
    audio = np.abs(performance.render(4_800)).max(axis=1)
    begin = np.flatnonzero(audio)[0]
    assert 0 <= begin - performance.delay_frames <= 2, "a mallet's push begins at zero"
    assert performance.delay_frames < 0.01 * performance.rate


@pytest.mark.parametrize("sound", ["crystals", "lullaby", "tree", "moonlight", "symphony", "heartbeat"])
def test_a_finger_that_presses_lets_up_and_presses_again_is_heard_the_same(sound: str) -> None:
    fields = "touch_hz = 0, theme_hz = 0" if sound == "crystals" else ""
    wanted, cut = (Performance(score_of(alone(sound, fields=fields)), seed=1) for _ in range(2))
    for performance in (wanted, cut):
        performance.do(NoteOn(60, 0.8, sound), 1_000)
        for k in range(12):
            pressed = 0.8 if k % 3 == 0 else 0.0
            performance.do(Express(None, 0, bend_cents=7.3 * k, pressure=pressed), 4_000 + 3_001 * k)
    whole = wanted.render(60_000)
    assert np.array_equal(np.concatenate([cut.render(250) for _ in range(240)]), whole)


def test_hands_that_move_all_the_time_do_not_cut_what_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Single steps cost several times as much as spans, and a finger that bends sends a message in each."""
    spans, ahead = [], []
    heard, sounded = Engine.mix_of, Engine.sound_ahead
    monkeypatch.setattr(Engine, "mix_of", lambda self, steps: spans.append(steps) or heard(self, steps))
    monkeypatch.setattr(
        Engine, "sound_ahead", lambda self, steps: ahead.append(steps) or sounded(self, steps)
    )
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(AHEAD_STEPS * 64)
    spans.clear(), ahead.clear()
    for k in range(20):
        for frame in range(performance.frame, performance.frame + HAND_STEPS * 64, 10):
            performance.do(Express(None, 0, bend_cents=float(k)), frame)
            performance.do(Set("tension", 0.01 * k), frame)
            performance.do(NoteOn(50 + k, 0.5), frame)
            performance.do(NoteOff(50 + k), frame)
        performance.render(HAND_STEPS * 64)
    assert spans == [HAND_STEPS] * 20
    assert ahead == [AHEAD_STEPS] * (20 * HAND_STEPS // AHEAD_STEPS)


def test_of_a_flood_of_notes_no_more_begin_than_are_told_apart() -> None:
    performance = Performance(score_of(alone("crystals", fields="touch_hz = 0, theme_hz = 0")), seed=1)
    begun = []
    performance.listener = lambda events, _: begun.extend(events)
    for k in range(2_000):
        performance.do(NoteOn(k % 128, 0.5), 48 * k)
        performance.do(NoteOff(k % 128), 48 * k + 24)
    performance.render(100_000)
    assert 40 + 1.9 * MOST_NOTES_HZ < len(begun) < 40 + 2.1 * MOST_NOTES_HZ
    performance.render(2 * 48_000)
    begun.clear()
    for note in range(40):
        performance.do(NoteOn(40 + note, 0.5))
    performance.render(48_000)
    assert len(begun) == 40, "a chord of both arms is no flood"


def test_what_cannot_begin_ends_nothing() -> None:
    """Of a chord of more notes than there are voices as many sound as there are, and not one less."""
    performance = Performance(score_of(alone("crystals", fields="touch_hz = 0, theme_hz = 0")), seed=1)
    for note in range(40):
        performance.do(NoteOn(40 + note, 0.5))
    performance.render(4800)
    part = performance._legs[-1].engine.keys._parts["crystals"]
    assert len(part._busy) == 20


def test_a_note_that_is_let_go_at_once_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    performance = Performance(score_of(PIECE), seed=3)
    released = []
    voice = performance.score.sounds["lullaby"].definition.voice
    monkeypatch.setattr(voice, "release", lambda self, velocity: released.append(velocity) or 0.1)
    performance.do(NoteOn(57, 0.6, "lullaby"))
    performance.do(NoteOff(57, 0.0, "lullaby"))
    performance.render(1000)
    assert len(released) == 1


def test_volume_moves_the_level_and_not_the_music() -> None:
    loud, soft = (Performance(score_of(PIECE), seed=3) for _ in range(2))
    soft.do(Set("master.volume_db", -20.0))
    loud_then, soft_then = loud.render(96_000)[48_000:], soft.render(96_000)[48_000:]
    assert np.allclose(0.1 * loud_then, soft_then, rtol=1e-4, atol=1e-7)


def test_wrong_commands_are_refused_and_change_nothing() -> None:
    performance = Performance(score_of(PIECE), seed=3)
    with pytest.raises(ValueError, match="tension"):
        performance.do(Set("tension", 2.0))
    with pytest.raises(KeyError, match=r"drone\.glowing"):
        performance.do(Set("drone.glowing", 1.0))
    with pytest.raises(ValueError, match="lullabye"):
        performance.do(NoteOn(60, 0.5, "lullabye"), 500)
    performance.render(1000)
    with pytest.raises(ValueError, match="over"):
        performance.do(AllOff(), performance.first_open(AllOff()) - 1)
    assert np.array_equal(performance.render(9000), resonance.render(score_of(PIECE), seed=3)[1000:10_000])


def test_a_view_says_what_plays_and_why() -> None:
    performance = Performance(score_of(PIECE), seed=3)
    performance.render(5 * 48_000)
    view = performance.view()
    assert (view.scene, view.scenes, view.night) == ("one", ("one", "two"), 1)
    assert view.position == pytest.approx(5 / 6, abs=0.01)
    assert view.energy == pytest.approx(0.3 + 0.6 * view.position, abs=0.01)
    assert view.levels_db["drone"] > -60.0
    assert view.levels_db["lullaby"] < -100.0
    assert view.events
    assert all(event.rule and event.time_s <= 5.02 for event in view.events)
    assert len({event.sound for event in view.events}) > 1


def test_what_is_known_ahead_is_done_as_what_comes_at_its_time() -> None:
    """A take knows its commands: keys struck again at once, and fingers that move on, are told apart."""
    hands: list[tuple[int, Command]] = [
        (9_600, NoteOn(69, 0.8, "crystals")),
        (14_390, Express(None, 0, bend_cents=20.0)),
        (14_400, NoteOff(69, sound="crystals", pedalled=True)),
        (14_410, Express(None, 0, bend_cents=1200.0)),
        (14_990, Express(None, 0, bend_cents=20.0)),
        (15_000, NoteOff(69, sound="crystals")),
        (15_000, NoteOn(69, 0.5, "crystals")),
        (19_200, Express(None, 0, bend_cents=300.0)),
    ]
    ahead = Performance(score_of(PIECE), seed=3)
    for at, command in hands:
        ahead.do(command, at)
    wanted = ahead.render(60_000)
    assert np.array_equal(played(Performance(score_of(PIECE), seed=3), 60_000, 128, hands), wanted)
    for left_out in (3, 7):
        other = Performance(score_of(PIECE), seed=3)
        for number, (at, command) in enumerate(hands):
            if number != left_out:
                other.do(command, at)
        same = np.array_equal(other.render(60_000), wanted)
        # The finger that has left moves nothing; the one that strikes again moves what it struck.
        assert same == (left_out == 3)


def anything(chance: random.Random, end: int) -> list[tuple[int, Command]]:
    """Whatever hands can do to notes, close together and far apart, in no sense."""
    hands: list[tuple[int, Command]] = []
    at = 0
    while (at := at + chance.choice((0, 0, 1, 5, 63, 64, 100, 256, 700))) < end:
        note, channel, place = chance.choice((57, 60, 69)), chance.choice((0, 3)), chance.random()
        sound = chance.choice(("crystals", "lullaby", None))
        asked: list[Command] = [
            NoteOn(note, 0.1 + 0.9 * place, sound, channel),
            NoteOff(note, place, sound, channel, pedalled=place < 0.5),
            Express(None, channel, bend_cents=1000.0 * place - 500.0, whole=chance.random() < 0.5),
            Express(note, channel, pressure=place),
            Express(None, channel, timbre=place),
            Set("tension", place),
            LetGo("tension"),
            Tune(note, 200.0 + 300.0 * place),
            AllOff(channel, cut=place < 0.5),
            Pulse(0.1, 0.5 + place),
            Launch("one", chance.choice(("now", "beat"))),
            Hold(place < 0.5),
            Rest(2.0 + place),
        ]
        hands.append((at, chance.choices(asked, (24, 20, 12, 8, 4, 4, 4, 4, 4, 1, 1, 1, 1))[0]))
    return hands


@pytest.mark.parametrize("seed", range(6))
def test_whatever_hands_do_a_take_of_it_is_the_same(seed: int) -> None:
    hands = anything(random.Random(seed), 40_000)
    ahead = Performance(score_of(PIECE), seed=3)
    for at, command in hands:
        ahead.do(command, at)
    wanted = ahead.render(48_000)
    assert np.array_equal(played(Performance(score_of(PIECE), seed=3), 48_000, 128, hands), wanted)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_sounds_the_piece_ahead_is_heard_as_whoever_does_not(seed: int) -> None:
    """What hands do comes as soon as it can: right after the piece was sounded ahead as well."""
    chance = random.Random(seed)
    waiting = anything(chance, 40_000)
    performance, heard, did, last = Performance(score_of(PIECE), seed=3), [], [], 0
    while performance.frame < 48_000:
        while waiting and waiting[0][0] <= performance.frame + 64:
            for _ in range(chance.choice((0, 0, 1, 3))):
                performance.sound_ahead()
            at, command = waiting.pop(0)
            last = max(at, last, performance.first_open(command))
            performance.do(command, last)
            did.append((last, command))
        for _ in range(chance.choice((0, 1, 1, 9))):
            performance.sound_ahead()
        heard.append(performance.render(min(128, 48_000 - performance.frame)))
    again = Performance(score_of(PIECE), seed=3)
    for at, command in did:
        again.do(command, at)
    assert np.array_equal(np.concatenate(heard), again.render(48_000))


@pytest.mark.parametrize("at", [1500, 2300])
def test_weather_that_is_torn_while_a_note_begins_is_the_same_however_time_is_cut(at: int) -> None:
    """What follows a hand no faster than it may stands where it stands, whether or not it is heard."""
    hands: list[tuple[int, Command]] = [
        (0, Set("space.t60_s", 0.2)),
        (300, Set("fog.density", 0.8)),
        (1300, Set("space.t60_s", 9.0)),
        (at, NoteOn(69, 0.7)),
        (9100, Set("fog.density", 0.2)),
        (12_000, NoteOn(60, 0.7)),
    ]
    cut, whole = (Performance(score_of(PIECE), seed=3) for _ in range(2))
    for frame, command in hands:
        whole.do(command, frame)
    assert np.array_equal(played(cut, 48_000, 64, hands), whole.render(48_000))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_asked_early_and_what_is_asked_late_is_done_in_its_order(seed: int) -> None:
    chance = random.Random(seed)
    asked = anything(chance, 40_000)
    performance, heard, early = Performance(score_of(PIECE), seed=3), [], 0
    while performance.frame < 48_000:
        if chance.random() < 0.3:
            performance.sound_ahead()
        while asked and asked[0][0] <= performance.frame + early:
            at, command = asked.pop(0)
            performance.do(command, max(at, performance.first_open(command)))
            early = chance.choice((0, 0, 30, 500, 3000))
        if chance.random() < 0.1:
            performance.do(AllOff())
            performance.do(NoteOn(64, 0.5), performance.first_open(NoteOn(64, 0.5)))
        heard.append(performance.render(min(chance.choice((64, 128, 250)), 48_000 - performance.frame)))
    did = list(performance.history.since(0)[1])
    assert [at for at, _ in did] == sorted(at for at, _ in did)
    again = Performance(score_of(PIECE), seed=3)
    for at, command in did:
        again.do(command, at)
    assert np.array_equal(np.concatenate(heard), again.render(48_000))


ANSWERS = """format = 1
[[scene]]
name = "one"
length = 2
valence = 1
tension = 0
energy = [0.2, 1]
[scene.sounds]
crystals = { touch_hz = 0, theme_hz = 0 }
memories = { chance = 1 }
[[scene]]
name = "two"
length = 6
crossfade = 0
sounds = ["crystals"]
"""


@pytest.mark.parametrize("first", [20_000, 94_600])
def test_what_is_answered_to_a_note_is_answered_in_a_take_as_well(first: int) -> None:
    """A memory wanders with the arc, and ends with its scene: wherever between two borders a note begins."""
    answered = set()
    for at in range(first, first + 24 * GRID_FRAMES, GRID_FRAMES):
        live, ahead = (Performance(score_of(ANSWERS), seed=3) for _ in range(2))
        told: list[list[tuple[str, int, float]]] = [[], []]
        for performance, heard in zip((live, ahead), told, strict=True):
            performance.listener = lambda events, _, heard=heard: heard.extend(
                (event.sound, event.frame, event.level_db) for event in events
            )
        played(live, first + 60_000, 128, [(at, NoteOn(69, 0.7))])
        ahead.do(NoteOn(69, 0.7), at)
        ahead.render(first + 60_000)
        assert told[0] == told[1]
        answered.add("memories" in {sound for sound, *_ in told[0]})
    assert answered == ({True} if first == 20_000 else {True, False})


def test_all_sound_off_ends_what_was_played_before_and_nothing_after() -> None:
    heard = []
    for cut_at in (8_000, 9_600):
        fields = "touch_hz = 0, theme_hz = 0, send_db = -120"
        performance = Performance(score_of(alone("crystals", fields=fields)), seed=3)
        for at, command in ((5_000, NoteOn(60, 0.2)), (cut_at, AllOff(cut=True)), (9_600, NoteOn(69, 0.2))):
            performance.do(command, at)
        heard.append(performance.render(48_000)[11_000:])
    assert np.abs(heard[0]).max() > 0.01
    np.testing.assert_allclose(*heard, atol=1e-7)  # what is left of the first in the space


def test_the_next_night_is_built_for_whoever_has_time_as_well() -> None:
    performance = Performance(score_of(alone("drone", seconds=60)), endless=True)
    while performance.frame < 11 * 48_000:
        performance.sound_ahead()
        performance.render(128)
    assert performance._coming is not None


def test_the_next_night_is_woken_once_before_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[object] = []
    monkeypatch.setattr(memory, "wake", woken.append)
    performance = Performance(score_of(alone("drone", seconds=60)), endless=True)
    coming, counted = [], []
    while len(performance._legs) == 1:
        performance.render(4_800)
        coming += [performance._coming.result()] if performance._coming is not None else []
        if performance._builder is not None:
            performance._builder.submit(int).result()  # whatever was asked of it before is done
        counted.append((performance.frame / 48_000, len(woken)))
    assert woken == coming[-1:]
    assert [count for at_s, count in counted if at_s < 39.0][-1] == 0
    assert next(count for at_s, count in counted if at_s > 41.0) == 1


def test_a_note_at_the_border_of_two_nights_is_played_by_the_first() -> None:
    def nights() -> Performance:
        return Performance(score_of(PIECE), seed=3, endless=True, duration_s=1.0)

    searching, border = nights(), 0
    while searching.here().number == 0:
        border = searching.frame
        searching.render(64)
    heard = []
    for has_time in (False, True):
        performance = nights()
        performance.render(border)
        if has_time:
            performance.sound_ahead()
        performance.do(NoteOn(69, 0.9), performance.first_open(NoteOn(69, 0.9)))
        heard.append(performance.render(9_600))
    assert np.array_equal(*heard)
