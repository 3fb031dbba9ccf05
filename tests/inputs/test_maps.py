"""Maps are read, refused with every mistake in its place, and written without a word of the player's lost."""

import tomllib
from pathlib import Path

import pytest
from listening import alone, score_of

from resonance.inputs import maps
from resonance.inputs.controls import Cable, Controls, Moved
from resonance.inputs.learn import REFUSED, Learner
from resonance.inputs.maps import Control, Map, Pad
from resonance.inputs.targets import all_targets, target, targets_of
from resonance.score import ScoreError, load

TARGETS = all_targets()


def read(tmp_path: Path, text: str) -> Map:
    path = tmp_path / "my.toml"
    path.write_text(text)
    return maps.load(path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ScoreError) as refused:
        read(tmp_path, text)
    return [problem.partition("my.toml:")[2] for problem in refused.value.problems]


def test_the_default_map_makes_a_plain_controller_useful() -> None:
    wiring = maps.load()
    assert {control.number for control in wiring.controls} == {1, 7, 11, *range(21, 29)}
    assert wiring.sounds == {9: "heartbeat"}
    moved = {control.target.name for control in wiring.controls}
    assert {"valence", "energy", "tension", "master.volume_db", "fog.density", "bpm"} <= moved
    assert moved <= targets_of(load("dream")).keys()


