"""The desk: what sounded is given its space, its weather and its level.

All of it is linear: two desks side by side, each with a part of what sounds, give together what one would
give of their sum. So what is played by hand can go over a desk of its own, in short spans, beside a piece
that was sounded ahead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from resonance.contract import Event, Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES, aligned
from resonance.effects.collapse import Collapse
from resonance.effects.fog import Fog
from resonance.effects.master import Master
from resonance.effects.space import Space, SpacePatch
from resonance.engine.parts import Scratch
from resonance.score import Score
from resonance.score.recordings import effect_recordings

PLACE = "place_t60_s"
"""A sound that declares this parameter has a reverberation of its own."""
_FORGETS_S = 15.0
"""After so much silence in and out no effect remembers anything."""
SUMS = ("space", "premaster")
"""Stems that are no sound's: all reverberation, and what all stems add up to."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the piece as it comes off the desk, each float32 (2, frames).

    `mix` is what is heard, and lags behind the rest by the engine's `latency_frames`. `stems` holds each
    heard sound's dry signal, `space` all reverberation; they add up to `premaster`. All arrays are the
    engine's own and are overwritten by the next block.
    """

    start: int
    mix: F32
    premaster: F32 = field(default_factory=lambda: np.zeros((2, 0), np.float32))
    space: F32 = field(default_factory=lambda: np.zeros((2, 0), np.float32))
    stems: Mapping[str, F32] = field(default_factory=dict)
    events: Sequence[Event] = ()

    def cut(self, first: int, last: int) -> Block:
        """From its step `first` to its step `last`."""
        frames = slice(first * GRID_FRAMES, last * GRID_FRAMES)
        if frames == slice(0, self.mix.shape[1]):
            return self
        return Block(
            self.start + frames.start,
            self.mix[:, frames],
            self.premaster[:, frames],
            self.space[:, frames],
            {name: stem[:, frames] for name, stem in self.stems.items()},
            self.events_in(first, last),
        )

    def events_in(self, first: int, last: int) -> Sequence[Event]:
        """What begins from its step `first` to its step `last`; in the first step also what comes late."""
        begin: float = self.start + first * GRID_FRAMES if first else -math.inf
        end = self.start + last * GRID_FRAMES
        return [event for event in self.events if begin <= event.frame < end]

    def stem(self, name: str) -> F32:
        """A sound's dry signal, silence where it rests; or by these names the `space` and the `premaster`."""
        if name == "space":
            return self.space
        if name == "premaster":
            return self.premaster
        stem = self.stems.get(name)
        return np.zeros_like(self.premaster) if stem is None else stem

    def with_(self, other: Block) -> Block:
        """Both together, of the same frames."""
        stems = dict(self.stems)
        for name, stem in other.stems.items():
            stems[name] = stems[name] + stem if name in stems else stem
        return Block(
            self.start,
            self.mix + other.mix,
            self.premaster + other.premaster,
            self.space + other.space,
            stems,
            in_order([*self.events, *other.events]),
        )


def place(name: str) -> str:
    """What a sound's place of its own goes by."""
    return f"{name} place"


def in_order(events: Sequence[Event]) -> list[Event]:
    """Events as they begin; of those of one frame, by their names."""
    return sorted(events, key=lambda event: (event.frame, event.name))


