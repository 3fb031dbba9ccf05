"""Commands: to JSON and back, and everything else refused in one line."""

import json
import math

import pytest

from resonance.engine.commands import (
    COMMANDS,
    AllOff,
    Command,
    CommandError,
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
    from_json,
    to_json,
)

SPOKEN = [
    NoteOn(60, 0.5),
    NoteOn(60, 0.5, "lullaby", 3),
    NoteOff(60),
    NoteOff(60, pedalled=True),
    Express(60, 2, "lullaby", bend_cents=-4800.0),
    Express(pressure=0.5),
    Express(bend_cents=200.0, whole=True),
    AllOff(),
    AllOff(9, cut=True),
    Pulse(0.25, 1.0),
    Tune(69, 432.0),
    Set("drone.glow", 0.5),
    LetGo("tension"),
    Launch("tree", "breath"),
    Hold(),
    Hold(False),
    Rest(1800.0),
]


@pytest.mark.parametrize("command", SPOKEN, ids=repr)
def test_a_command_comes_back_from_json_as_it_was(command: Command) -> None:
    assert from_json(json.loads(json.dumps(to_json(command), allow_nan=False))) == command


def test_every_command_is_spoken_here() -> None:
    assert {type(command) for command in SPOKEN} == set(COMMANDS.values())


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"do": "explode"},
        {"do": ["set"]},
        {"do": "note_on"},
        {"do": "note_on", "note": 60},
        {"do": "note_on", "note": 60.5, "velocity": 0.5},
        {"do": "note_on", "note": True, "velocity": 0.5},
        {"do": "note_on", "note": 128, "velocity": 0.5},
        {"do": "note_on", "note": 60, "velocity": 1.5},
        {"do": "note_on", "note": 60, "velocity": math.nan},
        {"do": "note_on", "note": 60, "velocity": 0.5, "channel": 512},
        {"do": "note_on", "note": 60, "velocity": 0.5, "loud": True},
        {"do": "set", "name": "tension", "value": math.inf},
        {"do": "set", "name": "tension", "value": 10**400},
        {"do": "set", "name": "tension", "value": "1"},
        {"do": "set", "name": "", "value": 1},
        {"do": "set", "name": "x" * 1000, "value": 1},
        {"do": "launch", "scene": "tree", "when": "later"},
        {"do": "hold", "on": 1},
        {"do": "rest", "at_s": -1},
    ],
    ids=str,
)
def test_what_is_no_command_is_refused_in_one_line(said: object) -> None:
    with pytest.raises(CommandError) as error:
        from_json(said)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