def test_a_map_says_all_it_can(tmp_path: Path) -> None:
    wiring = read(
        tmp_path,
        """
        format = 1
        sound = "tree"
        launch = "beat"
        channels = { 2 = "lullaby", 16 = "moonlight" }
        [[control]]
        cc14 = 3
        channel = 2
        device = "nano"
        target = "drone.cutoff_hz"
        low = 100
        high = 1600
        pickup = false
        [[control]]
        nrpn = 300
        target = "tension"
        [[control]]
        cc = 30
        mode = "offset"
        target = "bpm"
        [[pad]]
        note = 36
        channel = 10
        scene = "fire"
        when = "breath"
        [[pad]]
        program = 3
        act = "tap"
        """,
    )
    assert wiring.sound == "tree"
    assert wiring.sounds == {1: "lullaby", 15: "moonlight"}
    travel = target("drone.cutoff_hz", TARGETS["drone.cutoff_hz"], 100.0, 1600.0)
    assert wiring.controls[0] == Control("cc14", 3, travel, 2, "nano", pickup=False)
    assert wiring.controls[1].source == "nrpn"
    assert wiring.controls[2].mode == "offset"
    assert wiring.pads == (
        Pad("note", 36, "fire", None, 10, "", "breath"),
        Pad("program", 3, None, "tap", 0, "", "now"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: format is missing; write format = 1"),
        ("format = 2", "1: format is 2; write format = 1"),
        ("format = 1\nsond = 1", "2: no key 'sond': did you mean 'sound'?"),
        ("format = 1\nsound = 'tre'", "2: no sound 'tre': did you mean 'tree'?"),
        ("format = 1\nlaunch = 'soon'", "2: launch is 'soon'; it must be one of now, beat, breath"),
        ("format = 1\nchannels = { 17 = 'tree' }", "2: channels.17: a channel is 1 to 16"),
        (
            "format = 1\n[control]\ncc = 1",
            "2: control is a table; it must be [[control]] tables, in double brackets",
        ),
        (
            "format = 1\n[[control]]\ncc = 121\ntarget = 'tension'",
            "3: control 1: cc is 121; it must be a whole number between 0 and 119",
        ),
        (
            "format = 1\n[[control]]\ncc = 1\n[[control]]\ncc = 2\ntarget = 'tensoin'",
            "2: control 1: target is missing; name what it moves\n"
            "6: control 2: target: no target 'tensoin': did you mean 'tension'?",
        ),
        (
            "format = 1\n[[control]]\ntarget = 'tension'",
            "2: control 1 names none of cc, cc14, nrpn; it must name one",
        ),
        (
            "format = 1\n[[control]]\ncc = 1\nnrpn = 4\ntarget = 'drone.glow'\nhigh = 2",
            "2: control 1 names cc and nrpn of cc, cc14, nrpn; it must name one\n"
            "6: control 1: high is 2; it must be between 0 and 1",
        ),
        (
            "format = 1\n[[control]]\ncc = 1\ntarget = 'tension'\npickup = 1\nmode = 'two'",
            "5: control 1: pickup is 1; it must be true or false\n"
            "6: control 1: mode is 'two'; it must be one of absolute, twos, offset, sign",
        ),
        ("format = 1\n[[pad]]\nnote = 36", "2: pad 1 must have either a scene or an act"),
        (
            "format = 1\n[[pad]]\nnote = 36\nact = 'jump'",
            "4: pad 1: act is 'jump'; it must be one of tap, hold, go on, let go, all off",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert mistakes(tmp_path, text) == said.split("\n")


# Controls


def controls(wiring: Map, **values: float) -> Controls:
    return Controls(wiring, TARGETS, values.get)


def turn(desk: Controls, cable: Cable, *data: int) -> list[float]:
    asked = [command for moved in cable.moves(bytes(data)) for command in desk.move(moved)]
    for command in asked:
        desk.said(command)
    return [command.value for command in asked]  # type: ignore[attr-defined]


def test_a_fader_moves_its_target_over_its_travel() -> None:
    desk, cable = controls(maps.load()), Cable("any")
    assert turn(desk, cable, 0xB0, 1, 0) == [0.0]
    assert turn(desk, cable, 0xB5, 1, 127) == [1.0]
    assert turn(desk, cable, 0xB0, 7, 127) == [0.0]
    assert turn(desk, cable, 0xB0, 7, 0) == [-48.0]
    assert turn(desk, cable, 0xB0, 99, 5) == []


def test_frequencies_move_by_octaves() -> None:
    travel = target("drone.cutoff_hz", TARGETS["drone.cutoff_hz"], 100.0, 1600.0)
    assert travel.value(0.5) == pytest.approx(400.0)
    assert travel.place(400.0) == pytest.approx(0.5)


def test_a_fader_picks_its_target_up_where_it_is() -> None:
    desk, cable = (
        controls(Map(controls=(Control("cc", 21, target("tension", TARGETS["tension"])),)), tension=0.5),
        Cable(""),
    )
    assert turn(desk, cable, 0xB0, 21, 10) == []
    assert turn(desk, cable, 0xB0, 21, 60) == []
    assert turn(desk, cable, 0xB0, 21, 70) == [70 / 127]  # it has gone past
    assert turn(desk, cable, 0xB0, 21, 127) == [1.0]
    desk.said(desk.move(Moved("cc", 21, 0, "", 1.0))[0])
    # Another hand moves it away: the fader has to find it again.
    from resonance.engine.commands import Set

    desk.said(Set("tension", 0.2))
    assert turn(desk, cable, 0xB0, 21, 120) == []
    assert turn(desk, cable, 0xB0, 21, 20) == [20 / 127]


def test_pairs_and_parameters_have_fourteen_bits() -> None:
    cable = Cable("")
    assert [(m.source, m.number) for m in cable.moves(bytes((0xB0, 3, 64)))] == [("cc", 3), ("cc14", 3)]
    moved = cable.moves(bytes((0xB0, 35, 1)))[-1]
    assert (moved.source, moved.number, moved.place) == ("cc14", 3, (64 * 128 + 1) / 16383)
    # From now on the coarse half waits for the fine one: no step back in between.
    assert [m.source for m in cable.moves(bytes((0xB0, 3, 65)))] == ["cc"]
    for data in ((99, 2), (98, 44)):
        assert cable.moves(bytes((0xB0, *data))) == []
    assert cable.moves(bytes((0xB0, 6, 127)))[0].number == 300
    assert cable.moves(bytes((0xB0, 38, 127)))[0].place == 1.0
    assert cable.moves(bytes((0xB0, 97, 0)))[0].place == 16382 / 16383
    # A registered parameter is none of ours.
    cable.moves(bytes((0xB0, 101, 0)))
    assert all(m.source != "nrpn" for m in cable.moves(bytes((0xB0, 6, 1))))


@pytest.mark.parametrize(
    ("mode", "up", "down"), [("twos", 1, 127), ("offset", 65, 63), ("sign", 1, 65)]
)  # fmt: skip
def test_an_encoder_says_steps(mode: str, up: int, down: int) -> None:
    travel = target("tension", TARGETS["tension"])
    desk, cable = controls(Map(controls=(Control("cc", 30, travel, mode=mode),)), tension=0.5), Cable("")
    assert turn(desk, cable, 0xB0, 30, up) == [pytest.approx(0.5 + 1 / 127)]
    assert turn(desk, cable, 0xB0, 30, down) == [pytest.approx(0.5)]
    for _ in range(200):
        turn(desk, cable, 0xB0, 30, up)
    assert turn(desk, cable, 0xB0, 30, up) == [1.0]


def test_a_control_is_told_apart_by_channel_and_device() -> None:
    travel = target("tension", TARGETS["tension"])
    desk = controls(Map(controls=(Control("cc", 30, travel, 2, "nano"),)))
    assert turn(desk, Cable("nanoKONTROL"), 0xB1, 30, 127) == [1.0]
    assert turn(desk, Cable("nanoKONTROL"), 0xB0, 30, 127) == []
    assert turn(desk, Cable("other"), 0xB1, 30, 127) == []


# Learning

PLAYERS_OWN = """\
format = 1 # my map

# The wheel, as I like it.
[[control]]
cc = 1
target = "tension"
high = 0.8   # never further

[[control]]
cc = 2
target = "energy"
"""


def learner(tmp_path: Path, text: str | None = PLAYERS_OWN) -> Learner:
    path = tmp_path / "my.toml"
    if text:
        path.write_text(text)
    return Learner(maps.load(path if text else None), path, TARGETS)


def show(
    learner: Learner, *values: int, number: int = 40, device: str = "nano", channel: int = 0
) -> str | None:
    cable, said = Cable(device), None
    for value in values:
        said = learner.moved(cable.moves(bytes((0xB0 | channel, number, value)))) or said
    return said


def test_a_control_is_learned_and_written_among_the_players_own_words(tmp_path: Path) -> None:
    learn = learner(tmp_path)
    assert learn.name("tension") == "tension: now move a control"
    said = show(learn, 10, 11, 12, channel=3)
    assert said is not None
    assert said.startswith(
        "controller 40 on channel 4 of nano moves tension (before: controller 1); saved to "
    )
    text = learn.path.read_text()
    for kept in ("# my map", "# The wheel, as I like it.", "# never further"):
        assert kept in text
    written = tomllib.loads(text)["control"]
    assert written[0] == {"target": "tension", "high": 0.8, "cc": 40, "channel": 4, "device": "nano"}
    assert maps.load(learn.path).controls[0].target.high == 0.8
    assert learn.map.controls == (*maps.load(learn.path).controls[1:], maps.load(learn.path).controls[0])


def test_it_stays_on_and_binds_the_next(tmp_path: Path) -> None:
    learn = learner(tmp_path)
    learn.name("tension")
    show(learn, 1, 5, 9)
    assert learn.aim is None
    assert show(learn, 10, 20, 30) is None
    learn.name("fog.density")
    assert "(no longer tension)" in (show(learn, 1, 5, 9) or "")
    assert [c.target.name for c in maps.load(learn.path).controls] == ["energy", "fog.density"]


def test_a_new_map_begins_as_the_default_one(tmp_path: Path) -> None:
    learn = learner(tmp_path, None)
    learn.name("drone.glow")
    show(learn, 1, 5, 9)
    assert [c.target.name for c in maps.load(learn.path).controls][-1] == "drone.glow"
    assert len(maps.load(learn.path).controls) == len(maps.load().controls) + 1


@pytest.mark.parametrize("number", REFUSED)
def test_what_keyboards_need_for_themselves_is_refused(tmp_path: Path, number: int) -> None:
    learn = learner(tmp_path)
    learn.name("tension")
    assert f"controller {number} " in (show(learn, 1, 5, 9, number=number) or "")
    assert learn.aim == "tension"
    assert maps.load(learn.path).controls[0].number == 1


def test_a_touch_is_no_move_and_an_unknown_name_is_none(tmp_path: Path) -> None:
    learn = learner(tmp_path)
    assert learn.name("tensoin") == "no target 'tensoin': did you mean 'tension'?"
    learn.name("tension")
    assert show(learn, 0, 127, 0, 127, 0) is None


def test_pairs_parameters_and_encoders_are_recognised(tmp_path: Path) -> None:
    learn = learner(tmp_path)
    cable = Cable("nano")
    learn.name("tension")
    for value in (10, 11, 12, 13, 14):
        for data in ((3, value), (35, value * 7 % 128)):
            learn.moved(cable.moves(bytes((0xB0, *data))))
    assert (learn.map.controls[-1].source, learn.map.controls[-1].number) == ("cc14", 3)
    learn.name("energy")
    for value in (10, 11, 12, 13):
        for data in ((99, 2), (98, 44), (6, value), (38, 0)):
            learn.moved(cable.moves(bytes((0xB0, *data))))
    assert (learn.map.controls[-1].source, learn.map.controls[-1].number) == ("nrpn", 300)
    for name, values, mode in (
        ("valence", (1, 1, 127), "twos"),
        ("bpm", (65, 65, 65), "offset"),
        ("fog.density", (63, 64, 65), "absolute"),
    ):
        learn.name(name)
        show(learn, *values, number=50)
        assert learn.map.controls[-1].mode == mode
    assert len(maps.load(learn.path).controls) == 3


def test_a_control_without_movement_of_the_score_does_nothing() -> None:
    travel = target("stars.claws", TARGETS["stars.claws"])
    desk = Controls(Map(controls=(Control("cc", 30, travel),)), {}, lambda name: None)
    assert turn(desk, Cable(""), 0xB0, 30, 127) == []


def test_what_a_map_names_and_a_score_lacks_is_told_once(tmp_path: Path) -> None:
    wiring = read(
        tmp_path,
        'format = 1\nsound = "crystals"\n[channels]\n3 = "tree"\n4 = "drone"\n'
        '[[pad]]\nnote = 36\nscene = "onle"\n[[pad]]\nnote = 37\nscene = "onle"\n'
        '[[pad]]\nnote = 38\nscene = "only"\n',
    )
    told = maps.astray(wiring, score_of(alone("drone")))
    assert told == [
        "the map's scene 'onle' is not in alone: did you mean 'only'?",
        "the map's sound 'crystals' is not in alone",
        "the map's sound 'tree' is not in alone",
    ]
    assert maps.astray(maps.load(), load("dream")) == []
