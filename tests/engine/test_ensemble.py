"""Processes side by side: the same bits, whoever sounded what, and nobody left when it is over."""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import resonance
from resonance.engine import Engine, ensemble
from resonance.engine.ensemble import LEADER, Ensemble, Line, Room, _Hands

OWN = '''
"""A hum that no other process can be sent."""

from dataclasses import dataclass

import numpy as np

from resonance.contract import Patch, Sustain, Voice


@dataclass(frozen=True)
class OwnPatch(Patch):
    pass


class OwnRule(Sustain):
    def events(self, span):
        if "mine" in __name__ and span.start > {broken} * span.rate_hz:
            raise ZeroDivisionError("a mistake of the rule's")
        return super().events(span)


class OwnVoice(Voice):
    def __init__(self, patch, setting):
        self._wave = {wave}
        self._age = 0

    def start(self, event, span):
        self._age = 0
        return np.inf

    def render(self, span, out):
        if span.start > {broken} * span.rate_hz:
            raise ZeroDivisionError("a mistake of the player's own")
        out += self._wave(0.01 * (self._age + np.arange(span.frames))).astype(np.float32)
        self._age += span.frames
'''


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Ensemble]]:
    """The ensembles that play; afterwards none of their processes is left."""
    found: list[Ensemble] = []
    gather = Ensemble._gather

    def gathering(self: Ensemble, *arguments: object) -> None:
        found.append(self)
        gather(self, *arguments)

    monkeypatch.setattr(Ensemble, "_gather", gathering)
    yield found
    assert not multiprocessing.active_children()


def rendered(engine: Engine) -> list[tuple[str, ...]]:
    return [
        (
            *(digest(audio) for audio in (block.mix, block.space, block.premaster)),
            *(f"{name} {digest(stem)}" for name, stem in sorted(block.stems.items())),
            *(event.name for event in block.events),
        )
        for block in engine.blocks()
    ]


def digest(audio: np.ndarray) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


def dream(workers: int) -> Engine:
    """The dream in half a minute: places, reflections, weather, stems and all."""
    return Engine(resonance.load("dream"), 44_100, duration_s=30.0, stems=True, workers=workers)


def own(folder: Path, wave: str = "np.sin", broken: float = 1e9, workers: int = 2) -> Engine:
    """Sounds of a player's own beside one of ours, long enough that it is worth two processes."""
    for name in ("mine", "other"):
        (folder / f"{name}.py").write_text(OWN.replace("{wave}", wave).replace("{broken}", str(broken)))
    (folder / "own.toml").write_text(
        'format = 1\nsounds = ["mine.py", "other.py"]\n'
        '[[scene]]\nname = "only"\nlength = 60\nsounds = ["mine", "drone", "other"]\n'
    )
    return Engine(resonance.load(folder / "own.toml", allow_code=True), workers=workers)


@pytest.fixture(scope="module")
def alone() -> list[tuple[str, ...]]:
    return rendered(dream(1))


def test_several_processes_give_the_bits_of_one(alone: list[tuple[str, ...]], seen: list[Ensemble]) -> None:
    assert rendered(dream(3)) == alone
    assert len(set(alone)) == len(alone)
    assert set(seen[0]._owners.values()) == {0, 1, 2}


def joined(engine: Engine, seen: list[Ensemble]) -> Iterator[np.ndarray]:
    """Its mixes; it waits for its players as soon as it has some."""
    for block in engine.blocks():
        for line in seen[-1]._lines.values() if seen else ():
            if not seen[-1]._done:
                assert line.end.poll(120.0)
        yield block.mix


def test_processes_that_begin_anew_give_them_too(
    tmp_path: Path, seen: list[Ensemble], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble, "METHOD", "spawn")
    together = [digest(mix) for mix in joined(own(tmp_path), seen)]
    assert together == [digest(block.mix) for block in own(tmp_path, workers=1).blocks()]
    assert {seen[0]._owners["mine"], seen[0]._owners["other"]} - {0}


def test_what_cannot_be_sent_stays(tmp_path: Path, seen: list[Ensemble]) -> None:
    heard = [digest(mix) for mix in joined(own(tmp_path, "lambda x: np.sin(x)"), seen)]
    assert heard == [digest(block.mix) for block in own(tmp_path, "lambda x: np.sin(x)", workers=1).blocks()]
    assert seen[0]._owners["mine"] == seen[0]._owners["other"] == 0
    assert seen[0]._stuck & {"mine", "other"}


def test_voices_go_on_in_another_process_as_if_nothing_had_happened() -> None:
    """By hand, without a process: at every fourth span all that sounds changes hands."""
    alone, *pair = (
        Engine(resonance.load("dream"), 44_100, duration_s=30.0, without=["mirror"]) for _ in range(3)
    )
    handed = set()
    for number, expected in enumerate(alone.blocks(256)):
        here, there = pair if number // 4 % 2 == 0 else reversed(pair)
        if number % 4 == 0:
            for old, new in zip(there.playing, here.playing, strict=True):
                handed |= {old.name} if old.sounding else set()
                new.take_over(old.hand_over() or b"")
        due, beside = here.due(256), there.due(256)
        for part in here.playing:
            part.render(due.span, due.begun)
        here.passed(due)
        there.passed(beside)
        sounded = {part.name: (part.dry, part.wet) for part in here.playing if part.sounding}
        assert digest(pair[0].mixed(due, sounded).premaster) == digest(expected.premaster)
    assert len(handed) > 12


