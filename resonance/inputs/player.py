"""The player: all that hands do on all cables, to commands for the performance."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable

from resonance.engine.commands import CHANNELS, MOST_CABLES, Command, Launch
from resonance.inputs import midi
from resonance.inputs.clock import Follower
from resonance.inputs.controls import Cable, Controls
from resonance.inputs.keyboard import Keyboard
from resonance.inputs.learn import Learner
from resonance.inputs.maps import Map
from resonance.inputs.ports import label
from resonance.inputs.targets import targets_of
from resonance.inputs.tunings import tunings
from resonance.score import Score

SENSING_S = 0.4
"""A cable that has said that it is there, and then says nothing for so long, was pulled. Source: MIDI 1.0."""


class _Port:
    """One cable: its bytes, its keys and its controls."""

    def __init__(self, device: str, number: int, keyboard: Keyboard) -> None:
        self.device = label(device)
        self.number = number
        self.stream = midi.Stream()
        self.keyboard = keyboard
        self.cable = Cable(self.device)
        self.follower = Follower()
        self.sensed = False
        self.heard_s = 0.0


class Player:
    """Takes bytes with their port's name and time in seconds, gives commands. It knows no devices.

    `now` gives a target's value where it is known. With `follow_clock` a MIDI clock leads the heart: the
    first port that sends one, until it is silent for two seconds and another ticks. `said` gathers what the
    player should be told.
    """

    def __init__(
        self,
        wiring: Map,
        score: Score,
        *,
        now: Callable[[str], float | None] = lambda name: None,
        follow_clock: bool = False,
        learner: Learner | None = None,
    ) -> None:
        self.said: deque[str] = deque(maxlen=20)
        self.learner = learner
        self._scenes = [scene.name for scene in score.scenes]
        self._sounds = self._instruments(wiring, score)
        self._launch = wiring.launch
        self._controls = Controls(wiring, targets_of(score), now)
        self._ports: dict[str, _Port] = {}
        self._follow_clock = follow_clock
        self._leading: _Port | None = None
        self._dropped = 0
        for pad in wiring.pads:
            if pad.scene is not None and pad.scene not in self._scenes:
                self.said.append(f"the map launches '{pad.scene}', a scene that {score.name} does not have")

    def _instruments(self, wiring: Map, score: Score) -> dict[int, str]:
        """What each channel plays, as far as the score has it."""
        wanted = {number: wiring.sound for number in range(CHANNELS) if wiring.sound} | dict(wiring.sounds)
        for name in sorted(set(filter(None, wanted.values())) - set(score.sounds)):
            self.said.append(f"{score.name} has no {name}: its keys play the score's first instrument")
        return {number: name for number, name in wanted.items() if name and name in score.sounds}

    @property
    def held(self) -> int:
        """How many notes are held, on all cables."""
        return sum(len(port.keyboard.held) for port in self._ports.values())

    @property
    def dropped(self) -> int:
        """How many bytes were no messages."""
        return self._dropped + sum(port.stream.dropped for port in self._ports.values())

    @property
    def clock_bpm(self) -> float | None:
        """The tempo of the clock that leads, if one does."""
        return self._leading.follower.bpm if self._leading else None

    def receive(self, device: str, time_s: float, data: bytes) -> list[Command]:
        """What some bytes from a port ask for, in order."""
        port = self._ports.get(device)
        if port is None:
            taken = {port.number for port in self._ports.values()}
            number = next(number for number in itertools.count() if number not in taken) % (MOST_CABLES - 1)
            port = self._ports[device] = _Port(device, number, Keyboard(self._sounds, CHANNELS * number))
        port.heard_s = time_s
        commands: list[Command] = []
        for message in port.stream.messages(data):
            commands += self._message(port, time_s, message)
        return commands

    def gone(self, device: str) -> list[Command]:
        """A port has vanished: its notes are let go of."""
        port = self._ports.pop(device, None)
        if port is None:
            return []
        commands = port.keyboard.silence()
        self._dropped += port.stream.dropped
        if port is self._leading:
            self._leading = None
            commands += port.follower.play(0.0, bytes((midi.STOP,)))
        return commands

    def rest(self, now_s: float) -> list[Command]:
        """Asked from time to time: what follows from silence on a cable."""
        commands = self._leading.follower.rest(now_s) if self._leading else []
        for port in self._ports.values():
            if port.sensed and now_s - port.heard_s > SENSING_S:
                port.sensed = False
                commands += port.keyboard.silence()
        return commands

    def do(self, command: Command) -> Command:
        """Is told of a command from elsewhere (a program, a sensor), to know what holds a control."""
        self._controls.said(command)
        return command

    def _message(self, port: _Port, time_s: float, message: bytes) -> list[Command]:
        status = message[0]
        if status == midi.SENSING:
            port.sensed = True
            return []
        if status in (midi.CLOCK, midi.START, midi.CONTINUE, midi.STOP, midi.POSITION):
            return self._clock(port, time_s, message)
        if status == midi.EXCLUSIVE:
            return tunings(message)
        if status & 0xF0 in (midi.CONTROL, midi.PROGRAM) and port.keyboard.is_member(status & 0x0F):
            # On a finger's own channel nothing is for the whole instrument. Source: RP-053, 2.3.
            return port.keyboard.play(message)
        moves = port.cable.moves(message)
        if self.learner is not None and self.learner.aim is not None and moves:
            told = self.learner.moved(moves)
            if told:
                self.said.append(told)
                self._controls.map = self.learner.map
            # What is learned moves nothing, but pedals still lift, and panic still silences.
            return port.keyboard.play(message)
        commands = self._controls.press(message, port.device, time_s)
        if commands is None:
            commands = [command for moved in moves for command in self._controls.move(moved)]
            if status & 0xF0 == midi.PROGRAM and status < midi.EXCLUSIVE:
                commands += self._program(message[1])
            commands += port.keyboard.play(message)
        for command in commands:
            self._controls.said(command)
        return commands

    def _program(self, number: int) -> list[Command]:
        """A program change launches the scene of its number, the first by program 0."""
        return [Launch(self._scenes[number], self._launch)] if number < len(self._scenes) else []

    def _clock(self, port: _Port, time_s: float, message: bytes) -> list[Command]:
        if not self._follow_clock:
            return []
        commands = port.follower.play(time_s, message)
        ticks = message[0] == midi.CLOCK
        if ticks and (self._leading is None or not self._leading.follower.hears(time_s)):
            self._leading = port
        return commands if port is self._leading else []
