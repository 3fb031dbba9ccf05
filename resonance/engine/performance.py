"""A performance: what is rendered, played or performed, with hands on it.

It drives an engine, and lets commands in at their frames. Whatever is done at a frame has the same effect
however the frames are asked for: a control moves at the next step of the grid, a note sounds a fixed
`delay_frames` later, to the sample. Without commands it is the engine's own render, to the bit.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from resonance.contract import MAX_STEPS, Event
from resonance.dsp import F32, GRID_FRAMES
from resonance.effects.master import Ceiling
from resonance.engine.commands import (
    AllOff,
    Command,
    CommandError,
    Express,
    LetGo,
    NoteOff,
    NoteOn,
    Pulse,
    Set,
    Tune,
)
from resonance.engine.engine import Engine
from resonance.score import Score

INSTRUMENTS = ("crystals", "lullaby", "tree", "moonlight")
"""What plays a note that names no sound: the first of these that the score has."""
SHOWN_EVENTS = 20


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
    command to its sound, without the device's share.
    """

    time_s: float
    night: int
    scene: str
    scenes: tuple[str, ...]
    position: float
    valence: float
    energy: float
    tension: float
    bpm: float
    levels_db: Mapping[str, float]
    events: tuple[Shown, ...]
    latency_s: float


class Performance:
    """Plays a score, any number of frames at a time, and does what it is told.

    `rate` is in Hz (default: the score's), `seed` decides all chance (default: the score's), `duration_s`
    stretches the scenes. `only` and `without` name the sounds that are heard. `frame` is the first that is
    not rendered yet; after the end, when it has `ended`, all is silence.
    """

    def __init__(
        self,
        score: Score,
        rate: float | None = None,
        seed: int | None = None,
        *,
        duration_s: float | None = None,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
    ) -> None:
        self.score = score
        self.rate = float(score.rate if rate is None else rate)
        self.seed = score.seed if seed is None else seed
        self.frame = 0
        self._engine = Engine(
            score, self.rate, self.seed, duration_s=duration_s, only=tuple(only), without=tuple(without)
        )
        self._ceiling = Ceiling(self.rate)
        self._skip = self.latency_frames
        self._surplus: F32 = np.zeros((2, 0), np.float32)
        self._step = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._asked: list[tuple[int, int, Command]] = []
        self._count = 0
        self._channels: dict[int, dict[str, float]] = {}
        self._instrument = next((name for name in INSTRUMENTS if name in score.sounds), None)
        self._recent: deque[Shown] = deque(maxlen=SHOWN_EVENTS)

    @property
    def latency_frames(self) -> int:
        """How far what is heard lags behind the desk: the ceiling's look-ahead."""
        return self._ceiling.latency_frames

    @property
    def delay_frames(self) -> int:
        """From the frame at which a note is played to its first sample: the same for every note."""
        return self.latency_frames + GRID_FRAMES - 1

    @property
    def messages(self) -> list[str]:
        """What went wrong without ending the piece."""
        return self._engine.messages

    @property
    def ended(self) -> bool:
        """Whether the piece is over; from then on all is silence."""
        return self.frame >= self._engine.frames

    def do(self, command: Command, frame: int | None = None) -> None:
        """Does what is asked, at `frame` (default: now), which must not be rendered yet.

        Raises ValueError or KeyError for what the score does not have, before anything is changed.
        """
        at = self.frame if frame is None else frame
        if at < self.frame:
            raise CommandError(f"frame {at} is over; the next is {self.frame}")
        self._check(command)
        if at == self.frame:
            self._begin(command)
        else:
            heapq.heappush(self._asked, (at, self._next(), command))

    def render(self, frames: int) -> F32:
        """The next `frames` frames as they are heard, float32 of shape (frames, 2)."""
        out = np.zeros((frames, 2), np.float32)
        done = 0
        while done < frames:
            while self._asked and self._asked[0][0] <= self.frame:
                self._begin(heapq.heappop(self._asked)[2])
            if self.ended:
                self.frame += frames - done
                break
            wanted = frames - done
            if self._asked:
                wanted = min(wanted, self._asked[0][0] - self.frame)
            if self._surplus.shape[1] == 0:
                self._advance(-(-(wanted + self._skip) // GRID_FRAMES))
                continue
            taken = min(wanted, self._surplus.shape[1])
            out[done : done + taken] = self._surplus[:, :taken].T
            self._surplus = self._surplus[:, taken:]
            self.frame += taken
            done += taken
        return out

    def _advance(self, steps: int) -> None:
        """Plays up to `steps` steps, no further than the next thing that is due."""
        while self._due and self._due[0][0] <= self._step:
            heapq.heappop(self._due)[2]()
        steps = min(steps, MAX_STEPS, self._due[0][0] - self._step if self._due else MAX_STEPS)
        block = self._engine.unlimited(steps)
        mix = np.empty_like(block.mix)
        self._ceiling.render(block.mix, mix)
        self._step += steps
        self._recent.extend(self._shown(event) for event in block.events[-SHOWN_EVENTS:])
        skipped = min(self._skip, mix.shape[1])
        self._skip -= skipped
        self._surplus = mix[:, skipped:]

    def _shown(self, event: Event) -> Shown:
        return Shown(event.frame / self.rate, event.sound, event.kind, event.rule, event.pitch_hz)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _check(self, command: Command) -> None:
        """Raises for what cannot be done here."""
        match command:
            case Set(name, value):
                self._engine.check(name, value)
            case LetGo(name):
                self._engine.check(name)
            case NoteOn(_, _, sound, _):
                instrument = sound or self._instrument
                if instrument is None:
                    raise CommandError(f"{self.score.name} has no instrument for a note: name a sound")
                if instrument not in self.score.sounds:
                    raise CommandError(f"no sound '{instrument}' in {self.score.name} to play a note on")
            case NoteOff() | AllOff() | Express() | Pulse() | Tune():
                pass
            case _:
                raise CommandError(f"{type(command).__name__} cannot be done yet")

    def _begin(self, command: Command) -> None:
        """Does a command whose frame has come."""
        heard = self.frame + self.delay_frames
        match command:
            case Set(name, value):
                self._engine.set(name, value)
            case LetGo(name):
                self._engine.let_go(name)
            case NoteOn(note, velocity, sound, channel) if velocity > 0.0:
                instrument = sound or self._instrument or ""
                touch = self._channels.get(channel)
                self._engine.note_on(note, velocity, instrument, channel=channel, frame=heard, touch=touch)
            case NoteOn(note, velocity, sound, channel) | NoteOff(note, velocity, sound, channel):
                # Which note is meant is known now; it is let go of a step after one that was played at the
                # same frame, so that it has begun.
                held = self._engine.held(note, sound, channel)
                up = velocity if isinstance(command, NoteOff) else 0.5
                self._later(heard, partial(self._engine.release, held, up))
            case AllOff(channel, cut):
                self._later(heard, partial(self._engine.release, self._engine.held(None, None, channel)))
                if cut:
                    self._later(heard, partial(self._engine.cut, channel))
            case Express(note, channel, sound, bend_cents, pressure, timbre):
                asked = {"bend_cents": bend_cents, "pressure": pressure, "timbre": timbre}
                moved = {name: value for name, value in asked.items() if value is not None}
                if note is None:
                    self._channels.setdefault(channel, {}).update(moved)
                self._later(heard, partial(self._engine.express, note, sound, channel=channel, **moved))
            case Pulse(in_s, interval_s):
                self._engine.lead(heard + round(in_s * self.rate), interval_s)
            case Tune(note, pitch_hz):
                self._engine.tune(note, pitch_hz)
                self._later(heard, partial(self._engine.follow, note))

    def _later(self, frame: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (frame // GRID_FRAMES + 1, self._next(), act))

    def view(self) -> View:
        """What plays right now, and why."""
        engine = self._engine
        time_s = self._step * GRID_FRAMES / self.rate
        placed = engine.timeline.scene_at(time_s)
        values = {name: engine.value(name) for name in ("valence", "energy", "tension", "bpm")}
        return View(
            time_s=time_s,
            night=1,
            scene=placed.name,
            scenes=tuple(scene.name for scene in engine.timeline.scenes),
            position=min(1.0, (time_s - placed.start_s) / (placed.end_s - placed.start_s)),
            levels_db={name: 20.0 * math.log10(max(level, 1e-6)) for name, level in engine.levels().items()},
            events=tuple(self._recent),
            latency_s=self.delay_frames / self.rate,
            **values,
        )
