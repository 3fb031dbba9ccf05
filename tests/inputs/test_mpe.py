"""MPE by its own text: the messages it gives as examples, and what its sections ask of who receives them.

Source: MIDI Polyphonic Expression 1.0 (RP-053, 12 March 2018); each test names its section. Zones of other
sizes are ours.
"""

import pytest
from test_keyboard import Played

from resonance.engine.commands import Express, NoteOff, NoteOn
from resonance.inputs import maps
from resonance.inputs.player import Player
from resonance.score import load

RESET = "B{0} 79 00"
ZONE = "B{0} 64 06 B{0} 65 00 B{0} 06 {1:02X}"


def said(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text))


def lower(members: int) -> tuple[int, ...]:
    """2.1.1: "[Bn 64 06] [Bn 65 00] [Bn 06 <mm>]" on channel 1, after the reset that its examples send."""
    return said(f"{RESET} {ZONE}".format("0", members))


def upper(members: int) -> tuple[int, ...]:
    """The same on channel 16."""
    return said(f"{RESET} {ZONE}".format("F", members))


def masters(play: Played) -> list[int | None]:
    """The master of each channel as it is heard: the one whose bend moves it, channels from 1."""
    found: list[int | None] = []
    for channel in range(16):
        bent = []
        for master in (0, 15):
            before = play.bend_cents[channel]
            play(0xE0 | master, 0, 127)
            if channel != master and play.bend_cents[channel] != before:
                bent.append(master + 1)
            play(0xE0 | master, 0, 64)
        found.append(bent[0] if bent else None)
    return found


EXAMPLES = {
    "2.1.2.1": (
        "B0 79 00 (B0) 64 06 (B0) 65 00 (B0) 06 07 BF 79 00 (BF) 64 06 (BF) 65 00 (BF) 06 00",
        [None] + [1] * 7 + [None] * 8,
    ),
    "2.1.2.2": (
        "B0 79 00 (B0) 64 06 (B0) 65 00 (B0) 06 07 BF 79 00 (BF) 64 06 (BF) 65 00 (BF) 06 07",
        [None] + [1] * 7 + [16] * 7 + [None],
    ),
    "2.1.2.3": ("BF 79 00 (BF) 64 06 (BF) 65 00 (BF) 06 0F", [16] * 15 + [None]),
}


@pytest.mark.parametrize("running_status", [False, True])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_zones(example: str, running_status: bool) -> None:
    """2.1.2: "If using Running Status, omit bytes in parenthesis"."""
    text, wanted = EXAMPLES[example]
    play = Played()
    kept = [byte for byte in text.split() if not (running_status and byte.startswith("("))]
    play(*said(" ".join(kept).replace("(", "").replace(")", "")))
    assert masters(play) == wanted


def test_the_example_of_a_note() -> None:
    """3.3.1, a note with its bend, timbre and pressure before it, on channel 3 of a zone.

    Its text calls the bend a quarter tone; its bytes, 8363, are 1.002 of the 48 semitones: bytes count.
    """
    play = Played()
    play(*lower(15))
    asked = play(*said("E2 2B 41 B2 4A 40 D2 00 92 3C 38"))
    assert [type(command) for command in asked] == [Express] * 3 + [NoteOn]
    assert play.sounding[2, 60].velocity == 0x38 / 127
    assert play.bend_cents[2] == pytest.approx(4800.0 * (8363 - 8192) / 8192)
    assert (play.timbre[2], play.pressure[2]) == (0.5, 0.0)


LAYOUTS = [
    # 2.1.1: members are counted from the master on; a zone of all has fifteen.
    ([lower(7)], [None] + [1] * 7 + [None] * 8),
    ([lower(15)], [None] + [1] * 15),
    ([upper(15)], [16] * 15 + [None]),
    ([lower(7), upper(7)], [None] + [1] * 7 + [16] * 7 + [None]),
    # Of two zones that meet the one that came last has its way, the other one shrinks, or ends.
    ([lower(10), upper(7)], [None] + [1] * 7 + [16] * 7 + [None]),
    ([upper(10), lower(8)], [None] + [1] * 8 + [16] * 6 + [None]),
    ([lower(15), upper(4)], [None] + [1] * 10 + [16] * 4 + [None]),
    ([upper(4), lower(14)], [None] + [1] * 14 + [None]),
    ([upper(4), lower(15)], [None] + [1] * 15),
    # No members: the zone is gone. Without zones it is an instrument like any other.
    ([lower(7), upper(7), lower(0)], [None] * 8 + [16] * 7 + [None]),
    ([lower(7), upper(7), lower(0), upper(0)], [None] * 16),
]


