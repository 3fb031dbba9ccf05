"""What has happened: every command with its frame, and digests of what was heard, for half an hour.

A performance can be taken up where an engine of its chain begins. So what is kept begins with the last one
that began, and had the desk to itself, before the half hour did; its memory is bounded.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from resonance.dsp import F32, GRID_FRAMES
from resonance.engine.commands import Command

KEPT_S = 1800.0
CHUNK_S = 10.0
"""What is heard is digested in stretches as long as this."""
MOST_BYTES = 64_000_000
_PACKED = 256  # at a time: packing is done by the thread that renders


@dataclass(frozen=True, slots=True)
class Opening:
    """Where an engine of a performance's chain begins, with all that has to be known of what was before.

    `step` is the desk's, `number` the engine's in the chain. It begins in `scene`, `position` of its length
    into it or else as a launch does, to stay where it is `hold`. `carried` are commands that still count:
    controls in hand, a launch that waits, when to rest.
    """

    step: int
    number: int
    night: int
    seed: int
    scene: str | None = None
    hold: bool = False
    carried: tuple[Command, ...] = ()
    position: float | None = None


class Listener(Protocol):
    """Whoever writes down what happens, as it happens, in the thread that renders."""

    def did(self, frame: int, command: Command) -> None:
        """A command has taken effect."""

    def heard(self, frame: int, digest: str) -> None:
        """All up to a frame is rendered, and the stretch before it has this digest."""


@dataclass
class _Log:
    """The commands since an opening, packed. From frame `clear` on nothing that was before counts."""

    opening: Opening
    clear: int
    packed: list[bytes] = field(default_factory=list)
    fresh: list[tuple[int, Command]] = field(default_factory=list)
    size: int = 0
    whole: bool = True

    def add(self, frame: int, command: Command) -> None:
        self.fresh.append((frame, command))
        if len(self.fresh) == _PACKED:
            self.packed.append(zlib.compress(pickle.dumps(self.fresh, pickle.HIGHEST_PROTOCOL), 1))
            self.size += len(self.packed[-1])
            self.fresh = []

    def forget(self) -> None:
        self.packed, self.fresh, self.size, self.whole = [], [], 0, False


class Done(Sequence[tuple[int, Command]]):
    """Commands that were done, each with its frame, packed until somebody asks for them.

    In half an hour they can be a million: to unpack them takes longer than who sounds can wait.
    """

    def __init__(self, logs: Sequence[_Log]) -> None:
        self._parts: list[bytes | list[tuple[int, Command]]] = []
        for log in logs:
            self._parts += log.packed
            self._parts.append(log.fresh.copy())

    def some(self) -> Iterator[Sequence[tuple[int, Command]]]:
        """The same, some hundreds at a time."""
        for part in self._parts:
            yield pickle.loads(zlib.decompress(part)) if isinstance(part, bytes) else part

    def __iter__(self) -> Iterator[tuple[int, Command]]:
        return itertools.chain.from_iterable(self.some())

    def __len__(self) -> int:
        return sum(map(len, self.some()))

    def __getitem__(self, place: Any) -> Any:
        return tuple(self)[place]


class History:
    """The last half hour, as what has to be done again for it to be heard again.

    `clear_frames` is how long after its opening an engine is heard as if there had been none before it.
    """

    def __init__(self, rate_hz: float, clear_frames: int, first_frame: int) -> None:
        self._kept_frames = round(KEPT_S * rate_hz)
        self._clear_frames = clear_frames
        self._first = first_frame
        self._logs: list[_Log] = []
        self._digests: deque[tuple[int, str]] = deque(maxlen=round(KEPT_S / CHUNK_S) + 2)
        self._listeners: list[Listener] = []
        self.chunk_frames = round(CHUNK_S * rate_hz)
        # A stretch that was not heard from its beginning has no digest.
        self._hash: Any = None if first_frame % self.chunk_frames else hashlib.blake2b(digest_size=16)

    def listen(self, listener: Listener) -> None:
        """Tells somebody everything from now on."""
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Tells them no more."""
        self._listeners.remove(listener)

    def open(self, opening: Opening) -> None:
        """Another engine begins; what nobody can want any more is forgotten."""
        begun = opening.step * GRID_FRAMES
        while len(self._logs) > 1 and self._logs[1].clear <= begun - self._kept_frames:
            del self._logs[0]
        self._logs.append(_Log(opening, begun + self._clear_frames if self._logs else self._first))

    def did(self, frame: int, command: Command) -> None:
        """A command has taken effect."""
        self._logs[-1].add(frame, command)
        while sum(log.size for log in self._logs) > MOST_BYTES:
            if len(self._logs) == 1:
                self._logs[0].forget()
            else:
                del self._logs[0]
        for listener in self._listeners:
            listener.did(frame, command)

    def until_digest(self, frame: int) -> int:
        """How many frames are left, from this one on, of its stretch."""
        return self.chunk_frames - frame % self.chunk_frames

    def heard(self, frame: int, audio: F32) -> None:
        """These frames (frames, 2), from `frame` on, were rendered."""
        while len(audio):
            part = audio[: self.until_digest(frame)]
            frame, audio = frame + len(part), audio[len(part) :]
            if self._hash is not None:
                self._hash.update(np.ascontiguousarray(part).data)
            if frame % self.chunk_frames == 0:
                if self._hash is not None:
                    digest = self._hash.hexdigest()
                    self._digests.append((frame, digest))
                    for listener in self._listeners:
                        listener.heard(frame, digest)
                self._hash = hashlib.blake2b(digest_size=16)

    def since(self, frame: int) -> tuple[Opening, Done, list[tuple[int, str]]]:
        """An opening, and the commands after it, from which a frame and all after it are heard again.

        And the digests of the stretches after that frame. Raises ValueError where that is not known any more.
        """
        number = max((k for k, log in enumerate(self._logs) if log.clear <= frame), default=0)
        logs = self._logs[number:]
        if logs[0].clear > frame or not all(log.whole for log in logs):
            raise ValueError("so much was played that it is not all kept; a new night or scene begins anew")
        digests = [(end, digest) for end, digest in self._digests if end - self.chunk_frames >= frame]
        return logs[0].opening, Done(logs), digests

    @property
    def first_frame(self) -> int:
        """The first frame that can be heard again."""
        return self._logs[0].clear
