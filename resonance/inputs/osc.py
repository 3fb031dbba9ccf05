"""OSC in and out: every control by an address of its own, scenes, notes, the heart, and what plays now.

Open Sound Control over UDP, on this machine only unless it is told otherwise. What is no packet, or names
nothing, is counted and ignored. Source: Open Sound Control 1.0 specification; UDP may lose packets, so
nothing here depends on a second one that ends what a first began.
"""

from __future__ import annotations

import math
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resonance.engine.commands import (
    CHANNELS,
    MOST_CABLES,
    AllOff,
    Command,
    CommandError,
    Hold,
    Launch,
    LetGo,
    NoteOff,
    NoteOn,
    Set,
)
from resonance.inputs.clock import Taps
from resonance.units import Parameter

LOOPBACK = "127.0.0.1"
LONGEST_PACKET = 65_536
MOST_LISTENERS = 16
TOLD_S = 0.1

ADDRESSES = (
    (
        "/SOUND/PARAMETER value",
        "moves it, such as `/drone/glow 0.5`; without a value: gives it back",
    ),
    ("/EFFECT/PARAMETER value", "the same of an effect: `/fog/density`, `/space/t60_s`, `/master/volume_db`"),
    ("/arc/CURVE value", "holds `valence`, `energy` or `tension`; without a value: gives it back"),
    ("/heart/bpm value", "the heart's tempo, 20 to 240; without a value: gives it back"),
    ("/heart/tap", "taps the tempo"),
    ("/scene NAME [when]", "launches a scene by name or number from 0; when: `now`, `beat` or `breath`"),
    ("/hold 0|1", "stays in this scene, or goes on"),
    ("/note NUMBER VELOCITY [sound] [channel]", "plays a note; velocity 0 to 1, or 2 to 127; 0 lets go"),
    ("/alloff", "lets go of all notes"),
    ("/query [name ...]", "answers `/value NAME value` for each; without names: what plays now"),
    ("/listen 0|1", "has what plays now sent to you ten times a second, or no longer"),
)
"""What is understood, for the page about it."""

ANSWERS = (
    ("/scene NAME position night", "what plays, how far it has come (0 to 1), and which night it is"),
    ("/arc/valence, /arc/energy, /arc/tension", "the arc"),
    ("/heart/bpm", "the heart's tempo"),
    ("/value NAME value", "an answer to `/query NAME`, as far as the value is known"),
)


@dataclass
class Desk:
    """What packets ask for. `now` gives a value where it is known; `counts` what came, and what was wrong."""

    targets: Mapping[str, Parameter]
    scenes: Sequence[str]
    now: Callable[[str], float | None] = lambda name: None
    counts: Counter[str] = field(default_factory=Counter)
    taps: Taps = field(default_factory=Taps)

    def packet(self, data: bytes, time_s: float) -> tuple[list[Command], list[str], bool | None]:
        """The commands of a packet, the names it asks for ("" is all), and whether to listen from now on."""
        from pythonosc.osc_bundle import ParseError as BundleError
        from pythonosc.osc_message import ParseError as MessageError
        from pythonosc.osc_packet import OscPacket, ParseError

        commands: list[Command] = []
        asked: list[str] = []
        listens: bool | None = None
        try:
            _check_sizes(data)
            messages = [timed.message for timed in OscPacket(data).messages]
        except (ParseError, MessageError, BundleError, ValueError, IndexError, OverflowError, RecursionError):
            messages = []
            self.counts["bad"] += 1
        for message in messages:
            words = list(message.params)
            if message.address == "/query":
                asked += [str(word)[:100] for word in words[:100]] or [""]
            elif message.address == "/listen":
                listens = bool(words and words[0])
            else:
                try:
                    commands += self._asked(message.address, words, time_s)
                    self.counts["understood"] += 1
                except (CommandError, ValueError, TypeError, IndexError, OverflowError):
                    self.counts["bad"] += 1
        return commands, asked, listens

    def _asked(self, address: str, words: list[Any], time_s: float) -> list[Command]:
        parts = address.strip("/").split("/")
        match parts:
            case ["scene"]:
                scene = words[0] if isinstance(words[0], str) else self.scenes[_whole(words[0])]
                if scene not in self.scenes:
                    raise ValueError(scene)
                return [Launch(scene, *(str(word) for word in words[1:2]))]
            case ["note"]:
                return [self._note(*words)]
            case ["hold"]:
                return [Hold(not words or bool(words[0]))]
            case ["alloff"]:
                return [AllOff()]
            case ["heart", "tap"]:
                return self.taps.tap(time_s)
            case ["heart", "bpm"]:
                return [self._set("bpm", words)]
            case ["arc", ("valence" | "energy" | "tension") as curve]:
                return [self._set(curve, words)]
            case [owner, parameter]:
                return [self._set(f"{owner}.{parameter}", words)]
        raise ValueError(address)

    def _set(self, name: str, words: list[Any]) -> Command:
        declared = self.targets.get(name)
        if declared is None:
            raise ValueError(name)
        if not words:
            return LetGo(name)
        value = _number(words[0])
        return Set(name, min(declared.high, max(declared.low, value)))

    @staticmethod
    def _note(note: Any, velocity: Any, sound: Any = None, channel: Any = 0) -> Command:
        number = _whole(channel)
        if not 0 <= number < CHANNELS:
            raise ValueError(number)
        loud, channel = _number(velocity), CHANNELS * (MOST_CABLES - 1) + number
        loud = loud / 127.0 if loud > 1.0 else loud
        if loud <= 0.0:
            return NoteOff(_whole(note), 0.5, sound or None, channel)
        return NoteOn(_whole(note), min(1.0, loud), sound or None, channel)


