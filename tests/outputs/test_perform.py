"""`resonance perform` for real: keys in one process, the piece in another, heard on a sound card's cable."""

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live import Program, wait_until
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from servers import Servers, heard, need_servers

from resonance.cli import perform
from resonance.engine.commands import NoteOff, NoteOn
from resonance.inputs import maps
from resonance.score import load

STILL = """format = 1
title = "Still"
about = "keys alone"
[[scene]]
name = "one"
length = 300
[scene.sounds]
crystals = { touch_hz = 0, theme_hz = 0, t60_s = 0.3, send_db = -120 }
[[scene]]
name = "two"
length = 300
[scene.sounds]
crystals = { touch_hz = 0, theme_hz = 0, t60_s = 0.3, send_db = -120 }
"""

KEYS = """
import sys, time
from resonance.inputs import ports
library = ports._library()
out = library.MidiOut("keys", api=library.API_UNIX_JACK)
out.open_virtual_port("out")
print("up", flush=True)
for line in sys.stdin:
    words = [int(word) for word in line.split()]
    if len(words) == 1:
        time.sleep(words[0] / 1000)
    else:
        out.send_raw(*words)
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    need_servers()
    pair = Servers(tmp_path_factory.mktemp("servers"))
    pair.start("jack")
    yield pair
    pair.close()


class Keys:
    """A keyboard in a process of its own, on a virtual port called keys."""

    def __init__(self, servers: Servers) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", KEYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**servers.env, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert self.running.stdout is not None
        assert self.running.stdout.readline() == "up\n"

    def __enter__(self) -> "Keys":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.running.kill()
        self.running.wait()

    def send(self, *messages: tuple[int, ...]) -> None:
        """Sends messages; a single number is a rest in milliseconds."""
        assert self.running.stdin is not None
        for message in messages:
            self.running.stdin.write(" ".join(map(str, message)) + "\n")
        self.running.stdin.flush()


@pytest.fixture
def score(tmp_path: Path) -> Path:
    path = tmp_path / "still.toml"
    path.write_text(STILL)
    return path


class _Told:
    """Speakers that only hear what is to be done, and ports with which a test is the keyboard."""

    sounding = None

    def __init__(self) -> None:
        self.moves: list[Any] = []
        self.rounds = 0

    def do_all(self, moves: list[Any]) -> None:
        self.moves += moves
        self.rounds += 1

    def inputs(self, _: object, heard: Any, gone: Any, rest: Any, tell: Any) -> Any:
        self.heard, self.gone, self.rest = heard, gone, rest
        return contextlib.nullcontext()


def test_a_cable_that_is_pulled_lets_go_of_the_note_that_was_struck_last(
    score: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lets go says when, as who struck did: otherwise it is done at once, before the note begins."""
    told = _Told()
    monkeypatch.setattr(perform, "Inputs", told.inputs)
    words = argparse.Namespace(
        learn=False, midi_clock=False, midi_clock_out=None, midi_in=[], osc=None, heart=None
    )
    with perform._hands(words, load(score), maps.load(), tmp_path, told, lambda _: None):  # type: ignore[arg-type]
        struck_s = time.monotonic()
        told.heard("keys", struck_s, b"\x90\x3c\x40")
        told.heard("keys", struck_s, b"\x90\x3e\x40")
        assert told.rounds == 0
        told.rest(time.monotonic())
        told.gone("keys")
        told.rest(time.monotonic())
    kinds = [type(command) for _, commands in told.moves for command in commands]
    assert kinds == [NoteOn, NoteOn, NoteOff, NoteOff]
    assert told.rounds == 2, "what is heard together is passed on together"
    assert all(at_s is not None and at_s >= struck_s for at_s, _ in told.moves)


