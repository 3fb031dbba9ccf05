"""Keys to commands: pedals, bends, pressure and zones; and no note is ever left behind."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resonance.engine.commands import AllOff, Command, Express, NoteOff, NoteOn
from resonance.engine.hand import Hand
from resonance.inputs.keyboard import Keyboard
from resonance.inputs.midi import Stream


class Played:
    """A keyboard, and what has been asked for through it so far."""

    def __init__(self, sounds: dict[int, str] | None = None) -> None:
        self.keyboard = Keyboard(sounds)
        self.stream = Stream()
        self.sounding: dict[tuple[int, int], NoteOn] = {}
        self.hands = [Hand() for _ in range(16)]

    def __call__(self, *data: int) -> list[Command]:
        asked = []
        for message in self.stream.messages(data):
            commands = self.keyboard.play(message)
            self.follow(commands)
            asked += commands
        return asked

    def follow(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, NoteOn):
                assert (command.channel, command.note) not in self.sounding
                self.sounding[command.channel, command.note] = command
            elif isinstance(command, NoteOff) and not command.pedalled:
                begun = self.sounding.pop((command.channel, command.note))
                assert begun.sound == command.sound
            elif isinstance(command, Express) and command.note is None:
                self.hands[command.channel].move(0, **command.moves)

    def felt(self, what: str) -> list[float]:
        """What the notes of each channel feel at last."""
        return [float(getattr(hand.touch(1000, 1), what)[0]) for hand in self.hands]

    @property
    def bend_cents(self) -> list[float]:
        return self.felt("bend_cents")

    @property
    def pressure(self) -> list[float]:
        return self.felt("pressure")

    @property
    def timbre(self) -> list[float]:
        return self.felt("timbre")

    @property
    def notes(self) -> list[int]:
        return sorted(note for _, note in self.sounding)


def zone(master: int, members: int) -> list[int]:
    """The MPE configuration message: registered parameter 6 on a master channel."""
    return [0xB0 | master, 101, 0, 100, 6, 6, members]


def test_a_note_with_its_velocities() -> None:
    play = Played()
    assert play(0x92, 60, 127) == [NoteOn(60, 1.0, None, 2)]
    assert play(0x82, 60, 127) == [NoteOff(60, 1.0, None, 2)]
    play(0x92, 60, 1)
    assert play(0x92, 60, 0) == [NoteOff(60, 64 / 127, None, 2)]
    assert play(0x82, 60, 1) == []


def test_a_channel_plays_its_own_sound() -> None:
    play = Played({9: "heartbeat"})
    assert play(0x99, 36, 127) == [NoteOn(36, 1.0, "heartbeat", 9)]
    assert play(0x99, 36, 127) == [
        NoteOff(36, 64 / 127, "heartbeat", 9),
        NoteOn(36, 1.0, "heartbeat", 9),
    ]


def test_the_sustain_pedal_holds_what_the_hand_lets_go() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 64, 127, 0x80, 60, 20, 0x90, 62, 100)
    assert play.notes == [60, 62]
    assert play(0xB0, 64, 63) == [NoteOff(60, 20 / 127)]
    assert play.notes == [62]


def test_sostenuto_catches_what_is_down_and_nothing_later() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 66, 127, 0x90, 62, 100, 0x80, 60, 0, 0x80, 62, 0)
    assert play.notes == [60]
    play(0xB0, 66, 0)
    assert play.notes == []


def test_what_sostenuto_has_caught_rings_on_when_it_is_struck_again() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 66, 127, 0x80, 60, 0, 0x90, 60, 100, 0x80, 60, 0)
    assert play.notes == [60]
    play(0xB0, 66, 0)
    assert play.notes == []


@pytest.mark.parametrize(("master", "member"), [(0, 1), (15, 14)])
def test_a_reset_zone_lets_go_of_what_its_pedal_held(master: int, member: int) -> None:
    play = Played()
    play(*zone(master, 3), 0xB0 | master, 64, 127, 0x90 | member, 60, 100, 0x80 | member, 60, 0)
    assert play.notes == [60]
    play(0xB0 | master, 121, 0)
    assert play.notes == []


def test_the_soft_pedal_softens_what_is_struck_under_it() -> None:
    play = Played()
    play(0xB0, 67, 127, 0x90, 60, 127, 0xB0, 67, 0, 0x90, 62, 127)
    assert play.sounding[0, 60].velocity < play.sounding[0, 62].velocity == 1.0


def test_all_notes_off_leaves_what_the_pedal_holds() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 64, 127)
    assert play(0xB0, 123, 0) == []
    play(0xB0, 64, 0)
    assert play.notes == []


@pytest.mark.parametrize("mode", range(123, 128))
def test_every_change_of_mode_lets_go(mode: int) -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, mode, 0)
    assert play.notes == []


def test_all_sound_off_does_not_wait_for_pedals() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 64, 127, 0x80, 60, 0)
    assert play(0xB0, 120, 0) == [NoteOff(60, 0.0), AllOff(0, cut=True)]


def test_reset_lets_pedals_up_and_bends_go() -> None:
    play = Played()
    play(0x90, 60, 100, 0xB0, 64, 127, 0x80, 60, 0, 0xE0, 0, 127, 0xD0, 99, 0xB0, 74, 100, 0xB0, 121, 0)
    assert play.notes == []
    assert (play.bend_cents[0], play.pressure[0]) == (0.0, 0.0)
    assert play.timbre[0] == 100 / 127  # a sound controller, which RP-015 leaves as it is


@pytest.mark.parametrize(
    ("low", "high", "cents"), [(0, 64, 0.0), (0, 0, -200.0), (127, 127, 200.0 * 8191 / 8192), (0, 96, 100.0)]
)
def test_bend(low: int, high: int, cents: float) -> None:
    play = Played()
    play(0xE0, low, high)
    assert play.bend_cents[0] == pytest.approx(cents)


def test_the_range_of_bend_in_semitones_and_cents() -> None:
    play = Played()
    play(0xE0, 0, 0, 0xB0, 101, 0, 100, 0, 6, 12, 38, 50)
    assert play.bend_cents[0] == -1250.0
    play(0xB0, 101, 127, 100, 127, 6, 2)  # null: data entry is of no concern any more
    assert play.bend_cents[0] == -1250.0


def test_tuning_of_a_channel() -> None:
    play = Played()
    play(0xB0, 101, 0, 100, 2, 6, 63, 100, 1, 6, 96)
    assert play.bend_cents[0] == pytest.approx(-100.0 + 50.0)


def test_pressure_of_a_key_is_for_a_key_that_sounds() -> None:
    play = Played()
    assert play(0xA0, 60, 127) == []
    play(0x90, 60, 100)
    assert play(0xA0, 60, 127) == [Express(60, 0, pressure=1.0)]


def test_a_lower_and_an_upper_zone() -> None:
    play = Played()
    play(*zone(0, 7), *zone(15, 7))
    assert play.keyboard.members == {0: 7, 15: 7}
    play(0xE0, 0, 127)  # the lower master: by two semitones, the channels 1 to 8
    assert [cents > 0 for cents in play.bend_cents] == [True] * 8 + [False] * 8


def test_zones_that_meet_give_way_to_the_newer() -> None:
    play = Played()
    play(*zone(0, 8))
    play(*zone(15, 10))
    assert play.keyboard.members == {0: 4, 15: 10}
    play(*zone(0, 14))
    assert play.keyboard.members == {0: 14, 15: 0}
    play(*zone(15, 15))
    assert play.keyboard.members == {0: 0, 15: 15}
    play(*zone(15, 0))
    assert play.keyboard.members == {0: 0, 15: 0}


def test_only_the_two_masters_make_zones() -> None:
    play = Played()
    play(*zone(3, 5), *zone(0, 16))
    assert play.keyboard.members == {0: 0, 15: 0}


def test_a_member_bends_by_48_and_its_master_by_2_semitones_and_they_add_up() -> None:
    play = Played()
    play(*zone(0, 15), 0xE1, 0, 0)
    assert play.bend_cents[1:3] == [-4800.0, 0.0]
    play(0xE0, 0, 0)
    assert play.bend_cents[1:3] == [-5000.0, -200.0]


def test_a_range_told_to_one_member_is_for_all_of_them() -> None:
    play = Played()
    play(*zone(0, 3), 0xB2, 101, 0, 100, 0, 6, 24, 0xE1, 0, 0, 0xE0, 0, 0)
    assert play.bend_cents[:5] == [-200.0, -2600.0, -200.0, -200.0, 0.0]


def test_a_note_begins_with_the_bend_pressure_and_timbre_of_its_channel() -> None:
    play = Played()
    commands = play(*zone(0, 15), 0xE1, 0, 96, 0xD1, 64, 0xB1, 74, 127, 0x91, 60, 100)
    assert isinstance(commands[-1], NoteOn)
    assert (play.bend_cents[1], play.pressure[1], play.timbre[1]) == (2400.0, 64 / 127, 1.0)


def test_pressure_and_timbre_of_a_master_are_for_its_zone() -> None:
    play = Played()
    play(*zone(0, 2), 0xD1, 20, 0xD0, 100, 0xB0, 74, 127)
    assert play.pressure[:4] == [100 / 127, 100 / 127, 100 / 127, 0.0]
    assert play.timbre[:4] == [1.0, 1.0, 1.0, 0.5]


def test_a_master_pedal_holds_its_members_notes_and_its_sound_is_theirs() -> None:
    play = Played({0: "tree"})
    play(*zone(0, 15), 0xB0, 64, 127, 0x91, 60, 100, 0x81, 60, 0)
    assert play.sounding[1, 60].sound == "tree"
    play(0xB0, 64, 0)
    assert play.notes == []


def test_a_zone_that_changes_lets_go_of_its_notes() -> None:
    play = Played()
    play(*zone(0, 15), 0x95, 60, 100, *zone(0, 3))
    assert play.notes == []


def test_a_cable_that_is_pulled_leaves_nothing() -> None:
    play = Played()
    play(*(byte for note in range(128) for byte in (0x93, note, 100)), 0xB3, 64, 127)
    play.follow(play.keyboard.silence())
    assert play.notes == []
    assert play.keyboard.held == []


MESSAGE = st.one_of(
    st.tuples(st.integers(0x80, 0xEF), st.integers(0, 127), st.integers(0, 127)),
    st.tuples(
        st.sampled_from([0xB0, 0xBF, 0xB1]),
        st.sampled_from([6, 38, 64, 66, 67, 74, 100, 101, 120, 121, 123]),
        st.integers(0, 127),
    ),
    st.tuples(st.sampled_from([0x90, 0x80, 0x91, 0x81]), st.sampled_from([60, 61]), st.integers(0, 127)),
    st.lists(st.integers(0, 255), max_size=4).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGE, max_size=60))
def test_whatever_comes_no_note_is_stuck(messages: list[tuple[int, ...]]) -> None:
    play = Played()
    for message in messages:
        play(*message)  # commands refuse what is out of range as they are made
        assert set(play.sounding) == set(play.keyboard.held)
    for channel in range(16):
        play(0xB0 | channel, 121, 0, 0xB0 | channel, 123, 0)
    assert play.notes == []
