"""What the engine promises a sound, and a sound the engine.

A sound is one file with three things in it, read top to bottom:

- a **patch**, what was asked for: a frozen dataclass of declared numbers (`Patch`);
- a **rule**, what decides when and what (`Rule`); a sound that simply lasts needs none;
- a **voice**, what sounds: it owns its kernels' state (`Voice`).

The engine gives both a `Span`: a stretch of the clock, in whole steps of 64 frames, with every control
value at the steps' borders. How long a span is depends on who listens (live: short; to a file: long), and
must not be heard: whatever a voice computes may depend on the absolute step, never on the span's length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from resonance import rng
from resonance.dsp import F32, F64, GRID_FRAMES, aligned
from resonance.tuning import Tuning
from resonance.units import db, metres

Number = TypeVar("Number", bound=np.generic)

MAX_STEPS = 640
"""No span is longer than this many steps (40,960 frames): voices size their scratch by it."""


@dataclass(frozen=True)
class Patch:
    """What every sound can be asked for. Subclasses add their own parameters.

    One that declares `place_t60_s` sounds in a reverberation of its own, in place of the shared one.
    `facts` are what `resonance show` prints beside them, such as the ratios of a model's modes.
    """

    facts: ClassVar[Mapping[str, str]] = {}

    gain_db: float = db(0.0, -120.0, 24.0, "level in the mix")
    send_db: float = db(-14.0, -120.0, 12.0, "level sent to the shared space")
    distance_m: float = metres(
        4.0, 0.5, 2000.0, "how far away it is: softer, duller and wetter with distance"
    )


@dataclass(slots=True)
class Event:
    """Something that begins: a note, a stroke, a cloud, a single shard.

    `frame` is absolute and exact. `level_db` is applied by the engine, voices read it for timbre only.
    `detail` carries what only this sound understands, and for any sound `distance_m`, its own place.
    `sounds` is False for what is logged but starts no voice of its own (the tones inside a phrase).
    A `sustained` event follows the score's presence while it lasts; others ring on after their scene.
    The engine fills in `sound`, a unique `name`, and `key`, chance of the event's own.
    """

    frame: int
    kind: str
    pitch_hz: float | None = None
    level_db: float = 0.0
    duration_s: float = 0.0
    rule: str = ""
    follows: Event | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    sounds: bool = True
    sustained: bool = False
    key: np.uint64 = field(default_factory=lambda: np.uint64(0))
    sound: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat of the heart.

    Its frame, its number from the start of the piece, the time to the next one, and where in the breath it
    lies: 0 to 0.5 going in, 0.5 to 1 going out.
    """

    frame: int
    number: int
    interval_s: float
    breath: float


def ready_frames(rate_hz: float) -> int:
    """How long ago the past must have been complete to be read: a second, and no less than a span lasts."""
    return max(round(rate_hz), MAX_STEPS * GRID_FRAMES)


class Past(Protocol):
    """What has been heard so far, for sounds that reflect it.

    `kept` has a few seconds of every scene so far by its name, and when they were complete: (frame, audio),
    float32 (2, frames), of its last visits, oldest first. Only what was complete `ready_frames` before is to
    be read, so that a span's length is not heard.
    """

    @property
    def kept(self) -> Mapping[str, Sequence[tuple[int, F32]]]: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a voice or a rule lives: the sample rate, its own chance, the tuning, and the user's recordings.

    `recordings` are the files named by a patch's fields of kind "file" and "files", each float32 (2, frames)
    at `rate_hz`.
    `past` is what the piece has sounded so far, for a voice that `reflects` it.
    """

    name: str
    rate_hz: float
    seed: int
    tuning: Tuning
    recordings: Sequence[F32] = ()
    past: Past | None = None
    scratches: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def scratch(
        self, name: str, shape: int | tuple[int, ...], dtype: type[Number]
    ) -> np.ndarray[Any, np.dtype[Number]]:
        """Memory to work in, by its name: all voices of a sound have it, and leave in it what they like.

        So it holds nothing from one `render` to the next. Raises ValueError for another shape or type than
        it has; types are of 4 or 8 bytes.
        """
        shape = shape if isinstance(shape, tuple) else (shape,)
        if name not in self.scratches:
            flat = aligned(math.prod(shape) * np.dtype(dtype).itemsize // 4)
            self.scratches[name] = flat.view(dtype).reshape(shape)
        known = self.scratches[name]
        if known.dtype != dtype or known.shape != shape:
            raise ValueError(f"scratch '{name}' is {known.dtype} of shape {known.shape}, not {shape}")
        return known

    def anew(self, name: str, event: Event) -> np.random.Generator:
        """A stream of chance for a sound that lasts: another each time that the score lets it in again."""
        return self.stream(name if event.name.endswith(":0") else f"{name} of {event.name}")

    def stream(self, *names: str | int) -> np.random.Generator:
        """Chance of this sound's own, by name."""
        return rng.stream(self.seed, self.name, *names)

    def key(self, *names: str | int) -> np.uint64:
        """A 64-bit key of this sound's own, for kernels that hash."""
        return np.uint64(rng.key(self.seed, self.name, *names))