@pytest.mark.parametrize(("messages", "wanted"), LAYOUTS, ids=range(len(LAYOUTS)))
def test_zones_are_laid_out_as_they_are_announced(
    messages: list[tuple[int, ...]], wanted: list[int | None]
) -> None:
    play = Played()
    for message in messages:
        play(*message)
    assert masters(play) == wanted


@pytest.mark.parametrize("channel", range(1, 15))
def test_on_other_channels_the_message_is_ignored(channel: int) -> None:
    """2.1.1: only channels 1 and 16 are masters; anything over fifteen members is no zone."""
    play = Played()
    play(*said(ZONE.format(f"{channel:X}", 5)), *said(ZONE.format("0", 16)))
    assert masters(play) == [None] * 16


def test_the_order_of_the_parameters_halves_does_not_matter() -> None:
    play = Played()
    play(*said("B0 65 00 B0 64 06 B0 06 07"))
    assert play.keyboard.members == {0: 7, 15: 0}


def test_a_configuration_sets_48_semitones_for_members_and_2_for_the_master() -> None:
    """2.4, also where other ranges were told before."""
    play = Played()
    play(*lower(7), *said("B1 64 00 B1 65 00 B1 06 18 B0 64 00 B0 65 00 B0 06 0C"))
    play(0xE1, 0, 0, 0xE0, 0, 0)
    assert play.bend_cents[:3] == [-1200.0, -3600.0, -1200.0]
    play(*said(ZONE.format("0", 7)))
    assert play.bend_cents[:3] == [-200.0, -5000.0, -200.0]


@pytest.mark.parametrize("semitones", [0, 1, 24, 96])
def test_a_range_of_0_to_96_semitones_told_to_every_member(semitones: int) -> None:
    """2.4: it is sent on each member channel, and the last one counts for all."""
    play = Played()
    play(*lower(3))
    for member in (1, 2, 3):
        play(*said(f"B{member} 64 00 B{member} 65 00 B{member} 06 {semitones:02X}"), 0xE0 | member, 0, 0)
    assert play.bend_cents[:5] == [0.0] + [-100.0 * semitones] * 3 + [0.0]


def test_channels_that_enter_or_leave_fall_silent_and_those_that_stay_play_on() -> None:
    """2.1.4: on each channel that enters or leaves, notes are stopped and controls put at rest."""
    play = Played()
    play(*lower(7), 0x91, 60, 100, 0x96, 61, 100, 0xD6, 99, 0x99, 62, 100)
    play(*lower(3))
    assert play.notes == [60, 62]
    assert play.pressure[6] == 0.0
    play(*lower(12))
    assert play.notes == [60]
    play(*lower(0))
    assert play.notes == []


def test_what_leaves_a_zone_is_let_go_of_on_the_sound_that_played_it() -> None:
    play = Played({0: "tree", 5: "lullaby"})
    play(*lower(7), 0x95, 60, 100)
    assert play.sounding[5, 60].sound == "tree"
    play(*lower(0))
    assert play.notes == []


def test_messages_on_the_master_are_for_the_zone_and_on_a_member_for_its_notes() -> None:
    """2.3 and table 1: pedals, pressure and timbre of the master reach every note of its zone, no other."""
    play = Played()
    play(*lower(7), *upper(7))
    play(0x91, 60, 100, 0x9E, 70, 100, 0xB0, 64, 127, 0x81, 60, 0, 0x8E, 70, 0)
    assert play.notes == [60]
    play(0xD0, 127, 0xB0, 74, 127, 0xD2, 64)
    assert play.pressure == [1.0] * 8 + [0.0] * 8
    assert play.timbre == [1.0] * 8 + [0.5] * 8
    play(0xB0, 123, 0, 0xB0, 64, 0)
    assert play.notes == []


