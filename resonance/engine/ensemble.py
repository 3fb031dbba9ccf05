"""An ensemble: processes that sound one piece side by side, to the same bits as one alone.

All have the same engine, and each decides everything: that is cheap, and comes out the same. Of what is
decided each sounds only the parts that it has, into memory that all see. The leader, which is asked for the
blocks, has parts as well, and mixes. Parts change hands by what they have cost so far: between two spans
their voices are sent on as they are. The players are ahead: what the leader gives them it sounds up to there
at once, so that they need not wait. Who had which is not heard: the desk sums in the order of the parts.

A player that dies takes voices with it, and that is an error. The memory has no name that could be left over.
"""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resonance.dsp import GRID_FRAMES
from resonance.engine.parts import Scratch
from resonance.sounds import own_files, own_sound

if TYPE_CHECKING:
    from resonance.engine.desk import Block
    from resonance.engine.engine import Due, Engine

METHOD = "fork" if sys.platform == "linux" else "spawn"
"""How players begin: as copies of the leader, at once; or anew, with the engine sent after them."""

ALONE = 4
"""Spans that the leader plays by itself: what costs what is known then, and the kernels are there."""
LEAST = 16
"""For fewer spans than this nobody else is asked: they would come too late."""
AHEAD = 2
"""How many spans the players may be ahead of the leader's own parts; more leaves the caches."""
_SETTLES = 2  # spans after a change before another: long enough to know what it did
_UNEVEN = 0.08  # of the mean load: less than this is not worth a change
_FORGETS = 0.3  # how fast what a part had cost before is forgotten
LEADER = 0


class Line:
    """What two processes say to each other: messages of several kinds, each kind in its order."""

    def __init__(self, end: Connection) -> None:
        self.end = end
        self._said: dict[str, deque[Any]] = defaultdict(deque)

    def say(self, kind: str, what: Any = None) -> None:
        self.end.send_bytes(pickle.dumps((kind, what), pickle.HIGHEST_PROTOCOL))

    def take(self, kind: str) -> Any:
        """The next message of a kind; waits for it. Raises EOFError where nobody is there any more."""
        while not self._said[kind]:
            self._hear()
        return self._said[kind].popleft()

    def listen(self) -> None:
        """Hears what has been said; does not wait."""
        while self.end.poll():
            self._hear()

    def has(self, kind: str, count: int = 1) -> bool:
        """Whether so many messages of a kind were heard."""
        return len(self._said[kind]) >= count

    def failure(self) -> Exception | None:
        """What whoever is gone failed by, where it said so."""
        with suppress(EOFError, ConnectionError):
            self.listen()
        failure: Exception | None = self.take("failed") if self.has("failed") else None
        return failure

    def _hear(self) -> None:
        kind, what = pickle.loads(self.end.recv_bytes())
        self._said[kind].append(what)


class Room:
    """Memory that all see: where each part sounds into, in each of the spans under way at once."""

    SPANS = AHEAD + 1

    def __init__(self, memory: Any, names: Sequence[str]) -> None:
        flat = np.frombuffer(memory, np.float32).reshape(self.SPANS, len(names), 2, Scratch.SAMPLES)
        self._buffers = [
            {name: (Scratch(dry), Scratch(wet)) for name, (dry, wet) in zip(names, span, strict=True)}
            for span in flat
        ]

    @classmethod
    def samples(cls, names: Sequence[str]) -> int:
        return cls.SPANS * len(names) * 2 * Scratch.SAMPLES

    def buffers(self, number: int, name: str) -> tuple[Scratch, Scratch]:
        """Where a part sounds into in span `number`: dry and wet."""
        return self._buffers[number % self.SPANS][name]