class Desk:
    """The effects of a score, running; `order` is that of the parts, in which they are summed.

    `heard` are those in the mix. What each effect follows comes by its name. With `stems` the weather is laid
    on every sound's own signal as well.
    """

    def __init__(
        self,
        score: Score,
        setting: Callable[[str], Setting],
        order: Sequence[str],
        heard: set[str],
        end: float,
        *,
        stems: bool = False,
    ) -> None:
        self._order = order
        self._heard = heard
        room = setting("space")
        response = effect_recordings(score, "space", room.rate_hz)
        self._space = Space(score.effects["space"].patch(), replace(room, recordings=response))
        self._places = {
            name: Space(SpacePatch(), setting(place(name)))
            for name in order
            if PLACE in score.sounds[name].definition.parameters
        }
        # What lies over everything is linear: laid on the dry sum and on the space it is what it would be on
        # each stem, and is laid on the stems only where they are asked for.
        under = ("dry", "space", *(sorted(heard) if stems else ()))
        self._weather = {name: _over(score, setting) for name in under}
        self.master = Master(score.effects["master"].patch(), setting("master"), end)
        self._forgets_frames = _FORGETS_S * room.rate_hz
        self._silent_frames = math.inf
        self._sums = Scratch(), Scratch()

    def curves(
        self, effects: Mapping[str, Mapping[str, F64]], rate_hz: float
    ) -> dict[str, Mapping[str, F64]]:
        """What each effect follows, worked out from its controls, all by the effects' names."""
        spaces = ("space", *map(place, self.places))
        worked_out = {name: Space.curves(effects[name], rate_hz) for name in spaces}
        return {**effects, **worked_out, "master": Master.curves(effects["master"])}

    @property
    def places(self) -> Sequence[str]:
        """The sounds that are heard in a place of their own."""
        return [name for name in self._places if name in self._heard]

    @property
    def is_idle(self) -> bool:
        """Whether it has been silent for so long that it has forgotten all it heard."""
        return self._silent_frames > self._forgets_frames

    def rest(self, span: Span, effects: Mapping[str, Mapping[str, F64]]) -> None:
        """Lets a span go by in which it is idle."""
        for space in (self._space, *self._places.values()):
            space.rest(span.steps)
        for name, effect in itertools.chain(*self._weather.values()):
            effect.rest(span.with_fields(effects[name]))

    def mixed(
        self,
        span: Span,
        effects: Mapping[str, Mapping[str, F64]],
        sounded: Mapping[str, tuple[F32, F32]],
        events: Sequence[Event] = (),
        listen: Callable[[F32], None] | None = None,
    ) -> Block:
        """What sounded over a span, dry and wet by its name, in its space and under its weather, levelled.

        `listen` is given the dry sum of all that sounded, heard or not.
        """
        frames = span.frames
        felt = {name: span.with_fields(fields) for name, fields in effects.items()}
        dry, wet = (buffer.silent(frames) for buffer in self._sums)
        space = aligned(2, frames)
        unheard: list[F32] = []
        stems: dict[str, F32] = {}
        wets: dict[str, F32] = {}
        # In the order of the parts: sums of floats hang on it.
        for name in (name for name in self._order if name in sounded):
            own_dry, own_wet = sounded[name]
            if name not in self._heard:
                unheard.append(own_dry)
                continue
            dry += own_dry
            stems[name] = own_dry
            if name in self._places:
                wets[name] = own_wet
            else:
                wet += own_wet
        if listen is not None:
            listen(dry + sum(unheard) if unheard else dry)
        for name in self.places:
            self._places[name].render(felt[place(name)], wets.get(name), space)
        self._space.render(felt["space"], wet, space)
        for laid_on, over in self._weather.items():
            audio = {"dry": dry, "space": space}.get(laid_on)
            if audio is None:
                audio = stems.setdefault(laid_on, np.zeros((2, frames), np.float32))
            for name, effect in over:
                effect.render(felt[name], audio)
        premaster = dry + space
        self._silent_frames = 0.0 if premaster.any() else self._silent_frames + frames
        mix = aligned(2, frames)
        self.master.render(felt["master"], premaster, mix)
        return Block(span.start, mix, premaster, space, stems, events)


def _over(score: Score, setting: Callable[[str], Setting]) -> Sequence[tuple[str, Fog | Collapse]]:
    """The effects that lie over everything, in their order, each at rest."""
    return [
        ("collapse", Collapse(score.effects["collapse"].patch(), setting("collapse"))),
        ("fog", Fog(score.effects["fog"].patch(), setting("fog"))),
    ]
