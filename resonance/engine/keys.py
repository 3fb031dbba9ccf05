"""The keys: the notes that hands play, on voices and over a desk of their own.

What the piece does by itself is sounded ahead; a note is to be heard at once. So each sound that is played
has a second part, without a rule, which sounds in spans as short as whoever listens asks for, beside the
first. Neither takes the other's voices: how a hand plays changes nothing of what the piece plays, but that
rules hear its notes, when they next decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resonance.contract import Event
from resonance.dsp import F32, GRID_FRAMES
from resonance.engine.desk import Block, Desk
from resonance.engine.hand import Hand
from resonance.engine.parts import Part
from resonance.score import Score
from resonance.units import db_from_level

if TYPE_CHECKING:
    from resonance.engine.engine import Due


class Keys:
    """Plays a score's sounds by hand, over a desk of its own.

    Notes begin at absolute frames; whatever else is done is done at an absolute step that is not sounded yet.
    """

    def __init__(self, score: Score, desk: Desk) -> None:
        self._score = score
        self.desk = desk
        self._rested = 0  # the step of what was sounded ahead up to which the desk has come
        self._parts: dict[str, Part] = {}
        self._began: dict[str, list[Event]] = {}
        self.count = 0
        """How many notes have been played."""
        self._held: dict[tuple[int, int], list[tuple[str, int]]] = {}
        self._tuned_hz: dict[int, float] = {}
        self._keys_hz: dict[int, float | None] = {}

    def play(
        self,
        note: int,
        velocity: float,
        sound: str,
        *,
        channel: int,
        frame: int,
        made: Callable[[str], Part],
        touch: Mapping[str, float] | None = None,
    ) -> None:
        """Begins a note at a frame; see `Engine.note_on`. `made` makes a sound's part, if it has none yet."""
        if sound not in self._score.sounds:
            raise ValueError(f"no sound '{sound}' in {self._score.name} to play a note on")
        if not (0 <= note <= 127 and 0.0 < velocity <= 1.0):
            raise ValueError(f"note {note} at velocity {velocity}: notes are 0 to 127, velocities up to 1")
        pitch_hz = self._key_hz(note)
        if pitch_hz is None:
            return
        self.count += 1
        detail: dict[str, Any] = {"note": note, "velocity": velocity, "channel": channel}
        detail["number"] = detail["held"] = self.count
        if touch:
            detail["hand"] = Hand(**touch)
        self._part(sound, made).put(
            Event(
                frame,
                "note",
                pitch_hz=pitch_hz,
                level_db=2.0 * db_from_level(velocity),
                rule="player",
                detail=detail,
            )
        )
        self._held.setdefault((channel, note), []).append((sound, self.count))

    def _part(self, sound: str, made: Callable[[str], Part]) -> Part:
        if sound not in self._parts:
            parts = {**self._parts, sound: made(sound)}
            self._parts = {name: parts[name] for name in self._score.sounds if name in parts}
        return self._parts[sound]

    def held(
        self, note: int | None, sound: str | None = None, channel: int | None = None, *, still: bool = False
    ) -> Collection[int]:
        """The numbers of notes that are held, to be let go of: they are held no more, or `still`."""
        found = set()
        exact = channel is not None and note is not None
        for key in [(channel, note)] if exact else list(self._held):
            if key in self._held and channel in (None, key[0]) and note in (None, key[1]):
                others = [(on, number) for on, number in self._held[key] if sound not in (None, on)]
                found |= {number for on, number in self._held[key] if sound in (None, on)}
                if still:
                    continue
                self._held[key] = others
                if not others:
                    del self._held[key]
        return found

    def release(self, step: int, played: Collection[int], velocity: float = 0.5) -> None:
        """Lets go of notes by the numbers that `held` gave; `velocity` is how fast, 0 to 1."""
        for part in self._parts.values():
            part.release(step, played, velocity)

    def pedal(self, played: Collection[int]) -> None:
        """A finger leaves notes, by the numbers that `held` gave, and a pedal holds them."""
        for part in self._parts.values():
            part.pedal(played)

    def cut(self, step: int, channel: int | None, count: int) -> None:
        """Ends within 5 ms what still sounds of the first `count` notes, of all or of a channel."""
        for part in self._parts.values():
            part.cut(step, channel, count)

    def express(
        self, step: int, note: int | None, sound: str | None, channel: int, values: Mapping[str, float]
    ) -> None:
        """Bends, presses or colours a held note, or with `note` None all of a channel.

        `values` are `bend_cents`, `pressure` and `timbre`, as far as they change; those that begin with
        `whole_` are for all that the channel sounds.
        """
        for name, part in self._parts.items():
            if sound in (None, name):
                part.express(step, note, channel, values)

    def tune(self, note: int, pitch_hz: float) -> None:
        """Tunes a key, for notes to come."""
        self._tuned_hz[note] = pitch_hz

    def follow(self, step: int, note: int, pitch_hz: float) -> None:
        """Brings the held notes of a key to where it was tuned, where the score lets them follow."""
        if self._score.held_notes != "follow":
            return
        for part in self._parts.values():
            part.retune(step, note, pitch_hz)

    def _key_hz(self, note: int) -> float | None:
        """What a key sounds now; None where it is mute."""
        if note not in self._keys_hz:
            self._keys_hz[note] = self._score.tuning.note_hz(note)
        return self._tuned_hz.get(note) or self._keys_hz[note]

    def peak(self, sound: str) -> float:
        """The peak of what was played on a sound in the last block, 0 where it was silent."""
        return self._parts[sound].peak if sound in self._parts else 0.0

    def answered(self, frame: int) -> dict[str, Sequence[Event]]:
        """The notes that began before a frame and were not told yet, by the sounds they were played on."""
        told: dict[str, Sequence[Event]] = {}
        for name, began in self._began.items():
            told[name] = [event for event in began if event.frame < frame]
            self._began[name] = began[len(told[name]) :]
        return told

    def over(
        self,
        due: Due,
        first: int,
        last: int,
        heard: Collection[str],
        listen: Callable[[F32], None] | None = None,
    ) -> Block | None:
        """What is played from step `first` to step `last` of a span, off its desk; None where it is silence.

        `heard` are the sounds that sound at all, `listen` is as for the desk.
        """
        if first == 0:
            self._rested = 0
        events: list[Event] = []
        sounded = {}
        for name, part in self._parts.items():
            part.clock = due.clock
            began = part.begin_until(due.span.start + last * GRID_FRAMES)
            if began:
                self._began.setdefault(name, []).extend(began)
                events += began
            if name in heard:
                part.render(due.span, {}, first, last)
                if part.sounding:
                    sounded[name] = part.dry, part.wet
        if self.desk.is_idle and not sounded:
            if last == due.span.steps:
                self._rest(due, last)
            return None
        self._rest(due, first)
        self._rested = last
        return self.desk.mixed(*due.for_the_desk(first, last), sounded, events, listen)

    def _rest(self, due: Due, until: int) -> None:
        """Brings a desk that has had nothing to do to a step of the span."""
        if self._rested < until:
            self.desk.rest(*due.for_the_desk(self._rested, until))
