"""Parts: each sound of the score with its rule, its pool of voices and its strip of the desk.

A pool is fixed: voices are built once. When all are busy the oldest note gives way, faded within five
milliseconds while the new one already sounds on a spare. A voice that turns NaN, runs away or raises an error
is muted alone, and said; so is a rule that raises one. A part that the score does not want, and that no
longer rings, costs next to nothing.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import io
import itertools
import math
import pickle
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resonance import rng
from resonance.contract import MAX_STEPS, Event, Rule, Setting, Span, Sustain, Voice
from resonance.dsp import F32, F64, GRID_FRAMES, aligned
from resonance.dsp.curves import levels
from resonance.dsp.mixing import LIMIT, absorb, mix
from resonance.engine.clock import Clock, Fields, constant
from resonance.engine.hand import Hand, whole
from resonance.engine.turn import Turn, lasts
from resonance.sounds import Sound
from resonance.units import cents_from_ratio, level_from_db, parameters

SPARES = 4
LEAVE_STEPS = 4  # 5.3 ms at 48 kHz: too short to be heard as a fade, long enough not to click
LET_GO_S = 1.0  # how long a sound that lasts takes to leave a key, which has no end of its own
ENDING_STEPS = 16  # 21 ms: the end of a voice that had said when it would end
NEAR_M = 4.0
"""The distance at which a sound is as loud, clear and dry as its patch says."""
_CLEAR_AIR_HZ = 20_000.0
_FAULTS = (Exception, SystemExit)
"""What code of a sound's own may raise without ending the piece; Ctrl-C is none of them."""
_STRIP = ("gain_db", "send_db", "distance_m")
_HALF_AIR_M = 120.0  # by ear: at 120 m the top octave is gone, at a kilometre all above 2.1 kHz


class Scratch:
    """A stereo buffer for spans of any length; a view of it is always contiguous, as kernels ask.

    It lies in `memory`, `SAMPLES` floats, or in some of its own.
    """

    SAMPLES = 2 * MAX_STEPS * GRID_FRAMES

    def __init__(self, memory: F32 | None = None) -> None:
        self._flat = aligned(self.SAMPLES) if memory is None else memory
        self._view = self._flat[:0].reshape(2, 0)

    def view(self, frames: int) -> F32:
        """The buffer's first `frames` frames, shape (2, frames), with whatever is in them."""
        if self._view.shape[1] != frames:
            self._view = self._flat[: 2 * frames].reshape(2, frames)
        return self._view

    def silent(self, frames: int) -> F32:
        """The same, filled with zeros."""
        view = self.view(frames)
        view.fill(0.0)
        return view


@dataclass(eq=False)
class Slot:
    """A place in a pool: a voice and what the engine keeps beside it.

    It sounds up to the absolute step `end`. Each of the `fades`, an end and over how many steps it is come
    to, holds it down from step `falls` on, whichever is lowest: what hurries one does not undo another. Up to
    step `done` it has been rendered.
    """

    voice: Voice
    carry: F32 = field(default_factory=lambda: aligned(2, GRID_FRAMES))
    event: Event = field(default_factory=lambda: Event(0, ""))
    lag: int = 0
    level: float = 0.0
    send: float = 1.0
    end: float = math.inf
    done: int = 0
    fades: list[tuple[float, int]] = field(default_factory=list)
    falls: float = math.inf
    hand: Hand | None = None

    def leave(self, end: float, steps: int) -> None:
        """Is to be over by a step, at the latest, faded over so many."""
        if end < self.end:
            self.end = end
            self.fades.append((end, steps))
            self.falls = min(self.falls, end - steps)

    def level_over(self, begin: int, steps: int) -> F64 | None:
        """How far it has faded at the borders of some steps; None where it has not begun to."""
        if begin + steps <= self.falls:
            return None
        borders = np.arange(begin, begin + steps + 1)
        fallen = [(end - borders) / over for end, over in self.fades]
        return np.minimum(np.maximum(functools.reduce(np.minimum, fallen), 0.0), 1.0)


@functools.lru_cache(maxsize=1024)
def _resting_level(gain_db: float) -> F64:
    """The level of a gain that rests, for spans of any length; read only."""
    return levels(constant(gain_db))


class Way:
    """From a part to who hears it: how near it is, its send, and how the air dulls it, if it does."""

    def __init__(self, send_db: F64, distance_m: F64, rate_hz: float) -> None:
        distance = np.maximum(distance_m, 0.5) / NEAR_M
        self.nearness: F64 = 1.0 / distance
        # The reverberant field hardly falls with distance: the send falls with its root only.
        self.send: F64 = levels(send_db) * np.sqrt(distance)
        self.cutoff: F64 | None = None
        if distance.max() > 1.0:
            cutoff = _CLEAR_AIR_HZ / (1.0 + np.maximum(distance - 1.0, 0.0) * (NEAR_M / _HALF_AIR_M))
            self.cutoff = np.minimum(cutoff / rate_hz, 0.49)