def onsets(audio: np.ndarray) -> np.ndarray:
    """The frames at which a note begins: where the level leaps over that of the tenth of a second before."""
    peaks = np.abs(audio).max(axis=1)[: len(audio) // 480 * 480].reshape(-1, 480).max(axis=1)
    quiet = np.array([peaks[max(0, k - 5) : k].max(initial=0.0) for k in range(len(peaks))])
    leaps = np.flatnonzero((peaks > 0.01) & (peaks > 2.0 * quiet))
    return leaps[np.concatenate(([True], np.diff(leaps) > 10))] * 480


def test_keys_are_heard_and_a_keyboard_comes_and_goes(servers: Servers, score: Path, tmp_path: Path) -> None:
    with (
        servers.recording("jack_thru") as recorded,
        Program("perform", score, "--device", "jack_thru", env=servers.env, folder=tmp_path) as playing,
    ):
        playing.says(r"\d:\d\d one")
        with Keys(servers) as keys:
            playing.says("MIDI: keys:out$")
            keys.send((800,))
            for note in (60, 64, 67, 72):
                keys.send((0x90, note, 100), (300,), (0x80, note, 0), (100,))
            keys.send((0xC0, 1), (0x90, 60, 100))
            playing.says(r"\d:\d\d two")
        playing.says("MIDI: keys:out has gone")
        with Keys(servers) as keys:
            playing.says("MIDI: keys:out$", times=2)
            time.sleep(0.5)
            keys.send((0x90, 72, 100), (600,))
            time.sleep(1.0)
        assert playing.ends(signal.SIGINT) == 130
    notes = len(onsets(heard(recorded)))
    # Where the machine was too busy to play on, a fade may have taken a note, and its return look like one.
    assert notes == 6 or (any("underrun" in line for line in playing.lines) and notes >= 3)


def test_osc_moves_and_answers_and_a_control_is_learned(
    servers: Servers, score: Path, tmp_path: Path
) -> None:
    words = ("perform", score, "--device", "jack_thru", "--osc", "0", "--learn", "--map", "my.toml")
    with (
        Program(*words, env=servers.env, folder=tmp_path, typed=True) as playing,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        Keys(servers) as keys,
    ):
        port = int(playing.says(r"OSC: 127.0.0.1 port (\d+)")[1])
        playing.says(r"\d:\d\d one")
        playing.says("MIDI: keys:out$")
        client.settimeout(0.3)

        def tension() -> float:
            message = OscMessageBuilder("/query")
            message.add_arg("tension")
            client.sendto(message.build().dgram, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                return float(list(OscMessage(client.recv(500)).params)[1])
            return -1.0

        message = OscMessageBuilder("/arc/tension")
        message.add_arg(0.75)
        client.sendto(message.build().dgram, ("127.0.0.1", port))
        wait_until(lambda: tension() == 0.75, "the tension that OSC set")
        playing.types("tensoin\n")
        playing.says("did you mean 'tension'")
        playing.types("tension\n")
        playing.says("tension: now move a control")
        keys.send(*((0xB2, 50, value) for value in range(10, 30, 4)))
        playing.says("controller 50 on channel 3 of keys:out moves tension")
        playing.types("\n")
        playing.says("learn: left")
        # It has to be picked up first: OSC holds the tension higher.
        keys.send((0xB2, 50, 90), (0xB2, 50, 100), (0xB2, 50, 127))
        wait_until(lambda: tension() == 1.0, "the tension that the fader set")
        assert playing.ends(signal.SIGINT) == 130
    learned = tomllib.loads((tmp_path / "my.toml").read_text())["control"]
    assert {"cc": 50, "channel": 3, "device": "keys:out", "pickup": False, "target": "tension"} in learned


def test_a_map_that_is_wrong_ends_before_anything_sounds(
    servers: Servers, score: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text("format = 1\n[[control]]\ncc = 1\ntarget = 'tensoin'\n")
    with Program("perform", score, "--map", "bad.toml", env=servers.env, folder=tmp_path) as playing:
        assert playing.ends() == 2
        assert playing.lines == [
            "error: bad.toml:4: control 1: target: no target 'tensoin': did you mean 'tension'?"
        ]
