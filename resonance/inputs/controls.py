"""Faders, knobs, wheels and pads to commands, as a map says: 7 bits with pickup, 14 bits, NRPN, encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from resonance.engine.commands import CHANNELS, AllOff, Command, Hold, Launch, LetGo, Set
from resonance.inputs import midi
from resonance.inputs.clock import Taps
from resonance.inputs.maps import Control, Map, Pad
from resonance.units import Parameter

MOST_14 = 16_383
_NEAR = 0.02
"""How near to the value a control must come to pick it up, where it does not cross it."""
_NO_PARAMETER = 127, 127


@dataclass(frozen=True, slots=True)
class Moved:
    """A control as it came: which it is, where it stands (0 to 1), and its 7 bits, if it has no more."""

    source: str
    number: int
    channel: int
    device: str
    place: float
    raw: int | None = None


class Cable:
    """One cable's control changes to moves: joins 14-bit pairs, and follows the NRPN that is chosen.

    `pairs` are the controllers below 32 whose fine half counts: where it comes, it completes the move.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._coarse: dict[tuple[int, int], int] = {}
        self._fine: set[tuple[int, int]] = set()
        self._parameter = [_NO_PARAMETER] * CHANNELS
        self._value = [0] * CHANNELS

    def moves(self, message: bytes) -> list[Moved]:
        """The moves in one whole message, the most precise last."""
        if message[0] & 0xF0 != midi.CONTROL or message[0] >= midi.EXCLUSIVE:
            return []
        channel, number, value = message[0] & 0x0F, message[1], message[2]
        if number in (98, 99):
            high, low = self._parameter[channel]
            self._parameter[channel] = (value, low) if number == 99 else (high, value)
            return []
        if number in (100, 101):
            self._parameter[channel] = _NO_PARAMETER
            return []
        if number in (6, 38, 96, 97) and self._parameter[channel] != _NO_PARAMETER:
            return [self._entered(channel, number, value)]
        found = [Moved("cc", number, channel, self.device, value / 127, value)]
        if number < 32:
            self._coarse[channel, number] = value
            if (channel, number) not in self._fine:
                found.append(Moved("cc14", number, channel, self.device, (value << 7) / MOST_14))
        elif number < 64 and (channel, number - 32) in self._coarse:
            self._fine.add((channel, number - 32))
            whole = self._coarse[channel, number - 32] << 7 | value
            found.append(Moved("cc14", number - 32, channel, self.device, whole / MOST_14))
        return found

    def _entered(self, channel: int, number: int, value: int) -> Moved:
        now = self._value[channel]
        step = {6: lambda: value << 7, 38: lambda: now & 0x3F80 | value, 96: lambda: now + 1}
        now = step.get(number, lambda: now - 1)()
        now = self._value[channel] = min(MOST_14, max(0, now))
        high, low = self._parameter[channel]
        raw = value if number == 6 else None
        return Moved("nrpn", high << 7 | low, channel, self.device, now / MOST_14, raw)


def steps(mode: str, raw: int) -> int:
    """How many steps an endless encoder turned, and which way, from its 7 bits.

    "twos" is two's complement (1, 127), "offset" is around 64 (65, 63), "sign" has the direction in bit 6
    (1, 65).
    """
    if mode == "twos":
        return raw if raw < 64 else raw - 128
    if mode == "offset":
        return raw - 64
    return -(raw & 0x3F) if raw & 0x40 else raw


class Controls:
    """What the map makes of moves and pads. `now` gives a target's value where it is known.

    `targets` are those that the score has; a control of another does nothing.
    """

    def __init__(
        self, wiring: Map, targets: Mapping[str, Parameter], now: Callable[[str], float | None]
    ) -> None:
        self._targets = targets
        self.map = wiring
        self._now = now
        self._taps = Taps()
        self._held: dict[str, float] = {}
        self._places: dict[Control, float] = {}
        self._caught: set[Control] = set()

    @property
    def map(self) -> Map:
        """The map that counts; another one can take its place."""
        return self._map

    @map.setter
    def map(self, wiring: Map) -> None:
        self._map = wiring
        self._moving: dict[tuple[str, int], list[Control]] = {}
        for control in wiring.controls:
            if control.target.name in self._targets:
                self._moving.setdefault((control.source, control.number), []).append(control)
        self._pads = {(pad.source, pad.number) for pad in wiring.pads}

    def said(self, command: Command) -> None:
        """Is told of every command, from wherever, to know what holds a target."""
        if isinstance(command, Set):
            self._held[command.name] = command.value
        elif isinstance(command, LetGo):
            self._held.pop(command.name, None)

    def move(self, moved: Moved) -> list[Command]:
        """What a move asks for."""
        commands: list[Command] = []
        for control in self._moving.get((moved.source, moved.number), ()):
            if _is(control, moved):
                commands += self._moved(control, moved)
        return commands

    def _moved(self, control: Control, moved: Moved) -> list[Command]:
        target = control.target
        value = self._held.get(target.name, self._now(target.name))
        if control.mode != "absolute":
            if moved.raw is None:
                return []
            start = target.parameter.default if value is None else value
            place = target.place(start) + steps(control.mode, moved.raw) / 127
            return [Set(target.name, target.value(place))]
        before = self._places.get(control)
        self._places[control] = moved.place
        if control.pickup and value is not None and not self._picked_up(control, before, moved.place, value):
            return []
        self._caught.add(control)
        return [Set(target.name, target.value(moved.place))]

    def _picked_up(self, control: Control, before: float | None, place: float, value: float) -> bool:
        """Whether a fader is where its target is, or has just gone past it, or never was let down since."""
        there = control.target.place(value)
        if control in self._caught and before is not None and abs(before - there) < _NEAR:
            return True
        self._caught.discard(control)
        crossed = before is not None and min(before, place) <= there <= max(before, place)
        return crossed or abs(place - there) < _NEAR

    def press(self, message: bytes, device: str, time_s: float) -> list[Command] | None:
        """What a key, pad, button or program asks for, where the map says so; None where it does not."""
        status = message[0] & 0xF0
        if message[0] >= midi.EXCLUSIVE:
            return None
        pressed = {
            midi.NOTE_ON: ("note", len(message) > 2 and message[2] > 0),
            midi.NOTE_OFF: ("note", False),
            midi.PROGRAM: ("program", True),
            midi.CONTROL: ("cc", len(message) > 2 and message[2] >= 64),
        }
        if status not in pressed:
            return None
        source, down = pressed[status]
        if (source, message[1]) not in self._pads:
            return None
        for pad in self.map.pads:
            alike = (pad.source, pad.number) == (source, message[1])
            if alike and pad.channel in (0, (message[0] & 0x0F) + 1) and pad.device in device:
                return self._pressed(pad, time_s) if down else []
        return None

    def _pressed(self, pad: Pad, time_s: float) -> list[Command]:
        if pad.scene is not None:
            return [Launch(pad.scene, pad.when)]
        if pad.act == "tap":
            return self._taps.tap(time_s)
        if pad.act == "let go":
            return [LetGo(name) for name in self._held]
        return [{"hold": Hold(True), "go on": Hold(False), "all off": AllOff()}[pad.act or "all off"]]


def _is(control: Control, moved: Moved) -> bool:
    """Whether a move is of this control."""
    same = (control.source, control.number) == (moved.source, moved.number)
    return same and control.channel in (0, moved.channel + 1) and control.device in moved.device