@dataclass(frozen=True, slots=True)
class Touch:
    """What a hand does to a note that it holds, at the steps' borders: float64 of shape (steps + 1,) each.

    At rest `bend_cents` and `pressure` (0 to 1) are 0, and `timbre` (0 dark, 1 bright) is 0.5.
    """

    bend_cents: F64
    pressure: F64
    timbre: F64

    @property
    def curves(self) -> tuple[F64, F64, F64]:
        """Bend, pressure and timbre."""
        return self.bend_cents, self.pressure, self.timbre

    def cut(self, borders: slice) -> Touch:
        return Touch(self.bend_cents[borders], self.pressure[borders], self.timbre[borders])


@dataclass(slots=True, eq=False)
class Span:
    """A stretch of the clock: `steps` grid steps from absolute frame `start` on.

    `valence`, `energy`, `tension`, `bpm`, `presence` and every field are float64 of shape (steps + 1,).
    `presence` is how much of the sound the score wants here, 0 to 1, crossfades included. `beats` are the
    heart's beats in this span. `heard` holds the events of other sounds that begin in it, and
    notes of a player's that began shortly before it. `touch` is there
    for the voice of a note whose player bends, presses or colours it. It is there to be read: others do too.
    """

    start: int
    steps: int
    rate_hz: float
    valence: F64
    energy: F64
    tension: F64
    bpm: F64
    presence: F64
    fields: Mapping[str, F64]
    beats: Sequence[Beat] = ()
    heard: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    touch: Touch | None = None

    @property
    def frames(self) -> int:
        return self.steps * GRID_FRAMES

    @property
    def step_s(self) -> float:
        """How long one step lasts."""
        return GRID_FRAMES / self.rate_hz

    def __getitem__(self, name: str) -> F64:
        """An own parameter's values at the steps' borders, shape (steps + 1,)."""
        return self.fields[name]

    def at(self, name: str, frame: int) -> float:
        """An own parameter's value at the step in which `frame` lies."""
        return float(self.fields[name][self.step_of(frame)])

    def step_of(self, frame: int) -> int:
        return min(max((frame - self.start) // GRID_FRAMES, 0), self.steps)

    def under(self, touch: Touch) -> Span:
        """The same span, as a voice feels it whose note is in a hand."""
        return self._but(self.fields, self.beats, self.heard, touch)

    def with_fields(self, fields: Mapping[str, F64]) -> Span:
        """The same arc with other fields, where nothing begins."""
        return self._but(fields, (), {}, None)

    def _but(
        self,
        fields: Mapping[str, F64],
        beats: Sequence[Beat],
        heard: Mapping[str, Sequence[Event]],
        touch: Touch | None,
    ) -> Span:
        # `dataclasses.replace` takes three times as long.
        return Span(
            self.start,
            self.steps,
            self.rate_hz,
            self.valence,
            self.energy,
            self.tension,
            self.bpm,
            self.presence,
            fields,
            beats,
            heard,
            touch,
        )

    def cut(self, first: int, last: int) -> Span:
        """The part of the span from its step `first` to its step `last`.

        A note of a player's that began before the span is heard at its beginning.
        """
        if first == 0 and last == self.steps:
            return self
        borders = slice(first, last + 1)
        begin, end = self.start + first * GRID_FRAMES, self.start + last * GRID_FRAMES
        heard_from = begin if first else 0
        return Span(
            begin,
            last - first,
            self.rate_hz,
            self.valence[borders],
            self.energy[borders],
            self.tension[borders],
            self.bpm[borders],
            self.presence[borders],
            FieldsCut(self.fields, borders),
            [beat for beat in self.beats if begin <= beat.frame < end],
            {
                name: [event for event in events if heard_from <= event.frame < end]
                for name, events in self.heard.items()
            },
            self.touch and self.touch.cut(borders),
        )


class FieldsCut(dict[str, F64]):
    """Fields between two steps; each is cut when it is first asked for."""

    def __init__(self, whole: Mapping[str, F64], borders: slice) -> None:
        self._whole = whole
        self._borders = borders

    def __missing__(self, name: str) -> F64:
        self[name] = cut = self._whole[name][self._borders]
        return cut


class Voice:
    """One thing that sounds. It is built once and started many times; it owns all its state.

    `voices` is how many may sound at once: the pool's size. One that `reflects` is given the piece's past.
    """

    voices: ClassVar[int] = 8
    reflects: ClassVar[bool] = False

    def __init__(self, patch: Any, setting: Setting) -> None:
        """Allocates everything it will ever need, with `setting.scratch` what it only works in."""

    def prepare(self) -> None:
        """Makes now what `start` would make when it is first called: whoever plays live cannot wait then."""

    def start(self, event: Event, span: Span) -> float:
        """Begins anew, and says for how many seconds it will sound; infinity is until it is released.

        `span` starts with the grid step in which the event lies. What is rendered must not depend on how
        often the voice was started before.
        """
        raise NotImplementedError

    def release(self, velocity: float = 0.5) -> float:
        """Is told to end, by a note off; says for how many more seconds it will sound.

        `velocity` is how fast the key goes up, 0 to 1. Infinity is as long as it said before.
        """
        return math.inf

    def render(self, span: Span, out: F32) -> None:
        """Adds its sound to `out` (2, span.frames), which comes as zeros.

        The engine shifts the result to the event's exact frame, applies level, distance and send, and fades
        the last 20 ms of what the voice said it would sound.
        """
        raise NotImplementedError


class Rule:
    """Decides when a sound begins, and as what.

    `hears` names the sounds whose events it answers, found in `span.heard`. Events may lie beyond the
    span: the engine keeps them until they are due. Onset rates are multiplied by `span.presence`, so
    that nothing begins where the score does not want the sound. `label` names the rule in event logs.
    """

    hears: ClassVar[tuple[str, ...]] = ()

    def __init__(self, patch: Any, setting: Setting) -> None:
        """Draws only from its setting's streams, a fixed number of draws an event."""

    def events(self, span: Span) -> Iterable[Event]:
        """The events that are decided in this span, in any order."""
        raise NotImplementedError


class Visits:
    """Tells when the score wants a sound anew, however time is cut into spans."""

    def __init__(self) -> None:
        self._end = -1

    def begin(self, span: Span) -> bool:
        """Whether the sound was away until this span; to be asked of each."""
        before, self._end = self._end, span.start + span.frames
        return span.start != before


class Sustain(Rule):
    """The rule of a sound that simply lasts: it begins when the score wants it, and ends when it does not."""

    def __init__(self, patch: Any, setting: Setting) -> None:
        self._on = False

    def events(self, span: Span) -> Iterable[Event]:
        # Nothing changes, most of the time.
        if span.presence.all() if self._on else not span.presence.any():
            return ()
        wanted = (span.presence[:-1] > 0.0) | (span.presence[1:] > 0.0)
        changes = np.flatnonzero(wanted != np.concatenate(([self._on], wanted[:-1])))
        self._on = bool(wanted[-1])
        return [
            Event(
                span.start + int(step) * GRID_FRAMES,
                "begin" if wanted[step] else "end",
                rule="sustain",
                sustained=True,
            )
            for step in changes
        ]
