"""All cables at once: what hands do becomes commands, and nothing is left behind, whatever comes."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resonance.engine.commands import Command, Express, Launch, LetGo, NoteOff, NoteOn, Pulse, Set, Tune
from resonance.inputs import maps
from resonance.inputs.learn import Learner
from resonance.inputs.maps import Map, Pad
from resonance.inputs.player import Player
from resonance.inputs.targets import targets_of
from resonance.score import load

DREAM = load("dream")
SCENES = [scene.name for scene in DREAM.scenes]


def player(wiring: Map | None = None, **more: object) -> Player:
    return Player(wiring or maps.load(), DREAM, **more)  # type: ignore[arg-type]


def test_a_key_plays_what_the_map_names() -> None:
    play = player(Map(sound="tree", sounds={1: "lullaby"}))
    assert play.receive("a", 0.0, bytes((0x90, 60, 127))) == [NoteOn(60, 1.0, "tree", 0)]
    assert play.receive("a", 0.0, bytes((0x91, 60, 127))) == [NoteOn(60, 1.0, "lullaby", 1)]


def test_a_sound_that_the_score_does_not_have_is_told_and_replaced() -> None:
    play = Player(Map(sound="storm"), load("crystal-garden"))
    assert "crystal-garden has no storm" in play.said[0]
    assert play.receive("a", 0.0, bytes((0x90, 60, 127))) == [NoteOn(60, 1.0, None, 0)]


def test_programs_and_pads_launch_scenes() -> None:
    play = player(
        Map(launch="breath", pads=(Pad("note", 36, "fire", None, 10, "", "beat"), Pad("cc", 20, act="hold")))
    )
    assert play.receive("a", 0.0, bytes((0xC0, 2))) == [Launch(SCENES[2], "breath")]
    assert play.receive("a", 0.0, bytes((0xC0, 127))) == []
    assert play.receive("a", 0.0, bytes((0x99, 36, 1, 0x89, 36, 0))) == [Launch("fire", "beat")]
    assert play.receive("a", 0.0, bytes((0x90, 36, 127))) == [NoteOn(36, 1.0, None, 0)]
    assert [type(c).__name__ for c in play.receive("a", 0.0, bytes((0xB0, 20, 127, 20, 0)))] == ["Hold"]


def test_a_pad_of_a_scene_that_is_not_there_is_told() -> None:
    assert "'nowhere'" in player(Map(pads=(Pad("note", 36, "nowhere"),))).said[0]


def test_pads_tap_the_tempo_and_let_controls_go() -> None:
    play = player(
        Map(controls=maps.load().controls, pads=(Pad("note", 36, act="tap"), Pad("note", 37, act="let go")))
    )
    for k in range(3):
        commands = play.receive("a", 10.0 + 0.5 * k, bytes((0x90, 36, 127, 36, 0)))
    assert commands == [Pulse(0.5, 0.5), LetGo("pulse")]
    play.receive("a", 20.0, bytes((0xB0, 1, 64)))
    assert play.receive("a", 20.0, bytes((0x90, 37, 127))) == [LetGo("tension")]


def test_what_osc_moves_a_fader_has_to_pick_up() -> None:
    play = player()
    play.do(Set("valence", 0.9))
    assert play.receive("a", 0.0, bytes((0xB0, 21, 10))) == []
    assert play.receive("a", 0.0, bytes((0xB0, 21, 127))) == [Set("valence", 1.0)]


def test_a_port_that_goes_takes_its_notes_with_it() -> None:
    play = player()
    play.receive("a", 0.0, bytes((0x90, 60, 100, 0xB0, 64, 127, 0x80, 60, 0)))
    play.receive("b", 0.0, bytes((0x90, 61, 100)))
    assert [c.note for c in play.gone("a") if isinstance(c, NoteOff)] == [60]
    assert play.held == 1
    assert play.gone("never") == []


def test_two_cables_on_one_channel_do_not_end_or_bend_each_others_notes() -> None:
    play = player()
    (one,) = play.receive("a", 0.0, bytes((0x90, 60, 100)))
    (other,) = play.receive("b", 0.0, bytes((0x90, 60, 100)))
    assert isinstance(one, NoteOn)
    assert isinstance(other, NoteOn)
    assert one.channel != other.channel
    assert [c.channel for c in play.receive("b", 0.0, bytes((0x80, 60, 0)))] == [other.channel]
    assert {c.channel for c in play.receive("b", 0.0, bytes((0xE0, 0, 0)))} == {other.channel}
    play.receive("b", 0.0, bytes((0x90, 62, 100)))
    gone = [command for command in play.gone("b") if isinstance(command, NoteOff)]
    assert [(command.note, command.channel) for command in gone] == [(62, other.channel)]
    assert [c.channel for c in play.receive("a", 0.0, bytes((0x80, 60, 0)))] == [one.channel]
    # Who comes next has the place of who has gone.
    assert play.receive("c", 0.0, bytes((0x90, 60, 100)))[0].channel == other.channel


def test_two_devices_of_one_make_are_two() -> None:
    play = player()
    one, other = (play.receive(f"Keys:Keys 1 {n}:0", 0.0, bytes((0x90, 60, 100)))[0] for n in (24, 28))
    assert one.channel != other.channel
    assert [c.channel for c in play.gone("Keys:Keys 1 28:0") if isinstance(c, NoteOff)] == [other.channel]


def test_what_is_learned_moves_nothing_but_pedals_still_lift(tmp_path: Path) -> None:
    learn = Learner(maps.load(), tmp_path / "map.toml", targets_of(DREAM))
    play = player(learner=learn)
    play.receive("a", 0.0, bytes((0x90, 60, 100, 0xB0, 64, 127, 0x80, 60, 0)))
    learn.name("drone.glow")
    assert [c.note for c in play.receive("a", 1.0, bytes((0xB0, 64, 0)))] == [60]
    (tmp_path / "map.toml").write_text("half = [")
    assert not [c for value in (10, 11, 12) for c in play.receive("a", 2.0, bytes((0xB0, 21, value)))]
    assert "was not written: it is no map as it stands" in play.said[-1]


def test_a_cable_that_said_it_was_there_is_missed() -> None:
    play = player()
    play.receive("a", 0.0, bytes((0x90, 60, 100)))
    assert play.rest(10.0) == []  # it never said so: it may rest as long as it likes
    play.receive("a", 10.0, bytes((0xFE,)))
    assert play.rest(10.3) == []
    assert [type(c) for c in play.rest(10.5)] == [NoteOff]


def test_one_clock_leads_and_another_takes_over_when_it_is_silent() -> None:
    play = player(follow_clock=True)
    tick = bytes((0xF8,))
    times = [k / 48 for k in range(96)]
    told = [
        c for t in times for name in ("a", "b") for c in play.receive(name, t + 0.003 * (name == "b"), tick)
    ]
    assert all(isinstance(c, Pulse) and abs(c.interval_s - 0.5) < 1e-6 for c in told)
    assert play.clock_bpm == pytest.approx(120.0)
    assert play.gone("a") == [LetGo("pulse")]
    assert any(isinstance(c, Pulse) for t in times for c in play.receive("b", 5.0 + t, tick))
    assert player().receive("a", 0.0, tick * 60) == []  # unless it is asked for, no clock leads


def test_who_says_stop_and_does_not_tick_leads_nobody() -> None:
    play = player(follow_clock=True)
    tick, times = bytes((0xF8,)), [k / 48 for k in range(96)]
    play.receive("pad", 0.0, bytes((0xFC,)))
    assert [c for t in times for c in play.receive("a", t, tick)]
    play.receive("a", 2.0, bytes((0xFC,)))
    play.rest(2.4)
    assert not [c for t in times[:72] for c in play.receive("b", 2.0 + t, tick)]
    assert any(isinstance(c, Pulse) for t in times for c in play.receive("b", 4.0 + t, tick))


def test_an_exclusive_message_tunes() -> None:
    a4_at_450 = bytes((0xF0, 0x7F, 0, 8, 2, 0, 1, 69, 69, 49, 100, 0xF7))
    (tuned,) = player().receive("a", 0.0, a4_at_450)
    assert isinstance(tuned, Tune)
    assert (tuned.note, round(tuned.pitch_hz, 2)) == (69, 450.00)


HOSTILE = [
    bytes((0xF0, 0x7E, 0, 8, 1)),
    bytes((0xF0, 0x7F, 0, 8, 2, 0, 127, 1, 0xF7)),
    bytes((0xF0, 0x7E, 0, 8, 1, *bytes(405), 0x7F, 0xF7)),
    bytes((0xB0, 101, 0, 100, 6, 6, 15, 0xBF, 101, 0, 100, 6, 6, 15)),
    bytes((0xE0, 127, 127, 0xB0, 101, 0, 100, 0, 6, 127, 38, 127)),
    bytes((0xF2, 127, 127, 0xFB, 0xF8, 0xF8, 0xFA, 0xF8, 0xFC)),
    bytes((0x90, 60, 0xF8, 100, 0xFE, 60, 0)),
]


def follow(sounding: set[tuple[int, int]], commands: list[Command]) -> None:
    for command in commands:
        if isinstance(command, NoteOn):
            assert 0.0 < command.velocity <= 1.0
            sounding.add((command.channel, command.note))
        elif isinstance(command, NoteOff):
            sounding.discard((command.channel, command.note))
        elif isinstance(command, Express) and command.bend_cents is not None:
            assert abs(command.bend_cents) <= 9600.0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(HOSTILE)), max_size=40))
def test_whatever_bytes_come_no_note_is_stuck(pieces: list[bytes]) -> None:
    play, sounding = player(follow_clock=True), set()
    for place, data in enumerate(pieces):
        follow(sounding, play.receive("ab"[place % 2], place * 0.01, data))
        follow(sounding, play.rest(place * 0.01))
    follow(sounding, play.gone("a"))
    follow(sounding, play.gone("b"))
    assert not sounding
    assert play.held == 0


def test_a_minute_of_ten_thousand_hostile_messages_a_second_in_short() -> None:
    """Twenty thousand of them: notes on all channels, every controller, nonsense in between."""
    chance, play, sounding = random.Random(3), player(follow_clock=True), set()
    for channel in range(16):
        follow(
            sounding, play.receive("a", 0.0, bytes(b for n in range(128) for b in (0x90 | channel, n, 99)))
        )
    assert play.held == 16 * 128
    for k in range(20_000):
        data = chance.choice(HOSTILE) if chance.random() < 0.05 else bytes(
            (chance.randrange(0x80, 0x100), chance.randrange(128), chance.randrange(128))
        )  # fmt: skip
        follow(sounding, play.receive("a", k * 1e-4, data))
    follow(sounding, play.gone("a"))
    assert not sounding
    assert play.dropped > 0
