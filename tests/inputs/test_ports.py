"""MIDI ports are looked for without a word, and their messages have the times at which they came."""

import random
import time

import pytest

from resonance.inputs import ports


def test_nothing_is_said_where_no_jack_server_runs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """rtmidi2 would complain on standard error itself, twice a second for as long as one performs."""
    pytest.importorskip("rtmidi2")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "resonance-nobody")
    ports.names()
    inputs = ports.Inputs([], lambda *_: None, lambda _: None, lambda _: None, lambda _: None)
    inputs.look()
    ports.Output("anything", lambda _: None).send(b"\xf8")
    assert capfd.readouterr() == ("", "")


def test_times_are_the_drivers_and_follow_this_machines_clock() -> None:
    """A driver whose clock is slow by a ten-thousandth, read late by up to 4 ms: never 3 ms off."""
    chance, times, read_s = random.Random(3), ports.Times(), 0.0
    for k in range(20_000):
        came_s = 0.002 * k
        read_s = max(read_s, came_s + 0.004 * chance.random() ** 4)
        at_s = times.at(0.002 * 0.9999 if k else 0.0, read_s)
        assert came_s - 0.003 < at_s <= read_s


def test_a_flood_of_messages_costs_no_more_for_each() -> None:
    """All that came in the last seconds counts; it is not gone through for every message."""

    def spent_s(messages_hz: float) -> float:
        times, began_s = ports.Times(), time.thread_time()
        for k in range(6000):
            times.at(1.0 / messages_hz, (k + 0.5 * (k % 2)) / messages_hz)
        return time.thread_time() - began_s

    assert min(spent_s(3000.0) for _ in range(3)) < 10.0 * min(spent_s(10.0) for _ in range(3))


class _Library:
    """A MIDI library with three ports each way, two of them ours; it counts the clients that are opened."""

    def __init__(self) -> None:
        self.opened = 0

    def client(self, _: str, api: str) -> "_Library":
        self.opened += 1
        return self

    MidiIn = MidiOut = client
    ports = ("resonance-01:RtMidi", "resonance:out", "keys:out")

    def ignore_types(self, *_: bool) -> None: ...

    def open_port(self, _: int) -> None: ...

    def send_raw(self, *_: int) -> None: ...


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> _Library:
    there = _Library()
    monkeypatch.setattr(ports, "_library", lambda: there)
    monkeypatch.setattr(ports, "_systems", lambda _: ["one"])
    monkeypatch.setattr(ports, "_is_there", lambda *_: True)
    return there


def test_to_look_for_ports_opens_no_client_each_time(
    library: _Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes tens of milliseconds, in the thread that reads the keys and sends the clock."""
    inputs = ports.Inputs([], lambda *_: None, lambda _: None, lambda _: None, lambda _: None)
    output = ports.Output("keys", lambda _: None)
    for second in range(10):
        monkeypatch.setattr(ports.time, "monotonic", lambda now=float(second): now)
        inputs.look()
        output.send(b"\xf8")
    assert library.opened == 4, "one each to watch, and one each for the port itself"


def test_a_program_does_not_hear_itself(library: _Library) -> None:
    inputs = ports.Inputs([], lambda *_: None, lambda _: None, lambda _: None, lambda _: None)
    inputs.look()
    assert inputs.devices == ["keys:out"]
