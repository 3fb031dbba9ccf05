"""A performance: what is rendered, played or performed, with hands on it, for a piece, a night or for ever.

It is a chain of engines. One plays the piece; an endless performance follows it with another night, and a
scene that is held is handed over now and then to an engine that holds it anew, so that nothing that sounds
hangs on what was long ago. Whatever is done at a frame has the same effect however the frames are asked
for: a note sounds a fixed `delay_frames` later, to the sample; what is done to notes is done where the next
`HAND_STEPS` begin; and all else where the next `AHEAD_STEPS` begin, if it comes `LEAD_STEPS` before them. So
the piece itself is sounded that far ahead at a time, when there is time, at a fraction of the cost of short
spans, and a hand that moves all the time does not cut what is rendered into single steps. Without commands,
and for a single piece, it is the engine's own render, to the bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from resonance.contract import MAX_STEPS, Event
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.mixing import ramped
from resonance.effects.master import Ceiling
from resonance.engine import memory
from resonance.engine.commands import (
    TOUCHED,
    WHOLE,
    AllOff,
    Command,
    CommandError,
    Express,
    Hold,
    Launch,
    LetGo,
    NoteOff,
    NoteOn,
    Pulse,
    Rest,
    Set,
    Tune,
)
from resonance.engine.course import Landing
from resonance.engine.engine import LEAD_STEPS, Engine
from resonance.engine.history import KEPT_S, History, Opening
from resonance.engine.nights import next_seed, varied
from resonance.score import Score

if TYPE_CHECKING:
    from resonance.engine.takes import Take

MOST_NOTES_HZ = 200.0
MOST_AT_ONCE = 40
"""As many notes can begin at once, and then as many a second: more than two hands and two feet play."""

INSTRUMENTS = ("crystals", "lullaby", "tree", "moonlight")
"""What plays a note that names no sound: the first of these that the score has."""
SHOWN_EVENTS = 20
HAND_STEPS = 4
"""The grid, 5.3 ms at 48 kHz, on which is done what hands do to the notes that they hold."""
AHEAD_STEPS = 16
"""The grid, 21 ms at 48 kHz, on which is done what hands do to the piece: controls, scenes, rest."""

LEAVES_S = 12.0
"""How long the sounds of a night's end take to leave; what rings on is heard for `TAIL_S` in all."""
TAIL_S = 30.0
FORGETS_S = 30.0
"""After how long the ceiling's slow release has forgotten what was before, to the last bit."""
_DAWN_S = 8.0
HELD_S = 1200.0
"""After how long a held scene is handed over; the two engines cross for `TAIL_S`."""
_SETTLED_S = 60.0
LANDING_S = 300.0
"""How long coming to rest takes, where there is as much time."""
_SOONEST_S = 0.3
_RESTLESS_S = 0.1
"""A scene that is launched plays at least this long before another: floods of them are not followed."""
_AHEAD_S = 10.0
_WAKES_S = 20.0
"""So long before its turn the next engine's memory, which nobody has touched since it was built, is."""
_BREATH_S = 0.03
"""Between two sounds of a night to come: what is heard now goes first."""


OF_THE_PIECE = (Set, LetGo, Launch, Hold, Rest, Pulse)
"""What is done to the piece itself, and so where it is next sounded ahead."""

_Moves = dict[tuple[int | None, int, str | None, str], float]
"""What hands do to notes up to a step: by note, channel, sound and what is moved."""
_Due = list[tuple[int, int, Callable[[], None]]]
"""A heap of what is due: at which step, in which order, and what."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as a view tells it: when, in seconds from the beginning, what, and by which rule."""

    time_s: float
    sound: str
    kind: str
    rule: str
    pitch_hz: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What plays right now, and why. `position` is how far the scene has come, 0 to 1.

    `levels_db` are the peaks of the sounds that are heard, in the last block rendered; `latency_s` is from a
    command to its sound, without the device's share. `rest_s` is when it will be at rest, if it will.
    """

    time_s: float
    night: int
    scene: str
    scenes: tuple[str, ...]
    position: float
    held: bool
    launching: str | None
    rest_s: float | None
    valence: float
    energy: float
    tension: float
    bpm: float
    next_beat_s: float
    levels_db: Mapping[str, float]
    events: tuple[Shown, ...]
    latency_s: float


@dataclass(eq=False)
class Leg:
    """An engine of the chain on the desk: where it begins, how it comes in, and when and how it goes."""

    engine: Engine
    opening: Opening
    rises: int
    falls: tuple[int, int] | None = None

    @property
    def first_frame(self) -> int:
        """The desk's frame at which its clock is 0."""
        return self.opening.step * GRID_FRAMES

    def level(self, borders: F64) -> F64 | None:
        """Its fader at these borders of the desk's steps; None is up, all the way."""
        level = None
        if self.rises and borders[0] < self.opening.step + self.rises:
            level = np.sin(0.5 * np.pi * np.clip((borders - self.opening.step) / self.rises, 0.0, 1.0))
        if self.falls is not None:
            begin, end = self.falls
            fall = np.cos(0.5 * np.pi * np.clip((borders - begin) / (end - begin), 0.0, 1.0))
            fall[borders >= end] = 0.0
            level = fall if level is None else level * fall
        return level


