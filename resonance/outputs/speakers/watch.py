"""The parent's side: plays a piece on a device, watches both, and replaces what has died or hangs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from resonance.dsp import I64
from resonance.engine.commands import Command, Pulse
from resonance.outputs.speakers.child import Child, packed, read_pickle
from resonance.outputs.speakers.outlet import Opened, Outlet
from resonance.outputs.speakers.piece import Move, Piece, Sounding, within_ring
from resonance.outputs.speakers.ring import RING_FRAMES, Header, Ring, Slot, refill
from resonance.units import level_from_db

HUNG_S = 3.0
"""A piece that has not gone round for so long is replaced; a thread beside it may hold it up for a while."""
SLEPT_S = 2.0
"""A round this late means that the machine slept: nobody else is to be blamed for what stood still."""
LATE_TOLD_S = 60.0
_LEAVING_S = 1.0
_MOST_RESTARTS = 3  # a minute: a piece that cannot live any longer is no fault from outside


class Speakers:
    """Plays a piece on a device, through whatever happens to either.

        with Speakers(Piece("dream"), tell=print) as speakers:
            while not speakers.over:
                speakers.watch()
                time.sleep(0.05)

    `device` is a name, a part of one or a number; None is the default. `tell` gets a line for whatever
    happens that a listener would wonder about. The volume over 0 dB comes before the last ceiling. `watch`
    must be called some ten times a second; it raises DeviceError where nothing can be played from the
    beginning, and ValueError for what the score does not have.
    """

    def __init__(
        self,
        piece: Piece,
        *,
        device: str | None = None,
        device_latency_s: float | None = None,
        volume_db: float = 0.0,
        tell: Callable[[str], None],
    ) -> None:
        self.sounding: Sounding | None = None
        """What the piece last told of itself; None before it is ready."""
        self.compiling: tuple[str, int, int] | None = None
        self.underruns = 0
        self.late = 0
        """Gaps that the device itself reports."""
        self.starts = 0
        """How often a performance began: more than once when its process had to be replaced."""
        self.kept: list[tuple[str, str | None]] = []
        self._asked = piece
        self._volume_db = volume_db
        self._tell = tell
        self._ring = Ring()
        self._cushion = within_ring(piece.cushion_frames)
        self._ring.header[Header.REFILL] = refill(self._cushion)
        self._paused = False
        self._ready = False
        self._full = False
        self._fault: tuple[str, str] | None = None
        self._late_before = 0
        self._late_told = -LATE_TOLD_S
        self._starved: tuple[int, int] = (0, 0)
        self._restarts: deque[float] = deque(maxlen=_MOST_RESTARTS)
        self._watched = time.monotonic()
        self._forgiven_ns = 0
        self._outlet = Outlet(self._ring, device, device_latency_s, self._level, tell)
        self._sound = self._begin(piece)

    def __enter__(self) -> Speakers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a hand can ask.

    def do(self, *commands: Command) -> None:
        """Passes commands to the performance, to be done at once."""
        self.do_all([(None, commands)])

    def do_all(self, moves: Sequence[Move]) -> None:
        """Passes on what hands did: when, by `time.monotonic`, and the commands that it means.

        They are done as long after that as all other such commands, to the frame; without a time at once.
        """
        if self._paused:
            # Time stands still: beats that are told meanwhile are over when it goes on.
            moves = [(at_s, [c for c in commands if not isinstance(c, Pulse)]) for at_s, commands in moves]
        self._ask("do", moves)

    @property
    def volume_db(self) -> float:
        return self._volume_db

    @volume_db.setter
    def volume_db(self, volume_db: float) -> None:
        self._volume_db = volume_db
        self._ask("boost", level_from_db(max(volume_db, 0.0)))
        self._outlet.set_level(self._level)

    @property
    def seed(self) -> int | None:
        """The seed that was asked for; None is the score's."""
        return self._asked.seed

    @property
    def paused(self) -> bool:
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._gate()
        if self._outlet.lost:
            self._alone(time.monotonic_ns())

    def keep(self, path: str) -> None:
        """Asks for the last half hour as a take; `kept` then has the path, and what went wrong or None."""
        self._ask("keep", path)

    def follow(self, score: str) -> None:
        """Asks the piece to go on by a score that was saved again."""
        self._asked = replace(self._asked, score=score)
        self._ask("follow", score)

    # What is heard.

    @property
    def device(self) -> str | None:
        """The device that plays, or None while there is none."""
        return self._outlet.opened.name if self._outlet.opened else None

    @property
    def playing(self) -> bool:
        """Whether a device takes what the piece sounds, or would, were it not paused."""
        return self._full and self._outlet.opened is not None

    @property
    def latency_s(self) -> float:
        """From the performance to the ear, as far as the device tells."""
        device_s = self._outlet.opened.latency_s if self._outlet.opened else 0.0
        return device_s + (self.sounding.lead_s if self.sounding else 0.0)

    @property
    def over(self) -> bool:
        """Whether the piece has ended and its last frame has been taken."""
        ended = int(self._ring.header[Header.ENDED])
        return ended > 0 and int(self._ring.header[Header.TAKEN]) >= ended

    def stop(self) -> None:
        """Fades out shortly, and ends both processes."""
        self._outlet.leave()
        self._sound.leave(_LEAVING_S)

    # What may go wrong.

    def watch(self) -> None:
        """Goes round once: hears what the processes say, and sees to it that sound goes on."""
        now = time.monotonic()
        slept_s, self._watched = now - self._watched, now
        if slept_s > SLEPT_S:
            self._tell(f"the machine stood still for {slept_s:.0f} s: the piece goes on from where it was")
            self._forgiven_ns = time.monotonic_ns()
            self._outlet.forgive()
        self._sound.send()
        self._hear_piece()
        self._watch_piece(now)
        for change in self._outlet.watch():
            self._full = False
            self._gate()
            if isinstance(change, Opened):
                self._fill(change)
            else:
                self._alone(change.since_ns)
        if self._outlet.slot is not None:
            self._count(self._outlet.slot)

    @property
    def _level(self) -> float:
        return level_from_db(min(self._volume_db, 0.0))

    def _begin(self, piece: Piece) -> Child:
        child = Child("piece", [], self._ring.file, read_pickle, apart=True)
        child.send(packed((piece, self._ring.file)))
        child.send(packed(("boost", level_from_db(max(self._volume_db, 0.0)))))
        return child

    def _ask(self, *what: object) -> None:
        self._sound.send(packed(what))

    def _hear_piece(self) -> None:
        while not self._sound.messages.empty():
            match self._sound.messages.get():
                case ("ready", rate_hz):
                    self._greet(rate_hz)
                case ("full",):
                    self._full = True
                    self._gate()
                case ("sounding", sounding):
                    self.sounding = sounding
                    for line in sounding.messages:
                        self._tell(line)
                case ("compiling", *what):
                    self.compiling = (what[0], what[1], what[2])
                case ("said", line):
                    self._tell(line)
                case ("kept", path, fault):
                    self.kept.append((path, fault))
                case ("failed", kind, text):
                    self._fault = (kind, text)

    def _greet(self, rate_hz: float) -> None:
        """The piece is there: what still holds is told it, and it fills the ring for the device."""
        self._ready = True
        self.compiling = None
        if self.starts:
            self._tell("the piece is back")
        self.starts += 1
        self._outlet.rate_hz = rate_hz
        if self._outlet.opened is not None:
            self._fill(self._outlet.opened)
        elif self._outlet.lost:
            self._alone(time.monotonic_ns())

    def _fill(self, opened: Opened) -> None:
        if self._ready:
            self._ask("open", opened.rate_hz)

    def _alone(self, since_ns: int) -> None:
        """Has the piece keep the time by itself; while it is paused, time stands still."""
        self._ask("alone", None if self._paused else since_ns)

    def _gate(self) -> None:
        """Lets the device play when the ring is full and nobody has paused it."""
        self._outlet.gate(self._full and not self._paused)

    def _watch_piece(self, now: float) -> None:
        if not self._sound.alive:
            if self._fault is not None and not self._ready:
                kind, text = self._fault
                raise ValueError(text) if kind in ("ValueError", "ScoreError") else RuntimeError(text)
            self._restart("the piece's process was ended from outside", now)
        elif self._ready:
            beat_ns = max(int(self._ring.header[Header.BEAT]), self._forgiven_ns)
            if time.monotonic_ns() - beat_ns > HUNG_S * 1e9:
                self._restart("the piece's process has hung", now)

    def _restart(self, why: str, now: float) -> None:
        """Has the piece go on from its place in a new process."""
        self._sound.leave()
        if len(self._restarts) == _MOST_RESTARTS and now - self._restarts[0] < 60.0:
            last = "".join(f": {line}" for line in list(self._sound.noise)[-1:])
            raise RuntimeError(f"{why}, again and again{last}")
        self._restarts.append(now)
        self._tell(f"{why}: it goes on from where it was, in a new one")
        self._ready = False
        self._fault = None
        here = self.sounding.here if self.sounding else self._asked.opening
        self._sound = self._begin(replace(self._asked, opening=here, cushion_frames=self._cushion))

    def _count(self, slot: I64) -> None:
        """Counts the times the ring ran empty, says why, and has the piece play further ahead."""
        self._count_late(int(slot[Slot.UNDERFLOWS]))
        before, self._starved = self._starved, (id(slot), int(slot[Slot.STARVED]))
        if before[0] != self._starved[0] or self._starved[1] <= before[1]:
            return
        if not (self._full and self._ready) or self.over:
            return
        self.underruns += self._starved[1] - before[1]
        grown = min(2 * self._cushion, RING_FRAMES // 2)
        ahead = ""
        if grown > self._cushion:
            self._cushion = grown
            self._ask("cushion", grown)
            ahead = f"; from now on it plays {1000.0 * grown / self._outlet.rate_hz:.0f} ms ahead"
        self._tell(f"underrun {self.underruns}: the machine was too busy to play on in time{ahead}")

    def _count_late(self, late: int) -> None:
        """Counts the gaps that the device itself reports, and says so now and then."""
        if late > self._late_before:
            self.late += late - self._late_before
            if time.monotonic() - self._late_told > LATE_TOLD_S:
                self._late_told = time.monotonic()
                remedy = (
                    "the machine stands still for longer than its buffer; a larger --latency gives it more"
                )
                self._tell(f"the device reports gaps, {self.late} so far: {remedy}")
        self._late_before = late
