"""The keys of one MIDI cable: notes, pedals, bends and pressure on sixteen channels, to commands.

What a key does is remembered here, so that whatever comes, no note is left behind: pedals hold notes back,
a note struck again lets go of itself first, and `silence` lets go of all. Zones of MPE come and go as the
player's instrument announces them.

Source: MIDI 1.0 Detailed Specification 4.2.1; RP-015, "Response to Reset All Controllers"; MIDI Polyphonic
Expression 1.0 (RP-053), ch. 2 and 3, whose sections are named below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from resonance.engine.commands import CHANNELS, MOST_BEND_CENTS, AllOff, Command, Express, NoteOff, NoteOn
from resonance.inputs import midi

DRUMS = 9
"""The channel that General MIDI keeps for drums, counted from 0."""

LOWER, UPPER = 0, 15
"""The master channels of the two zones."""

BEND_CENTS = 200.0
MEMBER_BEND_CENTS = 4800.0
SOFT = 0.6
"""What the soft pedal leaves of a velocity."""

RELEASE = 64 / 127
"""How fast a key goes up that does not say so. Source: MIDI 1.0, "Note-off"."""

_PER_NOTE = 0, 0
_FINE, _COARSE = (0, 1), (0, 2)
_ZONES = 0, 6
_NULL = 127, 127
_OF_MEMBERS = (6, 38, midi.TIMBRE, 98, 99, 100, 101)
"""The controls that count on a member channel: timbre, and those that choose and set its bend's range."""


@dataclass(slots=True)
class _Key:
    """A note that sounds: by a finger, by the sustain pedal, or caught by sostenuto."""

    down: bool = True
    caught: bool = False
    release: float = RELEASE


@dataclass(slots=True)
class _Channel:
    """What a channel remembers between its messages."""

    bend: float = 0.0
    range_cents: float = BEND_CENTS
    fine_cents: float = 0.0
    coarse_cents: float = 0.0
    pressure: float = 0.0
    timbre: float = 0.5
    sustain: bool = False
    sostenuto: bool = False
    soft: bool = False
    parameter: tuple[int, int] = _NULL
    keys: dict[int, _Key] = field(default_factory=dict)

    @property
    def bend_cents(self) -> float:
        bent = self.bend * self.range_cents + self.fine_cents + self.coarse_cents
        return min(MOST_BEND_CENTS, max(-MOST_BEND_CENTS, bent))


_AT_REST = _Channel()