class Strip(NamedTuple):
    """A part's strip of the desk over a span: its level, its send, and the cutoff of the air, if it dulls."""

    gain: F64
    send: F64
    cutoff: F64 | None

    def cut(self, first: int, last: int) -> Strip:
        """From a step of the span to another."""
        borders = slice(first, last + 1)
        return Strip(
            self.gain[borders], self.send[borders], None if self.cutoff is None else self.cutoff[borders]
        )


class Part:
    """One sound of the score, playing. After `render`, `dry` and `wet` hold the span, where `sounding`.

    `scratch` is where its voices sound, one after the other; all parts may share it. `clock` stands where the
    span begins that it is asked for.
    """

    def __init__(
        self,
        sound: Sound,
        patch: Any,
        setting: Setting,
        clock: Clock,
        scratch: Scratch,
        tell: Callable[[str], None],
        turn: Turn | None = None,
        *,
        by_hand: bool = False,
    ) -> None:
        self.name = sound.name
        rule = None if by_hand else sound.rule or Sustain
        self.hears: tuple[str, ...] = rule.hears if rule else ()
        self.reflects = sound.voice.reflects
        self.began: Sequence[Event] = ()
        self.sounding = False
        self.dry = self.wet = np.zeros((2, 0), np.float32)
        self._seed = setting.seed
        self._rate_hz = setting.rate_hz
        self.clock = clock
        self._scratch = scratch
        self._tell = tell
        self._turn = turn
        self._presence = f"{sound.name}.presence"
        self.follow()
        curves = [name for name, p in parameters(sound.patch).items() if p.follows_curves]
        self._fields = {name: f"{sound.name}.{name}" for name in curves}
        self._own: tuple[Span, Clock, Span] | None = None
        self._muted: set[str] = set()
        self._rule: Rule | None = None
        with self._mutes("its rule", 0):
            self._rule = rule(patch, setting) if rule else None
        self._voices = sound.voice.voices if sound.rule or by_hand else 1
        spares = SPARES if sound.rule or by_hand else 0
        self._new = functools.partial(sound.voice, patch, setting)
        self._unbuilt = self._voices + spares
        self._free: list[Slot] = []
        while not by_hand and self._unbuilt:
            self._build()
        self._busy: list[Slot] = []  # in the order of their starts, so that sums are the same in every pool
        self._pending: list[tuple[int, int, Event]] = []
        self._put = self._begun = self._notes = 0
        self._air = np.zeros(4)
        self._rested: tuple[tuple[float, float], Way] | None = None
        self._strips: tuple[Span, Strip] | None = None
        self.buffers = Scratch(), Scratch()  # where it sounds into: dry and wet
        # What every process has that has this part; it is not sent with its voices.
        self._common = [patch, setting, setting.past, *setting.recordings, *setting.scratches.values()]

    def _build(self) -> None:
        """Builds one of the pool's voices; what is played by hand only builds what it needs."""
        self._unbuilt -= 1
        with self._mutes("a voice", self.clock.step):
            self._free.append(Slot(self._new()))

    def prepare(self) -> None:
        """Has every voice make what it would make as it first sounds."""
        for slot in self._free:
            # What fails here fails again as it starts, and is muted there.
            with contextlib.suppress(*_FAULTS):
                slot.voice.prepare()

    def follow(self) -> None:
        """Learns where on the clock's course the score wants the sound."""
        self._wanted = self.clock.wanted(self._presence)

    def span(self, span: Span, heard: Mapping[str, Sequence[Event]]) -> Span:
        """The engine's span with this part's own fields, its presence, and what it listens to."""
        # Fields that nobody has asked for yet hang on where the clock stands.
        if self._own is not None and self._own[0] is span and self._own[1] is self.clock:
            return self._own[2]
        own = Span(
            span.start,
            span.steps,
            span.rate_hz,
            span.valence,
            span.energy,
            span.tension,
            span.bpm,
            self.clock.values(self._presence, span.steps),
            Fields(self.clock, self._fields, span.steps),
            span.beats,
            {name: heard.get(name, ()) for name in self.hears},
        )
        self._own = span, self.clock, own
        return own

    def put(self, event: Event) -> None:
        """Adds an event, of the rule's or a player's, to be begun at its frame."""
        heapq.heappush(self._pending, (event.frame, self._put, event))
        self._put += 1

    def decide(self, span: Span, heard: Mapping[str, Sequence[Event]]) -> Sequence[Event]:
        """Asks the rule where the score wants the sound; returns what begins in this span, in order."""
        first = span.start // GRID_FRAMES
        for begin, end in self._wanted:
            if begin < first + span.steps and end > first:
                asked = self.span(span, heard).cut(max(begin - first, 0), min(end - first, span.steps))
                for event in self._asked(asked):
                    self.put(event)
        return self.begin_until(span.start + span.frames)

    def begin_until(self, frame: int) -> Sequence[Event]:
        """What begins before a frame, in order: it is rendered next."""
        began = []
        while self._pending and self._pending[0][0] < frame:
            event = heapq.heappop(self._pending)[2]
            # Named as it begins: when it was decided hangs on the span's length.
            event.sound = self.name
            # A player's notes are counted apart, so that they do not change what the piece does by itself.
            by_hand = "note" in event.detail
            event.name = f"{self.name}:note:{self._notes}" if by_hand else f"{self.name}:{self._begun}"
            event.key = np.uint64(rng.key(self._seed, event.name))
            self._notes += by_hand
            self._begun += not by_hand
            began.append(event)
        self.began = began
        return began

    def _asked(self, span: Span) -> Sequence[Event]:
        """What the rule decides in a span, in order; one that fails is not asked again."""
        if self._rule is None:
            return ()
        events: list[Event] = []
        try:
            for event in self._rule.events(span):
                event.frame = int(event.frame)
                if not isinstance(event.detail, dict):
                    raise TypeError(f"an event's detail is {event.detail!r}, not a dict")
                events.append(event)
        except _FAULTS as fault:
            self._rule = None
            self._mute(f"its rule {_told(fault)}", span.start // GRID_FRAMES)
        return sorted(events, key=lambda event: event.frame)

    @contextlib.contextmanager
    def _mutes(self, who: str, step: int) -> Iterator[None]:
        """Whatever is raised within ends nothing but itself."""
        try:
            yield
        except _FAULTS as fault:
            self._mute(f"{who} {_told(fault)}", step)

    def _mute(self, what: str, step: int) -> None:
        """Says what went wrong at a step: each fault once, however often it comes again."""
        if what in self._muted:
            return
        self._muted.add(what)
        at_s = step * GRID_FRAMES / self._rate_hz
        self._tell(f"{self.name}: {what} at {at_s:.1f} s and was muted; the piece goes on")

    def release(self, step: int, played: Collection[int], velocity: float = 0.5) -> None:
        """Lets go of a player's notes, from a step on, by their numbers in the order of playing."""
        for _, _, event in self._pending:
            if event.detail.get("held") in played:
                event.detail["let_go"] = velocity
        for slot in self._busy:
            if slot.event.detail.get("held") in played:
                self._let_go(slot, step, velocity)

    def pedal(self, played: Collection[int]) -> None:
        """A finger leaves a player's notes, and a pedal holds them."""
        for event in itertools.chain((due[2] for due in self._pending), (slot.event for slot in self._busy)):
            if event.detail.get("held") in played:
                event.detail["pedalled"] = True

    def _let_go(self, slot: Slot, step: int, velocity: float) -> None:
        del slot.event.detail["held"]
        last: float = step + LEAVE_STEPS
        with self._mutes("a voice", step):
            last = step + self._steps(_said(slot.voice.release, velocity))
        slot.leave(last, int(min(max(last - step, 1), ENDING_STEPS)))
        if slot.end == math.inf:
            fade = int(self._steps(LET_GO_S))
            slot.leave(step + fade, fade)

    def express(self, step: int, note: int | None, channel: int, values: Mapping[str, float]) -> None:
        """Moves the hand on a player's held notes: on one, or on all of a channel.

        What is done to the whole channel moves all of it that sounds.
        """
        of_all = whole(values)
        for slot in self._busy:
            detail = slot.event.detail
            if "note" not in detail or detail["channel"] != channel:
                continue
            under_finger = "held" in detail and "pedalled" not in detail and note in (None, detail["note"])
            if moved := values if under_finger else of_all:
                slot.hand = slot.hand or Hand()
                slot.hand.move(step, **moved)

    def retune(self, step: int, note: int, pitch_hz: float) -> None:
        """Bends a player's held notes of one key to another pitch."""
        for slot in self._busy:
            detail = slot.event.detail
            if "held" in detail and detail["note"] == note and slot.event.pitch_hz:
                slot.hand = slot.hand or Hand()
                slot.hand.move(step, tuned_cents=cents_from_ratio(pitch_hz / slot.event.pitch_hz))

    def cut(self, step: int, channel: int | None, count: int) -> None:
        """Ends within 5 ms what still sounds of a player's first `count` notes."""
        for slot in self._busy:
            detail = slot.event.detail
            if "note" in detail and detail["number"] <= count and channel in (None, detail["channel"]):
                slot.leave(step + LEAVE_STEPS, LEAVE_STEPS)

    def hand_over(self) -> bytes | None:
        """All that sounds, for the same part elsewhere, silent here now; None where it cannot be sent."""
        packed = io.BytesIO()
        try:
            _Packer(packed, self._common).dump((self._busy, self._air))
        except (pickle.PicklingError, TypeError, AttributeError):
            return None
        self.fall_silent()
        return packed.getvalue()

    def take_over(self, packed: bytes) -> None:
        """Goes on where the same part in another process had come to."""
        self._busy, self._air = _Unpacker(io.BytesIO(packed), self._common).load()
        self.sounding = True
        del self._free[len(self._free) - len(self._busy) :]

    def fall_silent(self) -> None:
        """Stops at once whatever sounds."""
        self._free += self._busy
        self._busy = []
        self._air = np.zeros(4)
        self.sounding = False

    @property
    def peak(self) -> float:
        """The peak of the last span, 0 where it was silent."""
        return float(np.abs(self.dry).max(initial=0.0)) if self.sounding else 0.0

    def render(
        self, span: Span, heard: Mapping[str, Sequence[Event]], first: int = 0, last: int | None = None
    ) -> None:
        """Sounds the engine's span, or from its step `first` to its step `last`, into `dry` and `wet`."""
        begins = [event for event in self.began if event.sounds]
        # What the air still owes is paid, so that nothing hangs on where a span happened to end.
        self.sounding = bool(begins or self._busy or (self.sounding and self._air.any()))
        if not self.sounding:
            return
        own = self.span(span, heard)
        if self._strips is None or self._strips[0] is not span:
            self._strips = span, self._strip(own)
        strip = self._strips[1]
        if last is not None and last - first < span.steps:
            own, strip = own.cut(first, last), strip.cut(first, last)
        self.dry, self.wet = (buffer.silent(own.frames) for buffer in self.buffers)
        for event in begins:
            self._begin(event, own, strip)
        self._sound(own, strip, own.steps)
        if strip.cutoff is not None:
            absorb(self._air, strip.cutoff, self.dry, self.wet, min(_CLEAR_AIR_HZ / span.rate_hz, 0.49))
        else:
            self._air[:2], self._air[2:] = self.dry[:, -1], self.wet[:, -1]

    def _strip(self, span: Span) -> Strip:
        """The strip over a span; most of the time nothing moves on it but its gain, and the way is kept."""
        gain_db, send_db, distance_m = (self.clock.resting(self._fields[name], span.steps) for name in _STRIP)
        if send_db is None or distance_m is None:
            way = Way(span["send_db"], span["distance_m"], span.rate_hz)
        else:
            if self._rested is None or self._rested[0] != (send_db, distance_m):
                way = Way(constant(send_db), constant(distance_m), span.rate_hz)
                self._rested = (send_db, distance_m), way
            way = self._rested[1]
        borders = slice(0, span.steps + 1)
        level = levels(span["gain_db"]) if gain_db is None else _resting_level(gain_db)[borders]
        return Strip(level * way.nearness[borders], way.send, way.cutoff)

    def _begin(self, event: Event, span: Span, strip: Strip) -> None:
        """Starts a voice at its step of the span; who is free for it hangs on that step alone."""
        place = span.step_of(event.frame)
        step = span.start // GRID_FRAMES + place
        if event.kind == "end" and event.sustained:
            for slot in self._busy:
                if slot.event.sustained:
                    slot.leave(step, 1)
            return
        if self._turn is not None and not self._turn.has(event):
            return
        if not self._free and any(slot.end <= step for slot in self._busy):
            self._sound(span, strip, place)
        if not self._free and self._unbuilt:
            self._build()
        if not self._free:
            return
        staying = [slot for slot in self._busy if slot.end > step + LEAVE_STEPS]
        if len(staying) >= self._voices:
            # What lasts as long as its scene stays, unless there is nothing else to give way.
            oldest = min(staying, key=lambda slot: slot.event.sustained)
            oldest.leave(step + LEAVE_STEPS, LEAVE_STEPS)
        slot = self._free.pop()
        slot.event = event
        slot.lag = event.frame % GRID_FRAMES
        slot.hand = event.detail.get("hand")
        slot.end = math.inf
        try:
            near = NEAR_M / max(0.5, float(event.detail.get("distance_m", NEAR_M)))
            asked = 1.0 if event.sustained or "note" in event.detail else float(span.presence[place])
            slot.level = float(level_from_db(event.level_db) * near * asked)
            slot.send = near**-0.5
            lasts_s = _said(slot.voice.start, event, self._felt(slot, span.cut(place, span.steps)))
            slot.end = step + self._steps(lasts_s)
        except _FAULTS as fault:
            self._mute(f"a voice {_told(fault)}", step)
            self._free.append(slot)
            return
        slot.fades, slot.falls = [(slot.end, ENDING_STEPS)], slot.end - ENDING_STEPS
        slot.done = step
        slot.carry.fill(0.0)
        self._busy.append(slot)
        if "let_go" in event.detail:
            self._let_go(slot, step, event.detail["let_go"])

    @staticmethod
    def _felt(slot: Slot, span: Span) -> Span:
        """The span as a voice feels it: with the hand that is on its note, if there is one."""
        if slot.hand is None:
            return span
        return span.under(slot.hand.touch(span.start // GRID_FRAMES, span.steps))

    def _steps(self, seconds: float) -> float:
        return math.inf if seconds == math.inf else math.ceil(seconds * self._rate_hz / GRID_FRAMES)

    def _sound(self, span: Span, strip: Strip, until: int) -> None:
        """Adds all voices' sound up to a step of the span, and lets those go that have ended by then."""
        start = span.start // GRID_FRAMES
        for slot in self._busy.copy():
            first = max(slot.done - start, 0)
            last = int(min(until, slot.end - start))
            slot.done = start + last
            if last > first and (fault := self._add(slot, span.cut(first, last), strip, first)):
                self._mute(f"a voice {fault}", start)
                slot.end = start + last
            if slot.end <= start + until:
                self._busy.remove(slot)
                self._free.append(slot)

    def _add(self, slot: Slot, span: Span, strip: Strip, first: int) -> str:
        """Adds a voice from step `first` of the strip's span on; says what it did wrong, if anything."""
        out = self._scratch.silent(span.frames)
        try:
            slot.voice.render(span if slot.hand is None else self._felt(slot, span), out)
        except _FAULTS as fault:
            return _told(fault)
        gain, send = strip.gain, strip.send
        if len(gain) != span.steps + 1:
            borders = slice(first, first + span.steps + 1)
            gain, send = gain[borders], send[borders]
        if slot.event.sustained:
            gain = gain * span.presence
        if self._turn is not None and lasts(slot.event):
            gain = gain * self._turn.levels(span.start, span.steps)
        begin = span.start // GRID_FRAMES
        if (level := slot.level_over(begin, span.steps)) is not None:
            gain = gain * level
        own = slot.level, slot.send
        peak: float = mix(out, slot.carry, slot.lag, own, gain, send, first, self.dry, self.wet)
        return "" if peak <= LIMIT else "ran away"


class _NoTime(ValueError):
    """What a voice's method gave is no time; `code` is the method's."""

    def __init__(self, method: Callable[..., float], given: object) -> None:
        self.code = method.__code__
        super().__init__(f"`{self.code.co_name}` gave {given!r}, not in how many seconds it ends")


def _said(method: Callable[..., float], *asked: Any) -> float:
    """In how many seconds a voice says that it ends."""
    given = method(*asked)
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds >= 0.0:
        raise _NoTime(method, given)
    return seconds


def _told(fault: BaseException) -> str:
    """What was raised, and the line of code that raised it."""
    at = traceback.extract_tb(fault.__traceback__)[-1]
    file, line = at.filename, at.lineno
    if isinstance(fault, _NoTime):
        file, line = fault.code.co_filename, fault.code.co_firstlineno
    kind = ValueError if isinstance(fault, _NoTime) else type(fault)
    return f"failed ({kind.__name__}: {fault}; {Path(file).name}:{line})"


class _Packer(pickle.Pickler):
    """Packs voices without what they have in common with those of another process."""

    def __init__(self, file: io.BytesIO, common: Sequence[Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._places = {id(thing): place for place, thing in enumerate(common) if thing is not None}

    def persistent_id(self, thing: Any) -> int | None:
        return self._places.get(id(thing))


class _Unpacker(pickle.Unpickler):
    """Unpacks them in the midst of what is common there."""

    def __init__(self, file: io.BytesIO, common: Sequence[Any]) -> None:
        super().__init__(file)
        self._common = common

    def persistent_load(self, place: Any) -> Any:
        return self._common[place]