def _check_sizes(packet: bytes) -> None:
    """Raises ValueError where a bundle says of an element that it ends elsewhere than it can.

    The library would follow a size below zero back, and round for ever.
    """
    if len(packet) % 4:
        raise ValueError("a packet is whole words of four bytes")
    if not packet.startswith(b"#bundle\0"):
        return
    at = 16
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big", signed=True)
        at += 4
        if not 0 <= size <= len(packet) - at:
            raise ValueError("an element lies within its bundle")
        _check_sizes(packet[at : at + size])
        at += size


def _number(word: Any) -> float:
    """An int, a float or a double alike, and a true or false as 1 or 0; raises ValueError for others."""
    if not isinstance(word, (bool, int, float)) or not math.isfinite(word):
        raise ValueError(word)
    return float(word)


def _whole(word: Any) -> int:
    value = _number(word)
    if value != int(value):
        raise ValueError(word)
    return int(value)


class Server:
    """Receives on a UDP port, in a thread, and answers. `do` takes commands, `state` tells what plays.

    `state` gives addresses and their values, such as `/heart/bpm`: [54.0]; `time` a clock in seconds.
    """

    def __init__(
        self,
        port: int,
        desk: Desk,
        do: Callable[[Command], None],
        state: Callable[[], Mapping[str, Sequence[Any]]],
        time: Callable[[], float],
        host: str = LOOPBACK,
    ) -> None:
        """Raises OSError where the port is taken."""
        self.desk = desk
        self._do = do
        self._state = state
        self._time = time
        self._listeners: dict[tuple[str, int], None] = {}
        self._leaving = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(TOLD_S)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join(1.0)
        self._socket.close()

    def _run(self) -> None:
        told_s = self._time()
        while not self._leaving.is_set():
            try:
                data, sender = self._socket.recvfrom(LONGEST_PACKET)
            except TimeoutError:
                pass
            except OSError:  # a listener that has gone, told of by the next receive on some systems
                self._listeners.clear()
            else:
                self._received(data, sender)
            if self._listeners and self._time() - told_s >= TOLD_S:
                told_s = self._time()
                for listener in list(self._listeners):
                    self._answer(self._state(), listener)

    def _received(self, data: bytes, sender: tuple[str, int]) -> None:
        commands, asked, listens = self.desk.packet(data, self._time())
        for command in commands:
            self._do(command)
        for name in asked:
            if name:
                value = self.desk.now(name)
                self._answer({"/value": [name] if value is None else [name, float(value)]}, sender)
            else:
                self._answer(self._state(), sender)
        if listens is not None:
            self._listeners.pop(sender, None)
        if listens:
            self._listeners[sender] = None
            # Nobody says that a program has gone: the one that was heard of longest ago makes room.
            while len(self._listeners) > MOST_LISTENERS:
                del self._listeners[next(iter(self._listeners))]

    def _answer(self, told: Mapping[str, Sequence[Any]], listener: tuple[str, int]) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        for address, values in told.items():
            message = OscMessageBuilder(address)
            for value in values:
                message.add_arg(value)
            try:
                self._socket.sendto(message.build().dgram, listener)
            except OSError:
                self._listeners.pop(listener, None)