class _Hands:
    """Those parts of an engine that one process has, and what they cost it."""

    def __init__(self, engine: Engine, number: int, room: Room, steps: int) -> None:
        self.engine = engine
        self._number = number
        self.has: set[str] = set()
        self._parts = {part.name: part for part in engine.playing}
        self.room = room
        self._steps = steps
        # What is decided, from the span on that is sounded next; the engine's clock stands at the last.
        self._dues: deque[Due] = deque()
        self._ahead: dict[str, int] = {}  # for how many of these spans parts were sounded already
        self._since_s = time.thread_time()
        self._own_s = 0.0  # of it for parts

    def give(self, name: str) -> bytes | None:
        """A part as it is, packed; None where it cannot be packed, and stays."""
        packed = self._parts[name].hand_over()
        if packed is not None:
            self.has.remove(name)
        return packed

    def give_ahead(self, name: str, number: int) -> tuple[bytes | None, list[float | None]]:
        """A part as it will be AHEAD spans after span `number` begins: sounded up to there, at what cost."""
        costs_s: list[float | None] = []
        for place in range(AHEAD):
            due = self._due(place)
            costs_s.append(self._render(name, number + place, due))
        packed = self.give(name)
        if packed is None:
            self._ahead[name] = AHEAD
        return packed, costs_s

    def _due(self, place: int) -> Due:
        """What is due in one of the spans that come next."""
        while place >= len(self._dues):
            if self._dues:
                self.engine.passed(self._dues[-1])
            self._dues.append(self.engine.due(self._steps, desk=self._number == LEADER))
        return self._dues[place]

    def _render(self, name: str, number: int, due: Due) -> float | None:
        """Sounds a part over a span; the CPU seconds that it took, None where it was silent."""
        part = self._parts[name]
        part.buffers, part.began = self.room.buffers(number, name), due.begun[name]
        clock = part.clock
        part.clock = clock if due is self._dues[-1] else due.clock
        began_s = time.thread_time()
        part.render(due.span, due.begun)
        cost_s = time.thread_time() - began_s
        part.clock = clock
        self._own_s += cost_s
        return cost_s if part.sounding else None

    def take(self, name: str, packed: bytes | None) -> None:
        if packed is not None:
            self._parts[name].take_over(packed)
            self.has.add(name)

    def sound(self, number: int) -> tuple[Due, dict[str, float], float]:
        """Sounds the next span: what was due, the CPU seconds of each part that sounded, and of all else."""
        due = self._due(0)
        if self._number != LEADER:
            # What rules did wrong is said once.
            self.engine.messages.clear()
        costs: dict[str, float] = {}
        for name in [name for name in self._parts if name in self.has]:
            if self._ahead.get(name):
                self._ahead[name] -= 1
            elif (cost_s := self._render(name, number, due)) is not None:
                costs[name] = cost_s
        self._dues.popleft()
        if not self._dues:
            self.engine.passed(due)
        now_s = time.thread_time()
        else_s = now_s - self._since_s - self._own_s
        self._since_s, self._own_s = now_s, 0.0
        return due, costs, else_s