BORDER = """
format = 1
[[scene]]
name = "one"
length = 3.2
[scene.sounds]
moss = {}
drone = { gain_db = [0, -9], glow = [0, 1] }
city = { gain_db = [-20, 0], distance_m = [40, 90], swell_db = [2, 9] }
[[scene]]
name = "two"
length = 20
crossfade = 0.01
sounds = ["moss", "drone"]
"""


@pytest.mark.parametrize("given", [["drone"], ["moss", "drone"], ["city", "moss"]])
def test_what_is_given_away_is_sounded_ahead_as_it_would_be_later(tmp_path: Path, given: list[str]) -> None:
    """And leaves alone what stays, such as a sound whose scene is over before it comes to be sounded."""
    (tmp_path / "border.toml").write_text(BORDER)
    alone, one = (Engine(resonance.load(tmp_path / "border.toml"), 48_000) for _ in range(2))
    names, steps, border = [part.name for part in one.playing], 640, 3
    room = Room(bytearray(4 * Room.samples(names)), names)
    hands = _Hands(one, LEADER, room, steps)
    hands.has |= set(names)
    sounded: dict[int, set[str]] = {number: set() for number in range(border + ensemble.AHEAD)}
    for number in sounded:
        expected = alone.unlimited(steps)
        for name in given if number == border else ():
            packed, costs_s = hands.give_ahead(name, number)
            assert packed is not None
            for later, cost_s in enumerate(costs_s, number):
                sounded[later] |= {name} if cost_s is not None else set()
        due, costs, _ = hands.sound(number)
        buffers = {name: room.buffers(number, name) for name in {*costs, *sounded[number]}}
        views = {name: (dry.view(steps * 64), wet.view(steps * 64)) for name, (dry, wet) in buffers.items()}
        assert digest(one.mixed(due, views).premaster) == digest(expected.premaster), number
    assert not hands.has & set(given)


def test_a_mistake_is_told_once_by_whoever_made_it(tmp_path: Path, seen: list[Ensemble]) -> None:
    """Of a player's own voices, one of which another process has, and of a rule, which all have."""
    alone, together = own(tmp_path, broken=40.0, workers=1), own(tmp_path, broken=40.0)
    heard = [digest(mix) for mix in joined(together, seen)]
    assert heard == [digest(block.mix) for block in alone.blocks()]
    assert {seen[0]._owners["mine"], seen[0]._owners["other"]} - {0}
    assert len(alone.messages) == 3
    assert sorted(together.messages) == sorted(alone.messages)


def test_what_fails_beside_the_sounds_is_told_as_it_is_here(
    seen: list[Ensemble], monkeypatch: pytest.MonkeyPatch
) -> None:
    due = Engine.due

    def broken(engine: Engine, steps: int, *, desk: bool = True) -> object:
        if engine.frame > 44_100 * 15 and multiprocessing.parent_process() is not None:
            raise ZeroDivisionError("a mistake of ours")
        return due(engine, steps, desk=desk)

    monkeypatch.setattr(Engine, "due", broken)
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        list(dream(2).blocks())


def test_what_a_player_failed_by_is_heard_by_whoever_finds_it_gone() -> None:
    ours, theirs = multiprocessing.Pipe()
    Line(theirs).say("failed", ZeroDivisionError("a mistake of ours"))
    theirs.close()
    line = Line(ours)
    with pytest.raises(ConnectionError):
        line.say("go")
    assert isinstance(line.failure(), ZeroDivisionError)
    assert line.failure() is None


def test_a_process_that_dies_is_told_in_one_line(seen: list[Ensemble]) -> None:
    blocks = dream(2).blocks()
    while not seen or not any(owner for owner in seen[0]._owners.values()):
        next(blocks)
    os.kill(seen[0]._processes[1].pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="gone, killed or out of memory: render again"):
        list(blocks)


def test_one_that_cannot_begin_is_done_without(
    alone: list[tuple[str, ...]], seen: list[Ensemble], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble, "_play", lambda *_: None)
    engine = dream(2)
    assert rendered(engine) == alone
    assert engine.messages == ["a second process could not begin: rendered with one less"]


def test_where_there_is_no_room_for_others_it_plays_alone(
    alone: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ensemble.mmap, "mmap", full)
    engine = dream(2)
    assert rendered(engine) == alone
    assert engine.messages == ["no room for a second process (Cannot allocate memory): rendered by one"]


def test_nobody_is_left_when_blocks_are_left_early(seen: list[Ensemble]) -> None:
    blocks = dream(2).blocks()
    while not seen:
        next(blocks)
    (player,) = seen[0]._processes.values()
    assert player.is_alive()
    blocks.close()
    assert not player.is_alive()


def test_nobody_is_left_when_the_leader_is_killed() -> None:
    """A leader in a process of its own, which says who plays with it and is killed."""
    reading, writing = os.pipe()
    leader = os.fork()
    if leader == 0:
        gather = Ensemble._gather

        def gathering(self: Ensemble, *arguments: object) -> None:
            gather(self, *arguments)
            os.write(writing, b"%d\n" % self._processes[1].pid)

        Ensemble._gather = gathering
        list(dream(2).blocks())
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as said:
        player = int(said.readline())
        os.kill(leader, signal.SIGKILL)
        os.waitpid(leader, 0)
        # The player holds the pipe's other end for as long as it lives.
        assert said.read() == ""
    until = time.monotonic() + 20.0
    while Path(f"/proc/{player}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{player}/exe").exists()
