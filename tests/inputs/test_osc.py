"""OSC: every number alike, wrong packets counted, and answers over real sockets on this machine."""

import math
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from resonance.engine.commands import AllOff, Command, Hold, Launch, LetGo, NoteOff, NoteOn, Pulse, Set
from resonance.inputs.osc import ADDRESSES, MOST_LISTENERS, Desk, Server
from resonance.inputs.targets import all_targets

TARGETS = all_targets()
VALUES = {"tension": 0.25}
OWN = 16 * 31
"""The first channel of the last cable."""


def desk() -> Desk:
    return Desk(TARGETS, ["base", "fire"], VALUES.get)


def packet(address: str, *words: Any, kind: str | None = None) -> bytes:
    message = OscMessageBuilder(address)
    for word in words:
        message.add_arg(word, kind)
    return message.build().dgram


def asked(address: str, *words: Any, kind: str | None = None) -> list[Command]:
    return desk().packet(packet(address, *words, kind=kind), 0.0)[0]


@pytest.mark.parametrize(
    ("address", "words", "command"),
    [
        ("/drone/glow", (0.5,), Set("drone.glow", 0.5)),
        ("/fog/density", (1,), Set("fog.density", 1.0)),
        ("/drone/glow", (), LetGo("drone.glow")),
        ("/drone/glow", (7,), Set("drone.glow", 1.0)),
        ("/arc/tension", (0.75,), Set("tension", 0.75)),
        ("/arc/valence", (), LetGo("valence")),
        ("/heart/bpm", (72,), Set("bpm", 72.0)),
        ("/scene", ("fire",), Launch("fire")),
        ("/scene", (1, "beat"), Launch("fire", "beat")),
        ("/hold", (1,), Hold(True)),
        ("/hold", (0,), Hold(False)),
        ("/note", (60, 0.5), NoteOn(60, 0.5, None, OWN)),
        ("/note", (60, 127), NoteOn(60, 1.0, None, OWN)),
        ("/note", (60, 0.5, "tree", 3), NoteOn(60, 0.5, "tree", OWN + 3)),
        ("/note", (60, 0), NoteOff(60, channel=OWN)),
        ("/alloff", (), AllOff()),
    ],
)
def test_what_an_address_asks_for(address: str, words: Sequence[Any], command: Command) -> None:
    assert asked(address, *words) == [command]


@pytest.mark.parametrize("kind", ["f", "d", "i"])
def test_ints_floats_and_doubles_alike(kind: str) -> None:
    assert asked("/heart/bpm", 80 if kind == "i" else 80.0, kind=kind) == [Set("bpm", 80.0)]


def test_taps() -> None:
    tapped = desk()
    tapped.packet(packet("/heart/tap"), 1.0)
    assert tapped.packet(packet("/heart/tap"), 1.5)[0] == [Pulse(0.5, 0.5), LetGo("pulse")]


def test_bundles_are_taken_apart() -> None:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for value in (0.25, 0.5):
        message = OscMessageBuilder("/arc/energy")
        message.add_arg(value)
        bundle.add_content(message.build())
    assert desk().packet(bundle.build().dgram, 0.0)[0] == [Set("energy", 0.25), Set("energy", 0.5)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        packet("/nobody/home", 1.0),
        packet("/drone/gloe", 1.0),
        packet("/arc/tension", "high"),
        packet("/arc/tension", math.nan),
        packet("/arc/tension", math.inf),
        packet("/note", 60),
        packet("/note", 128, 0.5),
        packet("/note", 60.5, 0.5),
        packet("/note", 60, 0.5, "tree", 99),
        packet("/scene", "nowhere"),
        packet("/scene", 7),
        packet("/scene", "fire", "soon"),
        packet("/a/b/c", 1.0),
        b"/arc/tension\0\0\0\0,f\0\0\0",
        b"#bundle\0" + struct.pack(">QI", 1, 1 << 31),
        b"#bundle\0" + struct.pack(">Qi", 1, -4),
        b"#bundle\0" + struct.pack(">Qi", 1, 20) + b"#bundle\0" + struct.pack(">Qi", 1, -4),
    ],
)
def test_bad_packets_are_counted_and_ignored(data: bytes) -> None:
    received = desk()
    assert received.packet(data, 0.0) == ([], [], None)
    assert received.counts["bad"] == 1


@given(st.binary(max_size=64))
def test_no_packet_does_harm(data: bytes) -> None:
    for command in desk().packet(data, 0.0)[0]:
        assert isinstance(command, Command)


def test_the_page_names_what_is_understood() -> None:
    told = " ".join(address for address, _ in ADDRESSES)
    for address in (
        "/arc/",
        "/heart/bpm",
        "/heart/tap",
        "/scene",
        "/hold",
        "/note",
        "/alloff",
        "/query",
        "/listen",
    ):
        assert address in told


def test_who_listens_anew_is_told_however_many_listened_before() -> None:
    with Server(0, desk(), lambda _: None, lambda: {"/heart/bpm": [54.0]}, time.monotonic) as server:
        for _ in range(MOST_LISTENERS + 1):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5.0)
                client.sendto(packet("/listen", 1), ("127.0.0.1", server.port))
                assert OscMessage(client.recv(1000)).address == "/heart/bpm"


def test_over_sockets() -> None:
    done: list[Command] = []
    state = {"/scene": ["base", 0.5, 1], "/heart/bpm": [54.0]}
    with (
        Server(0, desk(), done.append, lambda: state, lambda: 0.0) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5.0)
        for data in (
            packet("/arc/tension", 0.5),
            b"bad",
            packet("/query", "tension", "nobody"),
            packet("/query"),
        ):
            client.sendto(data, ("127.0.0.1", server.port))
        heard = [OscMessage(client.recv(1000)) for _ in range(4)]
        assert [(m.address, list(m.params)) for m in heard] == [
            ("/value", ["tension", 0.25]),
            ("/value", ["nobody"]),
            ("/scene", ["base", 0.5, 1]),
            ("/heart/bpm", [54.0]),
        ]
        assert done == [Set("tension", 0.5)]
        assert server.desk.counts["bad"] == 1