def test_what_is_for_a_zone_is_ignored_on_its_members() -> None:
    """2.3.1 and table 1: pedals, modes, resets and pressure by key; and it is obeyed on the master."""
    play = Played()
    play(*lower(7), 0x93, 60, 100, 0xE3, 0, 80)
    for_zone = "B3 40 7F B3 42 7F B3 43 7F B3 78 00 B3 79 00 B3 7B 00 B3 7E 00 B3 7F 00 A3 3C 40"
    assert play(*said(for_zone)) == []
    assert play(0x93, 62, 127) == [NoteOn(62, 1.0, None, 3)]
    play(0x83, 60, 0)
    assert play.notes == [62]
    play(*said("B0 7B 00"))
    assert play.notes == []


def test_controls_and_programs_of_a_member_move_no_map() -> None:
    """2.3.1 and 2.3.3: volume is the whole instrument's, and a program is changed on the master."""
    player = Player(maps.load(), load("dream"))
    volume, program = said("B0 07 40"), said("C0 02")
    on_member = [bytes((message[0] | 3, *message[1:])) for message in (volume, program)]
    for message in on_member:
        assert player.receive("keys", 0.0, message)
    player.receive("keys", 0.0, bytes(lower(7)))
    for message in on_member:
        assert player.receive("keys", 0.0, message) == []
    for message in (volume, program):
        assert player.receive("keys", 0.0, bytes(message))


def test_a_finger_that_has_left_moves_its_note_no_more() -> None:
    """3.3.3 and its figure 6: the pedal holds the first note, the second one is bent alone."""
    play = Played()
    play(*lower(15), 0xB0, 64, 127, 0x93, 60, 100)
    assert play(0x83, 60, 30) == [NoteOff(60, 30 / 127, None, 3, pedalled=True)]
    assert play.notes == [60]
    play(0x93, 67, 100)
    (bent,) = play(0xE3, 0, 80)
    assert bent == Express(None, 3, bend_cents=1200.0)
    wheel = play(0xE0, 0, 127)
    assert len(wheel) == 16
    assert all(isinstance(command, Express) and command.whole for command in wheel)
    assert play(0xB0, 64, 0) == [NoteOff(60, 30 / 127, None, 3)]
    play(0xB0, 64, 127, 0x83, 67, 0, 0x94, 62, 100)
    assert play(0xB0, 123, 0) == [NoteOff(62, 64 / 127, None, 4, pedalled=True)]
    assert play(0x84, 62, 0) == [], "it has left"


def test_a_cable_that_is_pulled_leaves_no_bend_behind() -> None:
    """What is plugged in after it begins at rest, and knows no zones."""
    play = Played()
    play(*lower(15), 0xE3, 0, 96, 0xE0, 0, 0, 0xD0, 90, 0xB5, 74, 127)
    assert play.bend_cents[3] == 2200.0
    play(0xFF)
    assert play.bend_cents == play.pressure == [0.0] * 16
    assert play.timbre == [0.5] * 16


def test_notes_on_the_master_are_played_and_pressed_by_key() -> None:
    """2.5 and 3.2: notes may come on the master, and only there pressure by key."""
    play = Played()
    play(*lower(15), 0x90, 60, 100)
    assert play.notes == [60]
    assert [command.pressure for command in play(0xA0, 60, 127)] == [1.0]


def test_a_note_keeps_to_what_its_channel_was_told_before_it() -> None:
    """3.3.1: bend, timbre and pressure come before the note, and count from its beginning."""
    play = Played()
    play(*lower(15))
    asked = play(0xE3, 0, 80, 0xB3, 74, 100, 0xD3, 0, 0x93, 60, 100)
    assert [type(command).__name__ for command in asked] == ["Express"] * 3 + ["NoteOn"]
    assert (play.bend_cents[3], play.timbre[3]) == (1200.0, pytest.approx(100 / 127))