def _memory(size: int) -> Any:
    """So many bytes that players see as well; a page that nobody writes to takes no room."""
    return mmap.mmap(-1, size) if METHOD == "fork" else RawArray("b", size)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to all, is the leader's: whoever is started here never hears of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _play(
    make: Callable[[], Engine], number: int, end: Connection, others: Sequence[Connection], *room: Any
) -> None:
    """A player's life: span after span, until the leader's end of the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    line = Line(end)
    try:
        _sounding(make(), number, line, *room)
    except (EOFError, ConnectionError):
        pass
    except Exception as error:
        with suppress(OSError):
            line.say("failed", error if _is_packable(error) else RuntimeError(repr(error)))
    finally:
        # Nothing of the leader's that was copied along is to be closed or flushed here.
        os._exit(0)


def _sounding(engine: Engine, number: int, line: Line, memory: Any, steps: int) -> None:
    hands = _Hands(engine, number, Room(memory, [part.name for part in engine.playing]), steps)
    for part in engine.playing:
        part.fall_silent()
    line.say("ready")
    first: int = line.take("from")
    for span in itertools.count():
        changes: Mapping[str, int] = line.take("go") if span >= first else {}
        for name, to in changes.items():
            if to == number:
                hands.take(name, line.take("part"))
            elif name in hands.has:
                line.say("part", hands.give(name))
        _, costs_s, else_s = hands.sound(span)
        if span >= first:
            line.say("played", (costs_s, else_s, engine.messages))


def _is_packable(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _same(engine: Engine) -> Engine:
    return engine


def _unpacked(files: Sequence[Path], packed: bytes) -> Engine:
    """An engine that was sent; a player's own sounds are read first."""
    for file in files:
        own_sound(file)
    engine: Engine = pickle.loads(packed)
    return engine


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A span whose leader's parts have sounded, and that waits for the players'."""

    number: int
    due: Due
    players: frozenset[int]


def together(engine: Engine, workers: int, steps: int, end: int) -> Generator[Block]:
    """Blocks of `steps` steps until frame `end` is there, by so many processes where that is worth it."""
    for _ in range(ALONE):
        if engine.frame < end:
            yield engine.unlimited(steps)
    # A process that is another's servant, as those of a pool are, can have none of its own.
    may = workers > 1 and not multiprocessing.current_process().daemon
    if may and engine.frame + LEAST * steps * GRID_FRAMES <= end:
        try:
            ensemble = Ensemble(engine, workers, steps)
        except OSError as error:
            engine.messages.append(f"no room for a second process ({error.strerror}): rendered by one")
        else:
            yield from ensemble.blocks(end)
    while engine.frame < end:
        yield engine.unlimited(steps)


class Ensemble:
    """So many processes that make an engine's blocks, this one among them, which leads."""

    def __init__(self, engine: Engine, workers: int, steps: int) -> None:
        parts = engine.playing
        names = [part.name for part in parts]
        memory = _memory(4 * Room.samples(names))
        self._engine = engine
        self._steps = steps
        self._hands = _Hands(engine, LEADER, Room(memory, names), steps)
        self._hands.has |= set(names)
        # All that follows is by the players' numbers; the leader's is 0.
        self._lines: dict[int, Line] = {}
        self._processes: dict[int, BaseProcess] = {}
        self._done: dict[int, int] = {}  # of those that have joined in: the span they come to next
        self._owners = dict.fromkeys(names, LEADER)
        # Who reflects the past is where it is mixed.
        self._stuck = {part.name for part in parts if part.reflects}
        self._costs_s: dict[str, float] = {}
        self._else_s: dict[int, float] = {}
        self._latest: dict[int, Sequence[str]] = {}
        self._sounded: dict[int, set[str]] = defaultdict(set)
        self._plans: deque[Mapping[str, int]] = deque({} for _ in range(AHEAD))
        self._waiting: _Waiting | None = None
        self._number = self._last = 0  # the span that is sounded next, and the last of all
        self._changes_from = 1
        try:
            self._gather(workers - 1, memory)
        except BaseException:
            self._dismiss()
            raise

    def _gather(self, players: int, memory: Any) -> None:
        """Starts the players; the leader plays on until they join in."""
        engine, context = self._engine, multiprocessing.get_context(METHOD)
        copied = METHOD == "fork"
        make: Callable[[], Engine] = partial(_same, engine)
        if not copied:
            own = own_files(played.definition for played in engine.score.sounds.values())
            make = partial(_unpacked, own, pickle.dumps(engine))
        for number in range(1, players + 1):
            ours, theirs = multiprocessing.Pipe()
            self._lines[number] = Line(ours)
            others = [line.end for line in self._lines.values()] if copied else []
            arguments = (make, number, theirs, others, memory, self._steps)
            process = context.Process(target=_play, args=arguments, daemon=True)  # type: ignore[attr-defined]
            with _undisturbed():
                process.start()
            theirs.close()
            self._processes[number] = process

    def blocks(self, end: int) -> Iterator[Block]:
        """Block by block until frame `end` is there."""
        self._last = self._number + -(-(end - self._engine.frame) // (self._steps * GRID_FRAMES)) - 1
        try:
            while self._number <= self._last or self._waiting is not None:
                if not self._has_whole():
                    self._listen()
                if self._waiting is not None and self._has_whole():
                    whole, self._waiting = self._waiting, None
                    yield self._mixed(whole)
                elif self._waiting is None and self._may_sound():
                    self._sound()
                else:
                    wait([self._lines[number].end for number in self._done])
        except (EOFError, ConnectionError):
            failures = (line.failure() for line in self._lines.values())
            gone = ChildProcessError(
                "a process that rendered with this one is gone, killed or out of memory: render again, "
                "with fewer workers where memory is short"
            )
            raise next(filter(None, failures), gone) from None
        finally:
            self._dismiss()

    def _dismiss(self) -> None:
        """Ends them: without a line a player has nothing to do."""
        for line in self._lines.values():
            line.end.close()
        for process in self._processes.values():
            process.join(1.0)
            if process.exitcode is None:
                process.kill()
                process.join()

    def _listen(self) -> None:
        """Hears what the players have done, and lets those join in that are ready."""
        for number, line in list(self._lines.items()):
            try:
                line.listen()
                if line.has("ready"):
                    line.take("ready")
                    self._done[number] = self._number + AHEAD
                    line.say("from", self._done[number])
            except (EOFError, ConnectionError):
                if number in self._done:
                    raise
                del self._lines[number]
                failure = line.failure()
                why = f" ({failure})" if failure else ""
                self._engine.messages.append(f"a second process could not begin{why}: rendered with one less")
                continue
            while line.has("played"):
                costs_s, else_s, messages = line.take("played")
                self._learn(number, costs_s, else_s)
                self._engine.messages += messages
                self._sounded[self._done[number]] |= costs_s.keys()
                self._done[number] += 1

    def _learn(self, number: int, costs_s: Mapping[str, float], else_s: float) -> None:
        self._latest[number] = list(costs_s)
        before_s = self._else_s.setdefault(number, else_s)
        self._else_s[number] += _FORGETS * (else_s - before_s)
        for name, cost_s in costs_s.items():
            before_s = self._costs_s.setdefault(name, cost_s)
            self._costs_s[name] += _FORGETS * (cost_s - before_s)

    def _has_whole(self) -> bool:
        """Whether the span that the desk comes to next has been sounded by all."""
        span = self._waiting
        return span is not None and all(self._done[player] > span.number for player in span.players)

    def _mixed(self, span: _Waiting) -> Block:
        """A span off the desk; it is read where it was sounded."""
        frames = span.due.span.frames
        sounded = {}
        for name in self._sounded.pop(span.number, ()):
            dry, wet = self._hands.room.buffers(span.number, name)
            sounded[name] = dry.view(frames), wet.view(frames)
        return self._engine.mixed(span.due, sounded)

    def _may_sound(self) -> bool:
        """Whether what the players hand over where the next span begins has come."""
        givers = [self._owners[name] for name in self._plans[0]]
        return all(self._lines[giver].has("part", givers.count(giver)) for giver in givers if giver != LEADER)

    def _sound(self) -> None:
        """Sounds the leader's parts of the next span, and sends the players on."""
        for name, to in self._plans.popleft().items():
            if self._owners[name] != LEADER:
                self._hand_on(name, to, self._lines[self._owners[name]].take("part"))
            if name not in self._stuck:
                self._owners[name] = to
        plan = self._plan()
        self._plans.append(plan)
        for number in self._done:
            self._lines[number].say("go", plan)
        given_s: dict[str, float] = {}
        for name, to in plan.items():
            if self._owners[name] == LEADER:
                given_s |= self._give(name, to)
        due, costs_s, else_s = self._hands.sound(self._number)
        costs_s |= given_s
        self._learn(LEADER, costs_s, else_s)
        self._sounded[self._number] |= costs_s.keys()
        players = frozenset(self._owners.values()) - {LEADER}
        self._waiting = _Waiting(self._number, due, players)
        self._number += 1

    def _give(self, name: str, to: int) -> dict[str, float]:
        """Gives away a part of the leader's as it will be when a player comes to it; what it cost now."""
        packed, costs_s = self._hands.give_ahead(name, self._number)
        self._hand_on(name, to, packed)
        for number, cost_s in enumerate(costs_s, self._number):
            if cost_s is not None:
                self._sounded[number].add(name)
        return {} if costs_s[0] is None else {name: costs_s[0]}

    def _hand_on(self, name: str, to: int, packed: bytes | None) -> None:
        if packed is None:
            self._stuck.add(name)
        if to == LEADER:
            self._hands.take(name, packed)
        else:
            self._lines[to].say("part", packed)

    def _plan(self) -> Mapping[str, int]:
        """Who is to have which part from AHEAD spans on, where that is another than now."""
        players = [number for number in self._done if number in self._latest]
        if not players or not self._changes_from <= self._number <= self._last - AHEAD:
            return {}
        loads_s = {
            number: self._else_s[number] + sum(self._costs_s[name] for name in self._latest[number])
            for number in (LEADER, *players)
        }
        busiest = max(loads_s, key=loads_s.__getitem__)
        idlest = min(loads_s, key=loads_s.__getitem__)
        least_s = _UNEVEN * sum(loads_s.values()) / len(loads_s)
        over_s = 0.5 * (loads_s[busiest] - loads_s[idlest])
        changes: dict[str, int] = {}
        movable = {name for name, owner in self._owners.items() if owner == busiest} - self._stuck
        for name in sorted(movable & set(self._latest[busiest]), key=lambda name: -self._costs_s[name]):
            # Half of the difference is to go; a little more is still better than nothing.
            if self._costs_s[name] < 2.0 * over_s - least_s:
                over_s -= self._costs_s[name]
                changes[name] = idlest
        if busiest == LEADER:
            # What is silent goes along: what begins then, begins where the desk is not.
            changes |= dict.fromkeys(movable - set(self._latest[LEADER]), idlest)
        if changes:
            self._changes_from = self._number + AHEAD + _SETTLES
        return changes
