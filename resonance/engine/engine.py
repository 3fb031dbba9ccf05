"""The engine: feeds the clock to the parts, sums what they sound, and gives it space and a ceiling."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from resonance import nothing_collected, rng
from resonance.contract import MAX_STEPS, Event, FieldsCut, Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES, make_ready
from resonance.effects.master import Ceiling
from resonance.engine import memory
from resonance.engine.clock import PULSE, Clock
from resonance.engine.course import Held, Landing, Leaving, Passage
from resonance.engine.desk import PLACE, SUMS, Block, Desk, in_order, place
from resonance.engine.ensemble import together
from resonance.engine.keys import Keys
from resonance.engine.parts import Part, Scratch
from resonance.engine.past import Past
from resonance.engine.turn import Turn
from resonance.score import Score
from resonance.score.recordings import recordings
from resonance.score.timeline import Placed, Timeline
from resonance.score.words import nearest
from resonance.units import parameters

LAP_S = 10.0
"""How long what lasts takes from the end of a loop into its beginning, where the loop is long enough."""
LAUNCH_BLEND_S = 3.0
"""How long a launched scene takes over, at least; longer where it has a longer crossfade."""
HOLD_BLEND_S = 8.0
LEAD_STEPS = 6
"""How long before it begins, 8 ms at 48 kHz, a span can be sounded: what is done to it is done by then."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due over a span: what begins in it, and what the desk does with it, whoever sounds it.

    `effects` has what each effect follows. `clock` stands where the span begins, as it was then.
    """

    span: Span
    begun: Mapping[str, Sequence[Event]]
    effects: Mapping[str, Mapping[str, F64]]
    clock: Clock

    @property
    def events(self) -> Sequence[Event]:
        """All that begins, in order."""
        return in_order([event for events in self.begun.values() for event in events])

    def for_the_desk(self, first: int, last: int) -> tuple[Span, Mapping[str, Mapping[str, F64]]]:
        """The span and what the effects follow, from its step `first` to its step `last`."""
        borders = slice(first, last + 1)
        effects = {name: FieldsCut(fields, borders) for name, fields in self.effects.items()}
        return self.span.cut(first, last), effects


class Engine:
    """Renders a score, any number of frames at a time; the samples are the same however it is asked.

    `rate` is in Hz (default: the score's), `seed` decides all chance (default: the score's), `duration_s`
    stretches the scenes. `only` and `without` name the sounds that are heard, in the same performance.
    `hits` are scenes that begin at a time of their own. One that `loops` has a `turn`: the frames that follow
    each other in a circle, with what leads up to them before, and what rings on after them, to be laid over
    their beginning. `locks` gives sounds seeds of their own. `stems` asks for every sound's own signal in
    the blocks. `blocks` are made by up to `workers` processes side by side, which use the engine up.
    `pause_s` is a rest before each sound is built, for who builds beside one that sounds. Raises ValueError
    for a name that the score does not have.
    """

    @nothing_collected()
    def __init__(
        self,
        score: Score,
        rate: float | None = None,
        seed: int | None = None,
        *,
        duration_s: float | None = None,
        hits: Mapping[str, float] | None = None,
        loops: bool = False,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
        locks: Mapping[str, int] | None = None,
        stems: bool = False,
        workers: int = 1,
        pause_s: float = 0.0,
    ) -> None:
        make_ready()
        self.score = score
        self.rate = float(score.rate if rate is None else rate)
        self.seed = score.seed if seed is None else seed
        self.timeline = Timeline(score, duration_s, hits=hits, loops=loops)
        self.frames = round(self.timeline.duration_s * self.rate)
        self.turn = self._around() if loops else None
        self.messages: list[str] = []
        self._clock = Clock(self.timeline, self.rate, self.seed)
        self._curves = {
            name: {key: f"{name}.{key}" for key, p in parameters(part.definition).items() if p.follows_curves}
            for name, part in score.effects.items()
        }
        for name, keys in self._curves.items():
            for key, known in keys.items():
                self._clock.track(known, self.timeline.effect(name, key))
        self._ceiling = Ceiling(self.rate)
        self._heard = self._chosen(set(only), set(without))
        self._locks = dict(locks or {})
        self._chosen(set(self._locks), set())
        reflecting = any(score.sounds[name].definition.voice.reflects for name in self._heard)
        self._past = Past(self._clock.course) if reflecting else None
        self._workers = workers
        self._scratch = Scratch()
        self._pause_s = pause_s
        self._parts = _in_order([self._part(name) for name in score.sounds])
        # Whoever reflects the past hears all, whoever is listening to what.
        self._sounding: Collection[str] = self._heard if self._past is None else score.sounds
        self.playing: Sequence[Part] = [part for part in self._parts if part.name in self._sounding]
        """The parts that are sounded."""
        order = [part.name for part in self._parts]
        end = math.inf if loops else self.frames
        self._desk, beside = (
            Desk(score, self._setting, order, self._heard, end, stems=stems) for _ in range(2)
        )
        self.keys = Keys(score, beside)
        self._ahead: deque[tuple[Due, Block]] = deque()
        self._taken = 0  # steps of the first of them
        self._fades_out = not loops
        self._surplus = np.zeros((2, 0), np.float32)
        self._skip = self.latency_frames

    def prepare(self) -> None:
        """Makes what the piece's sounds would make as they begin: whoever plays live cannot wait then."""
        for part in self._parts:
            part.prepare()

    def take_memory(self) -> None:
        """Takes from the system at once what it would take while it plays, so that nights are all alike."""
        if self._past is not None:
            self._past.take_memory()
        memory.take(self)

    @property
    def latency_frames(self) -> int:
        """How far the mix lags behind the stems: the limiter's look-ahead."""
        return self._ceiling.latency_frames

    @property
    def heard(self) -> Sequence[str]:
        """The names of the sounds that are heard, in the score's order."""
        return [name for name in self.score.sounds if name in self._heard]

    @property
    def stem_names(self) -> Sequence[str]:
        """By what names a block has stems: those that add up, and at last what they add up to."""
        return [*self.heard, *SUMS]

    @property
    def frame(self) -> int:
        """The first frame that is not rendered yet."""
        return self.step * GRID_FRAMES

    @property
    def step(self) -> int:
        """The first step that is not rendered yet."""
        return self._clock.step - sum(due.span.steps for due, _ in self._ahead) + self._taken

    def _around(self) -> Turn:
        first = round(self.timeline.lead_s * self.rate)
        lap_s = min(LAP_S, self.timeline.duration_s / 4.0)
        return Turn(first, first + self.frames, round(lap_s * self.rate))

    def _setting(self, name: str) -> Setting:
        return Setting(name, self.rate, self.seed, self.score.tuning)

    def _part(self, name: str) -> Part:
        if self._pause_s:
            time.sleep(self._pause_s)
        played = self.score.sounds[name]
        for parameter, declared in played.definition.parameters.items():
            if declared.follows_curves:
                self._clock.track(f"{name}.{parameter}", self.timeline.field(name, parameter))
        self._clock.track(f"{name}.presence", self.timeline.presence(name))
        return Part(*self._ingredients(name))

    def _played_part(self, name: str) -> Part:
        """A second part of a sound, for hands."""
        return Part(*self._ingredients(name), by_hand=True)

    def _ingredients(self, name: str) -> tuple[Any, ...]:
        played = self.score.sounds[name]
        setting = replace(
            self._setting(name),
            seed=self._locks.get(name, self.seed),
            recordings=recordings(self.score, name, self.rate),
            past=self._past,
        )
        tell = self.messages.append
        return played.definition, played.patch(), setting, self._clock, self._scratch, tell, self.turn

    def _chosen(self, only: set[str], without: set[str]) -> set[str]:
        names = set(self.score.sounds)
        for name in sorted((only | without) - names):
            guess = nearest(name, names) or f": it has {', '.join(sorted(names))}"
            raise ValueError(f"no sound '{name}' in {self.score.name}{guess}")
        return (only or names) - without

    def advance(self, steps: int) -> Block:
        """Renders the next `steps` steps of 64 frames (at most MAX_STEPS)."""
        return self._limited(self.unlimited(steps))

    def unlimited(self, steps: int) -> Block:
        """As `advance`, but the mix is not late, and has not met the ceiling yet."""
        block, first, last, by_hand = self._take(steps)
        block = block.cut(first, last)
        return block if by_hand is None else block.with_(by_hand)

    def mix_of(self, steps: int) -> Block:
        """As `unlimited`, with only the mix and the events: over short spans the rest takes as long."""
        block, first, last, by_hand = self._take(steps)
        mix, events = block.mix[:, first * GRID_FRAMES : last * GRID_FRAMES], block.events_in(first, last)
        if by_hand is not None:
            mix, events = mix + by_hand.mix, in_order([*events, *by_hand.events])
        return Block(block.start + first * GRID_FRAMES, mix, events=events)

    def _take(self, steps: int) -> tuple[Block, int, int, Block | None]:
        """What the next steps are cut from, by its own first and last, and what is played by hand there."""
        if not self._ahead:
            for _ in self.sound_ahead(steps):
                pass
        due, block = self._ahead[0]
        first, last = self._taken, self._taken + steps
        if last > due.span.steps:
            raise ValueError(f"{self.left} steps are left of what was sounded ahead, not {steps}")
        listen = (
            partial(self._past.beside, block.start + first * GRID_FRAMES) if self._past is not None else None
        )
        by_hand = self.keys.over(due, first, last, self._sounding, listen)
        self._taken = last
        if last == due.span.steps:
            self._ahead.popleft()
            self._taken = 0
        return block, first, last, by_hand

    @property
    def left(self) -> int:
        """How many steps can be taken at once of what was sounded ahead."""
        return self._ahead[0][0].span.steps - self._taken if self._ahead else 0

    def sound_ahead(self, steps: int) -> Iterator[None]:
        """Sounds all that the piece does by itself over the next steps, to be taken in shorter spans.

        Part by part: what was sounded ahead before can be taken between two of them. What hands do to the
        piece meanwhile is heard after these steps; only the notes that they play are heard at once. It can be
        begun up to `LEAD_STEPS` before what was sounded ahead is taken.
        """
        due = self.due(steps)
        for part in self.playing:
            part.render(due.span, due.begun)
            yield
        sounded = {part.name: (part.dry, part.wet) for part in self.playing if part.sounding}
        self._ahead.append((due, self.mixed(due, sounded)))
        self.passed(due)

    def _limited(self, block: Block) -> Block:
        mix = np.empty_like(block.mix)
        self._ceiling.render(block.mix, mix)
        return replace(block, mix=mix)

    def due(self, steps: int, *, desk: bool = True) -> Due:
        """Decides what all do over the next steps; `passed` is to be told when they have been sounded.

        Without its `desk` it cannot be `mixed`.
        """
        if not 0 < steps <= MAX_STEPS:
            raise ValueError(f"a span has 1 to {MAX_STEPS} steps, not {steps}")
        span, clock = self._clock.span(steps), self._clock.as_it_is()
        begun: dict[str, Sequence[Event]] = {}
        heard = self.keys.answered(span.start - LEAD_STEPS * GRID_FRAMES)
        for part in self._parts:
            begun[part.name] = part.decide(span, heard)
            heard[part.name] = [*heard.get(part.name, ()), *begun[part.name]]
        if not desk:
            return Due(span, begun, {}, clock)
        # With all that they follow, for whoever comes later.
        effects = {
            name: {key: self._clock.values(known, steps) for key, known in curves.items()}
            for name, curves in self._curves.items()
        }
        for name in self._desk.places:
            t60_s = self._clock.values(f"{name}.{PLACE}", steps)
            effects[place(name)] = {**effects["space"], "t60_s": t60_s}
        return Due(span, begun, self._desk.curves(effects, self.rate), clock)

    def passed(self, due: Due) -> None:
        """The clock goes on past a span."""
        self._clock.step += due.span.steps

    def mixed(self, due: Due, sounded: Mapping[str, tuple[F32, F32]]) -> Block:
        """What sounded over a span, dry and wet by its name, off the desk."""
        listen = partial(self._past.listen, due.span.start) if self._past is not None else None
        return self._desk.mixed(due.span, due.effects, sounded, due.events, listen)

    def listens(self, sound: str) -> bool:
        """Whether any other sound answers what is played on this one."""
        return any(sound in part.hears for part in self._parts)

    @property
    def scene(self) -> Placed:
        """The scene that plays."""
        return self.timeline.scene_at(self._placed_s)

    @property
    def _placed_s(self) -> float:
        return self._clock.placed_at_s(self.step)

    @property
    def position(self) -> float:
        """How far the scene has come, 0 to 1."""
        scene = self.scene
        return min(max((self._placed_s - scene.start_s) / (scene.end_s - scene.start_s), 0.0), 1.0)

    @property
    def stays(self) -> bool:
        """Whether it stays in its scene."""
        return self._clock.course.held is not None

    @property
    def entered(self) -> int:
        """The step at which it came to its present course."""
        return self._clock.course.first

    @property
    def end(self) -> float:
        """The frame at which the piece is over on its present course; infinity while it is held."""
        return self._clock.course.end

    def placed(self, name: str) -> Placed:
        """A scene by its name; raises ValueError where there is none."""
        found = next((scene for scene in self.timeline.scenes if scene.name == name), None)
        if found is None:
            names = [scene.name for scene in self.timeline.scenes]
            guess = nearest(name, names) or f": it has {', '.join(names[:20])}"
            raise ValueError(f"no scene '{name[:40]}' in {self.score.name}{guess}")
        return found

    def launch(self, name: str, *, hold: bool = False) -> None:
        """On to a scene, from its beginning, or to stay in it: what sounds rings on, what both have stays."""
        scene = self.placed(name)
        settled_s = self.timeline.settled_s(scene)
        if hold:
            seed = rng.key(self.seed, "held", self._clock.step)
            self._enter(
                Held(self.timeline, self.rate, settled_s=settled_s, scene=scene, seed=seed), HOLD_BLEND_S
            )
        else:
            passage = Passage(self.timeline, self.rate, from_s=scene.start_s, settled_s=settled_s)
            self._enter(passage, max(settled_s - scene.start_s, LAUNCH_BLEND_S))

    def begin(self, name: str, position: float) -> None:
        """Begins in a scene, so far into it, 0 to 1, before anything is rendered."""
        scene = self.placed(name)
        here_s = scene.start_s + position * (scene.end_s - scene.start_s)
        self._enter(Passage(self.timeline, self.rate, from_s=here_s, settled_s=here_s), HOLD_BLEND_S)

    def hold(self, on: bool) -> None:
        """Stays in the scene that plays, or goes on from where it is."""
        if on and not self.stays:
            self.launch(self.timeline.scene_at(self._clock.placed_s).name, hold=True)
        elif not on and self.stays:
            here_s = self._clock.placed_s
            self._enter(Passage(self.timeline, self.rate, from_s=here_s, settled_s=here_s), HOLD_BLEND_S)

    def leave(self, blend_s: float) -> None:
        """Nobody is wanted any more; what sounds rings on."""
        self._enter(Leaving(self.timeline, self.rate, from_s=self._clock.placed_s), blend_s)

    def land(self, landing: Landing) -> None:
        """Comes to rest, in steps of its own clock."""
        self._clock.land(landing)

    def _enter(self, passage: Passage, blend_s: float) -> None:
        if self._clock.step == 0:
            self._clock.begin(passage)
        else:
            self._clock.enter(passage, blend_s)
        for part in self._parts:
            part.follow()
        if self._past is not None:
            self._past.follow(self._clock.course)
        if self._fades_out:
            self._ends_at(self.end)

    def _ends_at(self, frame: float) -> None:
        for desk in (self._desk, self.keys.desk):
            desk.master.end = frame

    def goes_on(self) -> None:
        """Its end is not the end: it is not faded out there."""
        self._fades_out = False
        self._ends_at(math.inf)

    def next_beat(self) -> tuple[int, bool]:
        """The step in which the heart beats next, and whether a breath begins there."""
        return self._clock.next_beat()

    def blocks(self, steps: int = MAX_STEPS) -> Generator[Block]:
        """The whole piece, block by block, until its mix is complete."""
        for block in self.unlimited_blocks(self.frames + self.latency_frames, steps):
            yield self._limited(block)

    def unlimited_blocks(self, end: int, steps: int = MAX_STEPS) -> Generator[Block]:
        """What `unlimited` gives, block by block, until frame `end` is there."""
        if self._workers > 1:
            yield from together(self, self._workers, steps, end)
        while self.frame < end:
            yield self.unlimited(steps)

    def render(self, frames: int) -> F32:
        """The next `frames` frames as they are heard, float32 of shape (frames, 2)."""
        out = np.empty((frames, 2), np.float32)
        done = 0
        while done < frames:
            if self._surplus.shape[1] == 0:
                wanted = -(-(frames - done + self._skip) // GRID_FRAMES)
                mix = self.advance(min(MAX_STEPS, wanted)).mix
                self._skip, skipped = max(0, self._skip - mix.shape[1]), min(self._skip, mix.shape[1])
                self._surplus = mix[:, skipped:]
                continue
            taken = min(frames - done, self._surplus.shape[1])
            out[done : done + taken] = self._surplus[:, :taken].T
            self._surplus = self._surplus[:, taken:]
            done += taken
        return out

    def set(self, name: str, value: float) -> None:
        """Rides a control from now on: `tension`, `bpm`, or a sound's or effect's field as `drone.glow`.

        Raises KeyError for a name there is not, ValueError for a value outside the control's range.
        """
        self.check(name, value)
        self._clock.ride(name, float(value))

    def check(self, name: str, value: float | None = None) -> None:
        """Raises KeyError for a control there is not, ValueError for a value outside its range."""
        if name == PULSE and value is None:
            return
        low, high = self._range(name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} is {value:g}; it must be between {low:g} and {high:g}")

    def value(self, name: str) -> float:
        """What a control is right now, whoever holds it."""
        return self._clock.value(name)

    def levels(self) -> dict[str, float]:
        """The peak of each heard sound in the last block, 0 where it was silent."""
        return {
            part.name: max(part.peak, self.keys.peak(part.name))
            for part in self._parts
            if part.name in self._heard
        }

    def holds(self, name: str, value: float) -> None:
        """As `set`, as if the control had been held there all along."""
        self.check(name, value)
        self._clock.holds(name, float(value))

    @property
    def rides(self) -> dict[str, float]:
        """The controls that a hand holds, and where."""
        return self._clock.rides

    def let_go(self, name: str) -> None:
        """Gives a control back to the score."""
        self._clock.let_go(name)

    def _range(self, name: str) -> tuple[float, float]:
        if name in ("valence", "energy", "tension"):
            return 0.0, 1.0
        if name == "bpm":
            return 20.0, 240.0
        owner, _, parameter = name.partition(".")
        if name not in self._clock.names or parameter == "presence":
            raise KeyError(
                f"no control '{name}': a control is tension, energy, valence, bpm or sound.parameter"
            )
        of_sound = self.score.sounds.get(owner)
        patch = of_sound.definition.patch if of_sound else self.score.effects[owner].definition
        found = parameters(patch)[parameter]
        return found.low, found.high

    def note_on(
        self,
        note: int,
        velocity: float = 0.8,
        sound: str = "crystals",
        *,
        channel: int = 0,
        frame: int | None = None,
        touch: Mapping[str, float] | None = None,
    ) -> None:
        """Plays a note (MIDI number; velocity 0 to 1) on a sound of the score, in its tuning.

        At `frame` exactly, which must not be rendered yet; by default at once. `channel` tells apart notes of
        one number. `touch` is how the hand already bends, presses and colours it. Raises ValueError where
        the score does not have the sound.
        """
        at = self.frame if frame is None else frame
        made = self._played_part
        self.keys.play(note, velocity, sound, channel=channel, frame=at, made=made, touch=touch)

    def note_off(
        self, note: int, sound: str | None = None, *, channel: int = 0, velocity: float = 0.5
    ) -> None:
        """Lets go of a note that was played, on this sound or on any; `velocity` is how fast, 0 to 1."""
        self.keys.release(self.step, self.keys.held(note, sound, channel), velocity)

    def lead(self, frame: int, interval_s: float) -> None:
        """Leads the heart: a beat at `frame`, not rendered yet, and one each `interval_s` from there on."""
        self._clock.lead(frame, interval_s)


def _in_order(parts: list[Part]) -> list[Part]:
    """The parts, each after those that it hears; otherwise as the score has them."""
    ordered: list[Part] = []
    names = {part.name for part in parts}
    while len(ordered) < len(parts):
        known = {part.name for part in ordered}
        ready = [part for part in parts if part not in ordered and set(part.hears) & names <= known]
        if not ready:
            raise ValueError("sounds hear each other in a circle: " + ", ".join(sorted(names - known)))
        ordered.append(ready[0])
    return ordered