class Performance:
    """Plays a score, any number of frames at a time, and does what it is told.

    `rate` is in Hz (default: the score's), `seed` decides all chance (default: the score's), `duration_s`
    stretches the scenes. `endless` follows the piece with other nights, `scene` is where it starts, `hold`
    stays there. `only` and `without` name the sounds that are heard, `stems` are for a `stem_listener`.
    `frame` is the first that is not rendered yet; after the end, when it has `ended`, all is silence.
    `messages` say what went wrong without ending the piece. All of it belongs to one thread.

    Raises ValueError for what the score does not have.
    """

    def __init__(
        self,
        score: Score,
        rate: float | None = None,
        seed: int | None = None,
        *,
        endless: bool = False,
        hold: bool = False,
        scene: str | None = None,
        duration_s: float | None = None,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
        opening: Opening | None = None,
        stems: bool = False,
    ) -> None:
        self.score = score
        self.rate = float(score.rate if rate is None else rate)
        self.seed = score.seed if seed is None else seed
        self.endless = endless
        self.duration_s = duration_s
        self.only, self.without = tuple(only), tuple(without)
        self._stems = stems
        self.messages: list[str] = []
        self._ceiling = Ceiling(self.rate)
        self._surplus: F32 = np.zeros((2, 0), np.float32)
        self._due: _Due = []
        """What is to be done to the piece, each at a step up to which it is sounded ahead."""
        self._touches: _Due = []
        """What is to be done to notes that are held."""
        self._asked: list[tuple[int, int, Command]] = []
        self._borders: list[int] = []
        """A heap of the steps up to which the piece can be sounded ahead, for what was asked."""
        self._begun: deque[tuple[int, Command]] = deque()
        """What is written down as soon as its frame is heard."""
        self._last_begun = 0
        self._crowd = self._crowded = 0
        self._moves: dict[int, _Moves] = {}
        self._count = 0
        self._channels: dict[int, dict[str, float]] = {}
        self._tuned_hz: dict[int, float] = {}
        self._launch: Launch | None = None
        self._rest_frame: int | None = None
        self._landing: Landing | None = None
        self._instrument = next((name for name in INSTRUMENTS if name in score.sounds), None)
        self._recent: deque[Shown] = deque(maxlen=SHOWN_EVENTS)
        self.listener: Callable[[Sequence[Event], float], None] | None = None
        """Is given the events of every block, and the second at which their engine's own time began."""
        self.stem_listener: Callable[[int, Mapping[str, F32]], None] | None = None
        """Is given the stems of every block, (2, frames) by their names, and its first frame."""
        self._coming: Future[Engine] | None = None
        self._sleeps = False  # whether what is coming was not touched since it was built
        self._builder: ThreadPoolExecutor | None = None
        self._legs: list[Leg] = []
        opening = opening or Opening(0, 0, 1, self.seed, scene, hold)
        self._step = self._ahead = opening.step
        self._sounding: Iterator[None] | None = None
        """What is left to do of what is sounded ahead."""
        self._piece_open = 0
        # The ceiling's look-ahead comes out first: before the beginning nobody asks for it.
        self._skip = self.latency_frames if opening.step == 0 else 0
        self.frame = opening.step * GRID_FRAMES - (self.latency_frames - self._skip)
        self.history = History(self.rate, self._steps(TAIL_S + FORGETS_S) * GRID_FRAMES, self.frame)
        self._open(opening, self._built(opening.number, opening.seed))

    @property
    def stem_names(self) -> Sequence[str]:
        """The names of the stems that a `stem_listener` is given."""
        return self._legs[-1].engine.stem_names

    @property
    def latency_frames(self) -> int:
        """How far what is heard lags behind the desk: the ceiling's look-ahead."""
        return self._ceiling.latency_frames

    @property
    def delay_frames(self) -> int:
        """From the frame at which a note is played to its first sample: the same for every note."""
        return self.latency_frames + self.rounding_frames

    def first_open(self, command: Command) -> int:
        """The first frame at which this can still be done; notes a little before `frame`, as it is late."""
        first = max(self._last_begun, self.frame + self._surplus.shape[1] - self.rounding_frames)
        return max(first, self._piece_open) if isinstance(command, OF_THE_PIECE) else first

    @property
    def rounding_frames(self) -> int:
        """How far what is rendered can be past what was asked for; who asks for whole steps need not wait."""
        return GRID_FRAMES - 1

    @property
    def end(self) -> float:
        """The frame at which it is over, as things stand; infinity where it goes on for ever."""
        if self._rest_frame is not None:
            return self._rest_frame
        if self.endless:
            return math.inf
        leg = self._legs[-1]
        return leg.first_frame + leg.engine.end

    @property
    def ended(self) -> bool:
        """Whether it is over; from then on all is silence."""
        return self.frame >= self.end

    def do(self, command: Command, frame: int | None = None) -> None:
        """Does what is asked, at `frame` (default: as soon as it can be), `first_open` or later.

        What is asked of one frame is done in its order, and after the end nothing is. Raises ValueError or
        KeyError for what the score does not have, before anything is changed.
        """
        first = self.first_open(command)
        at = max(first, self.frame) if frame is None else frame
        if at < first:
            raise CommandError(f"frame {at} is over; the next is {first}")
        self._check(command)
        if self.ended:
            return
        heapq.heappush(self._asked, (at, self._next(), command))
        if (border := self._border(at, command)) is not None:
            heapq.heappush(self._borders, border)
        self._catch_up()

    def render(self, frames: int) -> F32:
        """The next `frames` frames as they are heard, float32 of shape (frames, 2)."""
        out = np.zeros((frames, 2), np.float32)
        done = 0
        while done < frames:
            self._catch_up()
            if self.ended:
                self.history.heard(self.frame, out[done:])
                self.frame += frames - done
                break
            wanted = int(min(frames - done, self.end - self.frame))
            if self._surplus.shape[1] == 0:
                self._advance(-(-(wanted + self._skip) // GRID_FRAMES))
                continue
            taken = min(wanted, self._surplus.shape[1], self.history.until_digest(self.frame))
            out[done : done + taken] = self._surplus[:, :taken].T
            self._surplus = self._surplus[:, taken:]
            self._told(self.frame + taken)
            self.history.heard(self.frame, out[done : done + taken])
            self.frame += taken
            done += taken
        return out

    def sound_ahead(self) -> bool:
        """Sounds the piece ahead where that is next, for who has time now: a note is then rendered sooner.

        One sound of it at a time, so that none waits for long; returns whether there is more to do. What is
        done to the piece from here on is done after that.
        """
        if self._sounding is not None:
            try:
                for _ in self._sounding:
                    return True
            except BaseException:  # as Ctrl-C: whoever goes on begins it anew
                self._sounding, self._ahead = None, self._step + self._legs[-1].engine.left
                raise
            self._sounding = None
            return False
        self._look_ahead()
        near = self._ahead - self._step <= LEAD_STEPS and self._surplus.shape[1] == 0
        if not near or self.frame <= 0 or self.ended or len(self._legs) > 1 or self.stem_listener:
            return False
        self._catch_up()
        if self._turns():
            return False
        self._settle_piece()
        self._close()
        if self._turns():
            return False
        self._sounding = self._sounded_ahead(AHEAD_STEPS)
        return True

    def _turns(self) -> bool:
        """Whether more than the piece changes at the border it has come to: that is done there, no sooner."""
        if self._landing is not None:
            return bool(self._due) and self._due[0][0] <= self._ahead
        return min(self._handover_step(), self._landing_step()) <= self._ahead

    def _close(self) -> None:
        """What is done before a lead's beginning counts for the piece, and nothing after it."""
        self._piece_open = max(1, (self._ahead - LEAD_STEPS) * GRID_FRAMES - self.latency_frames + 1)

    def _sounded_ahead(self, steps: int) -> Iterator[None]:
        """Sounds the piece as far ahead as can be, part by part; for all else it is done as it begins."""
        self._close()
        reach = min(self._grid(self._ahead + max(steps, AHEAD_STEPS)), self._next_due()) - self._ahead
        self._ahead += reach
        return itertools.chain.from_iterable(leg.engine.sound_ahead(reach) for leg in self._legs)

    def _advance(self, steps: int) -> None:
        """Plays up to `steps` steps, no further than the next thing that is due."""
        self._settle()
        if self._step == self._ahead:
            self._sounding = self._sounded_ahead(steps)
        while self._sounding is not None and self._legs[-1].engine.left == 0:
            self.sound_ahead()
        steps = self._begin_asked_within(min(steps, self._legs[-1].engine.left))
        borders = np.arange(self._step, self._step + steps + 1, dtype=np.float64)
        sum_of_legs = np.zeros((2, steps * GRID_FRAMES), np.float32)
        listened = self.stem_names if self.stem_listener else ()
        stems = {name: np.zeros_like(sum_of_legs) for name in listened}
        for leg in self._legs:
            block = leg.engine.unlimited(steps) if stems else leg.engine.mix_of(steps)
            begins_s = leg.first_frame / self.rate
            self._recent.extend(self._shown(event, begins_s) for event in block.events[-SHOWN_EVENTS:])
            if self.listener is not None:
                self.listener(block.events, begins_s)
            self.messages += leg.engine.messages
            leg.engine.messages.clear()
            level = leg.level(borders)
            if self._landing is not None:
                level = self._landing.level(borders) * (1.0 if level is None else level)
            _lay(block.mix, level, sum_of_legs)
            for name, stem in stems.items():
                _lay(block.stem(name), level, stem)
        if self.stem_listener is not None:
            self.stem_listener(self._step * GRID_FRAMES, stems)
        limited = np.empty_like(sum_of_legs)
        self._ceiling.render(sum_of_legs, limited)
        self._step += steps
        skipped = min(self._skip, limited.shape[1])
        self._skip -= skipped
        self._surplus = limited[:, skipped:]

    def _settle(self) -> None:
        """Does everything that is due at this step."""
        self._do_due()
        if self._step < self._ahead:
            return
        self._settle_piece()
        if self._landing is None and self._landing_step() <= self._step:
            self._land()
        if self._handover_step() <= self._step:
            # What is taken over counts all that was asked before.
            self._do_due(math.inf)
        if self._handover_step() <= self._step:
            self._hand_over()
        self._legs = [leg for leg in self._legs if leg.falls is None or leg.falls[1] > self._step]
        self._look_ahead()

    def _settle_piece(self) -> None:
        """Does to the piece what is due where it is next sounded ahead."""
        while self._due and self._due[0][0] <= self._ahead:
            heapq.heappop(self._due)[2]()
        if self._launch is not None and self._launch_step() == self._ahead:
            launch, self._launch = self._launch, None
            self._legs[-1].engine.launch(launch.scene, hold=self._legs[-1].engine.stays)

    def _next_due(self) -> int:
        """The step at which something is next to be done to the piece, after the border it has come to."""
        times = [self._handover_step(), self._landing_step() if self._landing is None else math.inf]
        times += [self._grid_from(leg.falls[1]) for leg in self._legs if leg.falls is not None]
        times += [self._due[0][0]] if self._due else []
        while self._borders and self._borders[0] <= self._ahead:
            heapq.heappop(self._borders)
        times += self._borders[:1]
        if self._launch is not None:
            beat = self._legs[-1].opening.step + self._legs[-1].engine.next_beat()[0]
            times += [self._grid_from(beat + 1), self._launch_step() or math.inf]
        after = [time for time in times if time > self._ahead]
        return int(min([*after, self._ahead + MAX_STEPS]))

    def _launch_step(self) -> int | None:
        """The step at which the scene that waits is launched, once that is known."""
        assert self._launch is not None
        leg = self._legs[-1]
        if self._launch.when == "now":
            entered = leg.engine.entered
            rested = leg.opening.step + entered + self._steps(_RESTLESS_S) if entered else self._ahead
            return self._grid_from(rested) if rested > self._ahead else self._ahead
        step, draws_breath = leg.engine.next_beat()
        if self._launch.when == "breath" and not draws_breath:
            return None
        return max(self._ahead, self._grid(leg.opening.step + step))

    def _steps(self, seconds: float) -> int:
        return round(seconds * self.rate / GRID_FRAMES)

    @property
    def _engines(self) -> list[Engine]:
        return [leg.engine for leg in self._legs]

    # The chain of engines

    def _built(self, number: int, seed: int, pause_s: float = 0.0) -> Engine:
        """The engine of this number in the chain: the first plays the score as it is written."""
        score = varied(self.score, seed) if number else self.score
        engine = Engine(
            score,
            self.rate,
            seed,
            duration_s=self.duration_s,
            only=self.only,
            without=self.without,
            stems=self._stems,
            pause_s=pause_s,
        )
        engine.prepare()
        if self.endless:
            engine.take_memory()
        return engine

    def _open(self, opening: Opening, engine: Engine) -> None:
        """Puts an engine on the desk, as it is when its clock begins."""
        self.history.open(opening)
        scene = opening.scene or (engine.timeline.scenes[0].name if opening.hold else None)
        if scene is not None and opening.position is not None and not opening.hold:
            engine.begin(scene, opening.position)
        elif scene is not None:
            engine.launch(scene, hold=opening.hold)
        rises = 0
        if opening.number and opening.position is None:
            fades_s = TAIL_S if opening.hold else _DAWN_S
            rises = self._steps(min(fades_s, 0.25 * engine.timeline.duration_s))
        self._legs.append(Leg(engine, opening, rises))
        for command in opening.carried:
            match command:
                case Set(name, value):
                    # A score that was saved again may have it no more, nor a scene.
                    with contextlib.suppress(KeyError, ValueError):
                        engine.holds(name, value)
                case Express(_, channel):
                    self._channels.setdefault(channel, {}).update(command.moves)
                case Tune(note, pitch_hz):
                    self._tuned_hz[note] = pitch_hz
                    engine.keys.tune(note, pitch_hz)
                case Launch(wanted):
                    if wanted in [each.name for each in engine.timeline.scenes]:
                        self._launch = command
                case Rest(at_s):
                    self._rest_frame = round(at_s * self.rate)
        if self._goes_on:
            engine.goes_on()

    @property
    def _goes_on(self) -> bool:
        """Whether the end of the piece is not the end: until it is told to rest, another night follows."""
        return self.endless or self._rest_frame is not None

    def _handover_step(self) -> float:
        """The step at which the next engine takes over, as things stand."""
        leg = self._legs[-1]
        if self._landing is not None:
            return math.inf
        if leg.engine.stays:
            settled = leg.engine.entered + self._steps(_SETTLED_S)
            return self._grid_from(leg.opening.step + max(self._steps(HELD_S), settled))
        return self._grid_from(leg.opening.step + leg.engine.end / GRID_FRAMES) if self._goes_on else math.inf

    def _hand_over(self) -> None:
        """The next engine takes over: in the scene that is held, or with another night."""
        leg = self._legs[-1]
        before = leg.opening
        held = leg.engine.stays
        opening = Opening(
            self._step,
            before.number + 1,
            before.night + (0 if held else 1),
            next_seed(before.seed),
            leg.engine.scene.name if held else None,
            held,
            carried=self._carried(),
        )
        engine = self._coming.result() if self._coming else self._built(opening.number, opening.seed)
        self._coming, self._sleeps = None, False
        tail = self._steps(min(TAIL_S, 0.5 * leg.engine.timeline.duration_s))
        if held:
            leg.falls = (self._step, self._step + tail)
        else:
            leg.engine.leave(min(LEAVES_S, 0.2 * leg.engine.timeline.duration_s))
            leg.falls = (self._step + tail // 2, self._step + tail)
        self._open(opening, engine)

    def keep(self, seconds: float = KEPT_S) -> Take:
        """The last half hour, or less, to be heard again; raises ValueError where it is known no more."""
        from resonance.engine.takes import kept

        return kept(self, seconds)

    def here(self) -> Opening:
        """Where another performance can go on: this place, and what hands hold, but nothing that sounds."""
        leg = self._legs[-1]
        return Opening(
            self._step,
            leg.opening.number,
            leg.opening.night,
            leg.opening.seed,
            leg.engine.scene.name,
            leg.engine.stays,
            self._carried(),
            leg.engine.position,
        )

    def _carried(self) -> tuple[Command, ...]:
        """What a next engine has to know: controls in hand, a launch that waits, when to rest."""
        carried: list[Command] = [Set(name, value) for name, value in self._legs[-1].engine.rides.items()]
        for channel, touch in self._channels.items():
            for at in ("", WHOLE):
                bend_cents, pressure, timbre = (touch.get(at + name) for name in TOUCHED)
                express = Express(None, channel, None, bend_cents, pressure, timbre, bool(at))
                carried += [express] if express.moves else []
        carried += [Tune(note, pitch_hz) for note, pitch_hz in self._tuned_hz.items()]
        if self._launch is not None:
            carried.append(self._launch)
        if self._rest_frame is not None:
            carried.append(Rest(self._rest_frame / self.rate))
        return tuple(carried)

    def _look_ahead(self) -> None:
        """Has the next engine built, in a thread of its own, once it is known that there will be one.

        And woken before its turn comes: it has slept for minutes, and who sounds cannot wait for its memory.
        """
        leg = self._legs[-1]
        ripe = self._step >= leg.opening.step + self._steps(_AHEAD_S) and len(self._legs) == 1
        if self._coming is None and ripe and self._handover_step() < math.inf:
            # One thread for all nights: what is freed of one is what the next is built of.
            self._builder = self._builder or ThreadPoolExecutor(1, thread_name_prefix="next night")
            seed = next_seed(leg.opening.seed)
            self._builder.submit(_tidied)
            self._coming = self._builder.submit(self._built, leg.opening.number + 1, seed, _BREATH_S)
            self._sleeps = True
        near = self._sleeps and self._handover_step() - self._step < self._steps(_WAKES_S)
        if near and self._builder is not None and self._coming is not None:
            self._sleeps = False
            self._builder.submit(_woken, self._coming)

    # Rest

    def _landing_step(self) -> float:
        """The step at which it begins to come to rest; infinity where it is not to."""
        if self._rest_frame is None:
            return math.inf
        return self._grid(self._rest_frame // GRID_FRAMES - self._steps(LANDING_S))

    def _land(self) -> None:
        assert self._rest_frame is not None
        begun = 0.0 if self._landing is None else float(self._landing.come(np.array([float(self._ahead)]))[0])
        self._landing = Landing(self._ahead, self._rest_frame // GRID_FRAMES, begun)
        self._legs[-1].engine.hold(True)
        for leg in self._legs:
            leg.engine.land(self._landing.shifted(leg.opening.step))

    # Commands

    def _check(self, command: Command) -> None:
        """Raises for what cannot be done here."""
        engine = self._legs[-1].engine
        match command:
            case Set(name, value):
                engine.check(name, value)
            case LetGo(name):
                engine.check(name)
            case Launch(scene, _):
                engine.placed(scene)
            case NoteOn(_, _, sound, _):
                instrument = sound or self._instrument
                if instrument is None:
                    raise CommandError(f"{self.score.name} has no instrument for a note: name a sound")
                if instrument not in self.score.sounds:
                    raise CommandError(f"no sound '{instrument}' in {self.score.name} to play a note on")

    def _catch_up(self) -> None:
        """Begins what was asked for up to now, in its order, and does what is due."""
        while self._asked and self._asked[0][0] <= self.frame and not self.ended:
            at, _, command = heapq.heappop(self._asked)
            self._begin(at, command)
        if self._surplus.shape[1] == 0:
            self._do_due()

    def _begin_asked_within(self, steps: int) -> int:
        """Begins what was asked for while the next steps are heard; says how many of them can be one span.

        A note is put where it begins, and what is done to notes is due later, at a span's border.
        """
        due = self._touches
        while self._asked and self._asked[0][0] < (self._step + steps) * GRID_FRAMES - self.latency_frames:
            at, _, command = heapq.heappop(self._asked)
            self._begin(at, command)
            if due:
                steps = min(steps, due[0][0] - self._step)
        return min(steps, due[0][0] - self._step) if due else steps

    def _border(self, at: int, command: Command) -> int | None:
        """The step at which the piece is to be sounded anew, for a command of frame `at`, if it is."""
        if isinstance(command, OF_THE_PIECE):
            return self._known_from(at)
        if not isinstance(command, NoteOn):
            return None
        if not self._legs[-1].engine.listens(command.sound or self._instrument or ""):
            return None
        # Who answers the note does so where the piece is sounded ahead once it has begun.
        return self._grid_from((at + self.delay_frames) // GRID_FRAMES + 1 + LEAD_STEPS)

    def _told(self, frame: int) -> None:
        """Writes down what was begun before a frame that is about to be heard."""
        while self._begun and self._begun[0][0] < frame:
            self.history.did(*self._begun.popleft())

    def _begin(self, at: int, command: Command) -> None:
        """Begins a command of frame `at`, at the latest when that frame comes."""
        self._last_begun = at
        if at > self.frame:
            self._begun.append((at, command))
        else:
            self._told(at + 1)
            self.history.did(at, command)
        heard = at + self.delay_frames
        # What is let go of, or moved, has begun by then: that is a step after what was played with it.
        after = at + GRID_FRAMES
        match command:
            case Set(name, value):
                self._later(at, lambda engine: engine.set(name, value))
            case LetGo(name):
                self._later(at, lambda engine: engine.let_go(name))
            case Launch() | Hold() | Rest():
                self._put(at, partial(self._go, command, at))
            case NoteOn(_, velocity) if velocity > 0.0 and not self._is_free(at):
                pass
            case NoteOn(note, velocity, sound, channel) if velocity > 0.0:
                instrument, leg = sound or self._instrument or "", self._legs[-1]
                touch = self._channels.get(channel)
                begins = heard - leg.first_frame
                leg.engine.note_on(note, velocity, instrument, channel=channel, frame=begins, touch=touch)
            case NoteOff(note, _, sound, channel, True):
                self._release(after, note, sound, channel, pedalled=True)
            case NoteOn(note, velocity, sound, channel) | NoteOff(note, velocity, sound, channel):
                up = velocity if isinstance(command, NoteOff) else 0.5
                self._release(after, note, sound, channel, up)
            case AllOff(channel, cut):
                self._release(after, None, None, channel)
                for engine in self._engines if cut else ():
                    self._touch(after, partial(_cut, channel, engine.keys.count), [engine])
            case Express(note, channel, sound):
                moved = command.moves
                if note is None:
                    self._channels.setdefault(channel, {}).update(moved)
                self._express(after, note, channel, sound, moved)
            case Pulse(in_s, interval_s):
                beat = heard + round(in_s * self.rate)
                self._put(at, partial(self._lead, beat, interval_s))
            case Tune(note, pitch_hz):
                self._tuned_hz[note] = pitch_hz
                for engine in self._engines:
                    engine.keys.tune(note, pitch_hz)
                self._touch(after, partial(_follow, note, pitch_hz))

    def _is_free(self, at: int) -> bool:
        """Whether another note can begin: of a flood of them no ear hears every one."""
        each = round(self.rate / MOST_NOTES_HZ)
        self._crowd = max(0, self._crowd - (at - self._crowded)) + each
        self._crowded = at
        if self._crowd > MOST_AT_ONCE * each:
            self._crowd -= each
            return False
        return True

    def _go(self, command: Command, at: int) -> None:
        """On to a scene, to stay, or to rest."""
        match command:
            case Launch():
                self._launch = command
            case Hold(on):
                self._legs[-1].engine.hold(on)
            case Rest(at_s):
                self._rest_frame = max(round(at_s * self.rate), at + round(_SOONEST_S * self.rate))
                self._legs[-1].engine.goes_on()
                if self._landing is not None:
                    self._land()

    def _lead(self, frame: int, interval_s: float) -> None:
        while frame < self._ahead * GRID_FRAMES:
            frame += round(interval_s * self.rate)
        for leg in self._legs:
            leg.engine.lead(frame - leg.first_frame, interval_s)

    def _release(
        self,
        frame: int,
        note: int | None,
        sound: str | None,
        channel: int | None,
        velocity: float = 0.5,
        *,
        pedalled: bool = False,
    ) -> None:
        """Lets go of notes a little later, or leaves them to a pedal; which ones are meant is known now."""
        for engine in self._engines:
            played = engine.keys.held(note, sound, channel, still=pedalled)
            if played:
                let_go = partial(_leave, played) if pedalled else partial(_let_go, played, velocity)
                self._touch(frame, let_go, [engine])
                # What is done to the channel later on is not done to them.
                self._moves.pop(self._step_of(frame, HAND_STEPS), None)

    def _express(
        self, frame: int, note: int | None, channel: int, sound: str | None, moved: Mapping[str, float]
    ) -> None:
        """Moves the hand on notes; of several moves up to the same step the last one counts."""
        step = self._step_of(frame, HAND_STEPS)
        moves = self._moves.get(step)
        if moves is None:
            moves = self._moves[step] = {}
            move: Callable[[], None] = partial(self._move, step, moves)
            heapq.heappush(self._touches, (step, self._next(), move))
        for name, value in moved.items():
            key = note, channel, sound, name
            moves.pop(key, None)
            moves[key] = value

    def _move(self, step: int, moves: _Moves) -> None:
        if self._moves.get(step) is moves:
            del self._moves[step]
        for (note, channel, sound), several in itertools.groupby(moves.items(), key=lambda move: move[0][:3]):
            values = {key[3]: value for key, value in several}
            for engine in self._engines:
                engine.keys.express(engine.step, note, sound, channel, values)

    def _later(self, frame: int, act: Callable[[Engine], None]) -> None:
        """Has something done to the piece of every engine, when a frame has come."""

        def acts() -> None:
            for engine in self._engines:
                act(engine)

        self._put(frame, acts)

    def _put(self, frame: int, act: Callable[[], None]) -> None:
        """Has something done to the piece where it is next sounded ahead, when a frame has come."""
        heapq.heappush(self._due, (self._known_from(frame), self._next(), act))

    def _touch(self, frame: int, act: Callable[[Engine], None], engines: Sequence[Engine] = ()) -> None:
        """Has something done to notes that are held, of every engine or of some, when a frame has come."""

        def acts() -> None:
            for engine in engines or self._engines:
                act(engine)

        heapq.heappush(self._touches, (self._step_of(frame, HAND_STEPS), self._next(), acts))

    def _known_from(self, frame: int) -> int:
        """The first step of the piece that knows what is done at a frame; at the beginning all of it does."""
        return self._step_of(frame + LEAD_STEPS * GRID_FRAMES, AHEAD_STEPS) if frame > 0 else 0

    def _step_of(self, frame: int, grid: int) -> int:
        """The first step of a grid that is not played yet when a frame has come; at the beginning none is."""
        return self._grid_from(-(-(frame + self.latency_frames) // GRID_FRAMES), grid) if frame > 0 else 0

    def _grid(self, step: int) -> int:
        """The last step up to this one at which something may be done to the piece."""
        return self._grid_from(step - AHEAD_STEPS + 1)

    def _grid_from(self, step: float, grid: int = AHEAD_STEPS) -> int:
        """The first step of a grid that is not before this one.

        Grids begin with the first frame that is heard: blocks that are asked for begin on them.
        """
        late = -(-self.latency_frames // GRID_FRAMES)
        return math.ceil((step - late) / grid) * grid + late

    def _do_due(self, until: float | None = None) -> None:
        """Does what is due by a step (default: this one), in its order."""
        until = self._step if until is None else until
        for due in (self._due, self._touches):
            while due and due[0][0] <= until:
                heapq.heappop(due)[2]()

    def _next(self) -> int:
        self._count += 1
        return self._count

    # What is shown

    def _shown(self, event: Event, begins_s: float) -> Shown:
        time_s = begins_s + event.frame / self.rate
        return Shown(time_s, event.sound, event.kind, event.rule, event.pitch_hz)

    def view(self) -> View:
        """What plays right now, and why."""
        leg = self._legs[-1]
        engine = leg.engine
        values = {name: engine.value(name) for name in ("valence", "energy", "tension", "bpm")}
        peaks = [each.engine.levels() for each in self._legs]
        return View(
            time_s=self._step * GRID_FRAMES / self.rate,
            night=leg.opening.night,
            scene=engine.scene.name,
            scenes=tuple(scene.name for scene in engine.timeline.scenes),
            position=engine.position,
            held=engine.stays,
            launching=self._launch.scene if self._launch else None,
            rest_s=None if self._rest_frame is None else self._rest_frame / self.rate,
            levels_db={
                name: 20.0 * math.log10(max(1e-6, *(peak[name] for peak in peaks))) for name in peaks[0]
            },
            events=tuple(self._recent),
            next_beat_s=(leg.opening.step + engine.next_beat()[0]) * GRID_FRAMES / self.rate,
            latency_s=self.delay_frames / self.rate,
            **values,
        )


def _lay(audio: F32, level: F64 | None, out: F32) -> None:
    """Adds a leg's audio, (2, frames), to `out` at its fader's level."""
    if level is None:
        out += audio
    else:
        ramped(audio, level, out)


def _tidied() -> None:
    """Gives back to the system what a night that is over has left, where it is not given back by itself.

    What glibc frees between what is still in use it keeps; night after night that would be more. Ten ms.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _woken(coming: Future[Engine]) -> None:
    memory.wake(coming.result())


def _let_go(played: Collection[int], velocity: float, engine: Engine) -> None:
    engine.keys.release(engine.step, played, velocity)


def _cut(channel: int | None, count: int, engine: Engine) -> None:
    engine.keys.cut(engine.step, channel, count)


def _follow(note: int, pitch_hz: float, engine: Engine) -> None:
    engine.keys.follow(engine.step, note, pitch_hz)


def _leave(played: Collection[int], engine: Engine) -> None:
    engine.keys.pedal(played)