class Keyboard:
    """One cable's keys. `sounds` says what a channel plays, from 0; others play the score's instrument.

    Commands know its channels from `first` on, so that cables do not end or bend each other's notes.
    """

    def __init__(self, sounds: Mapping[int, str] | None = None, first: int = 0) -> None:
        self.sounds = dict(sounds or {})
        self._first = first
        self.members = {LOWER: 0, UPPER: 0}
        """How many member channels each zone has, by its master; 0 is no zone."""
        self._channels = [_Channel() for _ in range(CHANNELS)]
        self._masters: list[int | None] = [None] * CHANNELS

    @property
    def held(self) -> list[tuple[int, int]]:
        """Channel and note of everything that sounds."""
        return [(number, note) for number, channel in enumerate(self._channels) for note in channel.keys]

    def play(self, message: bytes) -> list[Command]:
        """What one whole message asks for; nothing where it is of no concern to keys."""
        status, number = message[0] & 0xF0, message[0] & 0x0F
        if message[0] == midi.RESET:
            return self.silence()
        if message[0] >= midi.EXCLUSIVE:
            return []
        channel = self._channels[number]
        if status == midi.NOTE_ON and message[2]:
            return self._strike(number, message[1], message[2] / 127)
        if status in (midi.NOTE_OFF, midi.NOTE_ON):
            # A note-on of velocity 0 is a note-off that does not say how fast.
            return self._let_up(number, message[1], message[2] / 127 if status == midi.NOTE_OFF else RELEASE)
        if status == midi.POLY_PRESSURE:
            if message[1] not in channel.keys or self.is_member(number):
                return []
            return [Express(message[1], self._first + number, self._sound(number), pressure=message[2] / 127)]
        if status == midi.PRESSURE:
            channel.pressure = message[1] / 127
            return self._expressed(number, "pressure")
        if status == midi.BEND:
            channel.bend = ((message[2] << 7 | message[1]) - 8192) / 8192
            return self._expressed(number, "bend_cents")
        if status == midi.CONTROL:
            return self._control(number, message[1], message[2])
        return []

    def is_member(self, number: int) -> bool:
        """Whether a channel is one finger's, in a zone: what is for a whole zone is ignored there. 2.3.1."""
        return self._masters[number] not in (None, number)

    def silence(self) -> list[Command]:
        """Lets go of every note, and puts every channel at rest: the cable was pulled, or reset."""
        commands = [command for number in range(CHANNELS) for command in self._release_all(number)]
        before = self._felt()
        self._channels = [_Channel() for _ in range(CHANNELS)]
        self._masters = [None] * CHANNELS
        self.members = {LOWER: 0, UPPER: 0}
        return [*commands, *self._moved_since(before)]

    # Keys and pedals

    def _leader(self, number: int) -> int:
        """The channel whose sound and pedals count: a zone's master, else the channel itself."""
        master = self._masters[number]
        return number if master is None else master

    def _sound(self, number: int) -> str | None:
        return self.sounds.get(self._leader(number))

    def _strike(self, number: int, note: int, velocity: float) -> list[Command]:
        channel = self._channels[number]
        # What sostenuto has caught is caught when it is struck again: its damper stays up.
        key = _Key(caught=note in channel.keys and channel.keys[note].caught)
        commands = self._release(number, [note]) if note in channel.keys else []
        channel.keys[note] = key
        soft = self._channels[self._leader(number)].soft
        velocity = max(velocity * (SOFT if soft else 1.0), 1 / 127)
        return [*commands, NoteOn(note, velocity, self._sound(number), self._first + number)]

    def _let_up(self, number: int, note: int, velocity: float) -> list[Command]:
        key = self._channels[number].keys.get(note)
        if key is None or not key.down:
            return []
        key.down, key.release = False, velocity
        if not self._stays(number, key):
            return self._release(number, [note])
        # A finger that has left moves the note no more, only the master does. 3.3.3.
        left = NoteOff(note, velocity, self._sound(number), self._first + number, pedalled=True)
        return [left] if self.is_member(number) else []

    def _stays(self, number: int, key: _Key) -> bool:
        """Whether a key sounds on although no finger holds it."""
        return key.down or key.caught or self._channels[self._leader(number)].sustain

    def _zone(self, number: int) -> list[int]:
        """The channels that a message on this one is for: a master's whole zone, else itself."""
        if self._masters[number] != number:
            return [number]
        return [each for each in range(CHANNELS) if self._masters[each] == number]

    def _release(self, number: int, notes: Iterable[int]) -> list[Command]:
        keys = self._channels[number].keys
        sound = self._sound(number)
        return [NoteOff(note, keys.pop(note).release, sound, self._first + number) for note in list(notes)]

    def _release_all(self, number: int) -> list[Command]:
        return self._release(number, self._channels[number].keys)

    def _settle(self, numbers: Iterable[int]) -> list[Command]:
        """Lets go of what no finger and no pedal holds any more."""
        commands: list[Command] = []
        for number in numbers:
            keys = self._channels[number].keys
            commands += self._release(
                number, [note for note, key in keys.items() if not self._stays(number, key)]
            )
        return commands

    # Controls

    def _control(self, number: int, control: int, value: int) -> list[Command]:
        channel = self._channels[number]
        if self.is_member(number) and control not in _OF_MEMBERS:
            return []
        if control == midi.SUSTAIN:
            channel.sustain = value >= 64
            return self._settle(self._zone(number))
        if control == midi.SOSTENUTO:
            return self._sostenuto(number, value >= 64)
        if control == midi.SOFT:
            channel.soft = value >= 64
        elif control == midi.TIMBRE:
            channel.timbre = value / 127 if value != 64 else 0.5
            return self._expressed(number, "timbre")
        elif control in (100, 101):
            high, low = channel.parameter
            channel.parameter = (value, low) if control == 101 else (high, value)
        elif control in (98, 99):
            channel.parameter = _NULL  # what data entry means now is the map's to say
        elif control in (6, 38):
            return self._enter(number, value, fine=control == 38)
        elif control == midi.ALL_SOUND_OFF:
            zone = self._zone(number)
            released = [command for each in zone for command in self._release_all(each)]
            return [*released, *(AllOff(self._first + each, cut=True) for each in zone)]
        elif control == midi.RESET_CONTROLLERS:
            # A master's pedal holds its members' notes: all are at rest before any is settled.
            resting = [command for each in self._zone(number) for command in self._reset(each)]
            return [*self._settle(self._zone(number)), *resting]
        elif control >= midi.ALL_NOTES_OFF:
            commands = []
            for each in self._zone(number):
                for note, key in list(self._channels[each].keys.items()):
                    commands += self._let_up(each, note, key.release)
            return commands
        return []

    def _sostenuto(self, number: int, pressed: bool) -> list[Command]:
        for each in self._zone(number):
            channel = self._channels[each]
            if pressed and not channel.sostenuto:
                for key in channel.keys.values():
                    key.caught = key.down
            elif not pressed:
                for key in channel.keys.values():
                    key.caught = False
            channel.sostenuto = pressed
        return [] if pressed else self._settle(self._zone(number))

    def _reset(self, number: int) -> list[Command]:
        """What RP-015 asks: bend, pressure and pedals at rest; not volume, not timbre, not ranges."""
        channel = self._channels[number]
        channel.bend = channel.pressure = 0.0
        channel.sustain = channel.sostenuto = channel.soft = False
        channel.parameter = _NULL
        for key in channel.keys.values():
            key.caught = False
        return [*self._expressed(number, "bend_cents"), *self._expressed(number, "pressure")]

    def _enter(self, number: int, value: int, *, fine: bool) -> list[Command]:
        """Data entry to the registered parameter that is chosen: bend range, tuning, or a zone."""
        channel = self._channels[number]
        if channel.parameter == _PER_NOTE:
            semitones, cents = divmod(channel.range_cents, 100.0)
            range_cents = 100.0 * semitones + value if fine else 100.0 * value + cents
            commands: list[Command] = []
            for each in self._alike(number):
                self._channels[each].range_cents = min(range_cents, MOST_BEND_CENTS)
                commands += self._expressed(each, "bend_cents")
            return commands
        if channel.parameter == _ZONES and not fine and number in self.members and value < CHANNELS:
            return self._configure(number, value)
        if self.is_member(number):
            return []
        if channel.parameter == _FINE and not fine:
            channel.fine_cents = (value - 64) / 64 * 100.0
            return self._expressed(number, "bend_cents")
        if channel.parameter == _COARSE and not fine:
            channel.coarse_cents = (value - 64) * 100.0
            return self._expressed(number, "bend_cents")
        return []

    def _alike(self, number: int) -> list[int]:
        """The channels that share a bend range with this one: the members of a zone with one another."""
        if not self.is_member(number):
            return [number]
        master = self._leader(number)
        return [each for each in self._zone(master) if each != master]

    def _configure(self, master: int, members: int) -> list[Command]:
        """A zone is made, changed or ended; where zones meet, the newer one has its way."""
        before = self._felt()
        other = UPPER if master == LOWER else LOWER
        self.members[master] = members
        self.members[other] = max(0, min(self.members[other], CHANNELS - 2 - members))
        masters: list[int | None] = [None] * CHANNELS
        for zone, count in self.members.items():
            step = 1 if zone == LOWER else -1
            for away in range(count + 1 if count else 0):
                masters[zone + step * away] = zone
        changed = [each for each in range(CHANNELS) if masters[each] != self._masters[each]]
        # Let go of as what it is now; what stays in its zone sounds on, in the ranges of a new zone.
        commands = [command for each in changed for command in self._release_all(each)]
        self._masters = masters
        for each in changed:
            self._channels[each] = _Channel()
        for each in {*changed, *(self._zone(master) if members else ())}:
            self._channels[each].range_cents = MEMBER_BEND_CENTS if self.is_member(each) else BEND_CENTS
        return [*commands, *self._moved_since(before)]

    # What is heard of a channel

    def _expressed(self, number: int, what: str) -> list[Command]:
        """A channel's bend, pressure or timbre: a finger's own, or of all that the channel or zone sounds."""
        value, whole = getattr(self._channels[number], what), not self.is_member(number)
        return [
            Express(None, self._first + each, self._sound(each), **{what: value}, whole=whole)
            for each in self._zone(number)
        ]

    def _felt(self) -> dict[tuple[int, bool], tuple[float, float, float]]:
        """Bend, pressure and timbre that each channel's notes feel: by finger, and with True by the whole."""
        felt = {}
        for number in range(CHANNELS):
            own = self._channels[number] if self.is_member(number) else _AT_REST
            for of, whole in ((own, False), (self._channels[self._leader(number)], True)):
                felt[number, whole] = of.bend_cents, of.pressure, of.timbre
        return felt

    def _moved_since(self, before: Mapping[tuple[int, bool], tuple[float, float, float]]) -> list[Command]:
        """What is to be told of all that is felt otherwise than `before`."""
        return [
            Express(None, self._first + number, None, *felt, whole)
            for (number, whole), felt in self._felt().items()
            if felt != before[number, whole]
        ]
