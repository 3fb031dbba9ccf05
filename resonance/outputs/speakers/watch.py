"""The parent's side: plays a piece on a device, watches both, and replaces what has died or hangs."""

from __future__ import annotations

import contextlib
import json
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any

from resonance.engine.commands import Hold, LetGo, Set
from resonance.outputs.speakers import DeviceError
from resonance.outputs.speakers.device import Output
from resonance.outputs.speakers.piece import Piece, Sounding
from resonance.outputs.speakers.ring import RING_FRAMES, Header, Ring, Slot
from resonance.units import level_from_db

STUCK_S = 1.0
"""A device that has taken nothing for so long is taken for dead: ten times the longest stall we measured."""
HUNG_S = 3.0
"""The same for the piece, which may be held up by another thread of its process."""
OPENING_S = 6.0
"""How long PortAudio may take over anything it is asked; a frozen server makes it hang."""
SLEPT_S = 2.0
"""A round this late means that the machine slept: nobody else is to be blamed for what stood still."""
STARTING_S = 60.0
"""The same for Python itself, on a busy machine, with the callback to be compiled."""
TRIES = 3
"""After so many the first device is given up; one that has played never is."""
RETRY_S = 0.3
FALL_S = 0.1
LEAVING_S = 1.0
LISTS_S = 10.0


def outputs() -> list[Output]:
    """The outputs of this machine, found in a process of its own; raises DeviceError where that fails."""
    call = [sys.executable, "-c", _STARTS.format("device"), "list"]
    try:
        done = subprocess.run(
            call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LISTS_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeviceError("the sound server does not answer: restart it, and look again") from None
    said = json.loads(done.stdout) if done.stdout.strip() else {"missing": "PortAudio gave up; look again"}
    if "missing" in said:
        raise DeviceError(said["missing"])
    return [Output(*found) for found in said["outputs"]]


_STARTS = "import sys; from resonance.outputs.speakers import {0}; {0}.main(sys.argv[1:])"
"""Not by `-m`: what is pickled there must have the same name here."""


class _Child:
    """A process of ours, its messages as they come, and what its libraries print kept out of the way."""

    def __init__(self, module: str, words: list[str], file: int, read: Callable[[IO[bytes]], Any]) -> None:
        self.began = time.monotonic()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.noise: deque[str] = deque(maxlen=40)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _STARTS.format(module), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(file,),
        )
        threading.Thread(target=self._read, args=(read,), daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()

    def _read(self, read: Callable[[IO[bytes]], Any]) -> None:
        assert self.process.stdout is not None
        while (message := read(self.process.stdout)) is not None:
            self.messages.put(message)

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.noise.append(line.decode(errors="replace").rstrip())

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, *what: Any) -> None:
        """Sends a request; one to a process that is gone is lost with it."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            pickle.dump(what, self.process.stdin)
            self.process.stdin.flush()

    def leave(self, seconds: float = 0.0) -> None:
        """Asks it to leave, and ends it where it has not after so long: nothing in it can refuse."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.process.kill()
        self.process.wait()


def _line(pipe: IO[bytes]) -> Any:
    with contextlib.suppress(OSError, ValueError):
        line = pipe.readline()
        return json.loads(line) if line else None
    return None


def _pickle(pipe: IO[bytes]) -> Any:
    with contextlib.suppress(OSError, ValueError, EOFError, pickle.UnpicklingError):
        size = pipe.read(4)
        if len(size) == 4:
            return pickle.loads(pipe.read(int.from_bytes(size, "little")))
    return None


@dataclass
class _Card:
    """A device's process as the parent sees it."""

    child: _Child
    slot: int
    name: str | None
    otherwise: bool
    looking: bool = False
    opened: dict[str, Any] | None = None
    seen_frames: int = -1
    seen_at: float = 0.0
    underflows: int = 0
    starved: int = 0


class Speakers:
    """Plays a piece on a device, through whatever happens to either.

        with Speakers(Piece("dream"), tell=print) as speakers:
            while not speakers.over:
                speakers.watch()
                time.sleep(0.05)

    `device` is a name, a part of one or a number; None is the default. `tell` gets a line for whatever
    happens that a listener would wonder about. `volume_db` is applied before the last ceiling. `watch` must
    be called some ten times a second. Raises DeviceError where nothing can be played from the beginning.
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
        self._wished = piece
        self._device = device
        self._device_latency_s = device_latency_s
        self._volume_db = volume_db
        self._tell = tell
        self._ring = Ring()
        self._ring.header[Header.REFILL] = piece.cushion_frames // 2
        self._cushion = piece.cushion_frames
        self._paused = False
        self._ready = False
        self._card: _Card | None = None
        self._next_card: _Card | None = None
        self._leaving: _Card | None = None
        self._lost_at: float | None = None
        self._played = False
        self._retry_at = 0.0
        self._tries = 0
        self._watched = time.monotonic()
        self._forgiven_ns = 0
        self._fault: tuple[str, str] | None = None
        self._rate_hz = 0.0
        self._full = False
        self._lasting: dict[str, Any] = {}
        self._restarts: deque[float] = deque(maxlen=3)
        self.sounding: Sounding | None = None
        """What the piece last told of itself (`piece.Sounding`); None before it is ready."""
        self.compiling: tuple[str, int, int] | None = None
        self.underruns = 0
        self.starts = 0
        """How often a performance began: more than one when its process had to be replaced."""
        self.kept: list[tuple[str, str | None]] = []
        self._sound = self._begin(piece)
        self._seek()

    def __enter__(self) -> Speakers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a hand can ask.

    def do(self, command: Any) -> None:
        """Passes a command (`engine.commands`) to the performance."""
        match command:
            case Set(name, _):
                self._lasting[name] = command
            case LetGo(name):
                self._lasting.pop(name, None)
            case Hold():
                self._lasting[""] = command
        self._sound.ask("do", command)

    @property
    def volume_db(self) -> float:
        return self._volume_db

    @volume_db.setter
    def volume_db(self, volume_db: float) -> None:
        self._volume_db = volume_db
        self._sound.ask("boost", level_from_db(max(volume_db, 0.0)))
        for levels in self._ring.levels:
            levels[Slot.WANTED] = self._level

    @property
    def seed(self) -> int | None:
        """The seed that was asked for; None is the score's."""
        return self._wished.seed

    @property
    def paused(self) -> bool:
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._gate()
        if self._lost_at is not None:
            self._alone(time.monotonic_ns())

    def keep(self, path: str) -> None:
        """Asks for the last half hour as a take; `kept` then has the path, and what went wrong or None."""
        self._sound.ask("keep", path)

    def follow(self, score: str) -> None:
        """Asks the piece to go on by a score that was saved again."""
        self._wished = replace(self._wished, score=score)
        self._sound.ask("follow", score)

    # What is heard.

    @property
    def device(self) -> str | None:
        """The device that plays, or None while there is none."""
        return self._card.opened["open"] if self._card and self._card.opened else None

    @property
    def latency_s(self) -> float:
        """From the performance to the ear, as far as the device tells."""
        device_s = self._card.opened["latency_s"] if self._card and self._card.opened else 0.0
        return device_s + (self.sounding.lead_s if self.sounding else 0.0)

    @property
    def over(self) -> bool:
        """Whether the piece has ended and its last frame has been taken."""
        ended = int(self._ring.header[Header.ENDED])
        return ended > 0 and int(self._ring.header[Header.TAKEN]) >= ended

    def stop(self) -> None:
        """Fades out shortly, and ends both processes."""
        for levels, slot in zip(self._ring.levels, self._ring.slots, strict=True):
            slot[Slot.PLAY] = 0
            end = time.monotonic() + 3.0 * FALL_S
            while self._card and self._card.opened and levels[Slot.FADE] > 0.0 and time.monotonic() < end:
                time.sleep(0.005)
        if self._card and self._card.opened:
            # What the card was given last must have been heard before it is taken away.
            time.sleep(min(0.5, float(self._card.opened["latency_s"])))
        for card in (self._card, self._next_card, self._leaving):
            if card is not None:
                card.child.leave(LEAVING_S)
        self._card = self._next_card = self._leaving = None
        self._sound.leave()

    # What may go wrong.

    def watch(self) -> None:
        """Goes round once: hears what the children say, and sees to it that sound goes on."""
        now = time.monotonic()
        slept_s, self._watched = now - self._watched, now
        if slept_s > SLEPT_S:
            self._tell(f"the machine stood still for {slept_s:.0f} s; the piece goes on from where it was")
            self._forgive(now)
        self._hear_piece()
        self._watch_piece(now)
        self._watch_cards(now)

    def _forgive(self, now: float) -> None:
        for card in (self._card, self._next_card):
            if card is not None:
                card.seen_at = card.child.began = now
        self._sound.began = now
        self._forgiven_ns = time.monotonic_ns()

    @property
    def _level(self) -> float:
        return level_from_db(min(self._volume_db, 0.0))

    def _begin(self, piece: Piece) -> _Child:
        child = _Child("piece", [], self._ring.file, _pickle)
        assert child.process.stdin is not None
        pickle.dump((piece, self._ring.file), child.process.stdin)
        child.process.stdin.flush()
        child.ask("boost", level_from_db(max(self._volume_db, 0.0)))
        return child

    def _hear_piece(self) -> None:
        while not self._sound.messages.empty():
            match self._sound.messages.get():
                case ("ready", rate_hz):
                    self._ready = True
                    self.compiling = None
                    self._rate_hz = float(rate_hz)
                    for command in self._lasting.values():
                        self._sound.ask("do", command)
                    self.starts += 1
                    if self._card and self._card.opened:
                        self._sound.ask("open", self._card.opened["rate_hz"])
                    elif self._lost_at is not None:
                        self._alone(time.monotonic_ns())
                case ("full",):
                    self._gate(True)
                case ("sounding", sounding):
                    self.sounding = sounding
                    for line in sounding.messages:
                        self._tell(line)
                case ("compiling", name, number, total):
                    self.compiling = (name, number, total)
                case ("said", line):
                    self._tell(line)
                case ("follows",):
                    self._tell("the score was saved: the sound follows it")
                case ("kept", path, fault):
                    self.kept.append((path, fault))
                case ("failed", kind, text):
                    self._fault = (kind, text)

    def _watch_piece(self, now: float) -> None:
        if not self._sound.alive:
            if self._fault is not None and not self._ready:
                kind, text = self._fault
                raise ValueError(text) if kind in ("ValueError", "ScoreError") else RuntimeError(text)
            self._restart("the piece's process was ended from outside", now)
        elif self._ready:
            beat_ns = max(int(self._ring.header[Header.BEAT]), self._forgiven_ns)
            if time.monotonic_ns() - beat_ns > HUNG_S * 1e9:
                self._restart(f"the piece's process has hung for {HUNG_S:.0f} s", now)

    def _restart(self, why: str, now: float) -> None:
        """Has the piece go on from its place in a new process."""
        self._sound.leave()
        if len(self._restarts) == 3 and now - self._restarts[0] < 60.0:
            noise = "; ".join(list(self._sound.noise)[-1:])
            raise RuntimeError(f"{why}, four times in a minute{': ' if noise else ''}{noise}")
        self._restarts.append(now)
        self._tell(f"{why}: it goes on from where it was, in a new one")
        self._ready = self._full = False
        self._fault = None
        piece = self._wished
        if self.sounding is not None:
            piece = replace(piece, place=self.sounding.place)
        piece = replace(piece, cushion_frames=self._cushion)
        self._sound = self._begin(piece)

    def _seek(self, slot: int = 0) -> None:
        """Starts a process that looks for the device, or for the default where that is absent."""
        self._card = self._start(slot, self._device, otherwise=self._played)

    def _start(self, slot: int, name: str | None, otherwise: bool) -> _Card:
        self._ring.slots[slot][:] = 0
        self._ring.slots[slot][Slot.BEAT] = time.monotonic_ns()
        asked = {
            "file": self._ring.file,
            "slot": slot,
            "name": name,
            "otherwise": otherwise,
            "rate_hz": self._rate_hz or self._wished.rate_hz or 48000.0,
            "latency_s": self._device_latency_s,
            "level": self._level,
        }
        child = _Child("device", ["play", json.dumps(asked)], self._ring.file, _line)
        return _Card(child, slot, name, otherwise, seen_at=time.monotonic())

    def _gate(self, full: bool | None = None) -> None:
        """Lets the device play, where there is one, the ring is full and nobody has paused it."""
        self._full = self._full if full is None else full
        if self._card is not None:
            self._ring.slots[self._card.slot][Slot.PLAY] = int(self._full and not self._paused)

    def _watch_cards(self, now: float) -> None:
        if self._leaving is not None:
            levels = self._ring.levels[self._leaving.slot]
            if levels[Slot.FADE] <= 0.0 or now - self._leaving.seen_at > 3.0 * FALL_S:
                self._leaving.child.leave(LEAVING_S)
                self._leaving = None
                if self._card is not None and self._card.opened is not None:
                    self._sound.ask("open", self._card.opened["rate_hz"])
            return
        if self._card is None:
            if now >= self._retry_at:
                self._seek()
            return
        self._hear_card(self._card)
        if self._card is not None and self._card.opened is not None:
            self._watch_playing(self._card, now)
        elif self._card is not None:
            self._watch_opening(self._card, now)
        if self._next_card is not None:
            self._watch_next(self._next_card, now)

    def _hear_card(self, card: _Card) -> None:
        while not card.child.messages.empty():
            said = card.child.messages.get()
            if "looking" in said:
                card.looking = True
            elif "open" in said:
                self._opened(card, said)
            elif "gone" in said:
                self._lose(said["gone"])
                return
            elif "missing" in said or "unclear" in said or "waiting" in said:
                why = said.get("missing") or said.get("unclear") or said["waiting"]
                if not self._played:
                    raise DeviceError(f"{why}; see: resonance devices. render works without")
                if "waiting" in said:
                    self._tell(f"{why}: looking for one; the piece goes on meanwhile")

    def _opened(self, card: _Card, said: dict[str, Any]) -> None:
        card.opened = said
        card.seen_at = time.monotonic()
        card.seen_frames = -1
        if self._lost_at is not None:
            away_s = time.monotonic() - self._lost_at
            self._tell(f"playing on {said['open']}, after {away_s:.1f} s")
        wanted_hz = self._rate_hz or self._wished.rate_hz or 48000.0
        if said["rate_hz"] != wanted_hz and not (self._played and self._lost_at is None):
            self._tell(
                f"{said['open']} refuses {wanted_hz:.0f} Hz: resampled to its {said['rate_hz']:.0f} Hz"
            )
        self._lost_at = None
        self._played = True
        if self._ready:
            self._sound.ask("open", said["rate_hz"])
        if not said["chosen"] and self._device is not None:
            self._tell(f"{self._device!r} is not there: back to it as soon as it comes")

    def _lose(self, why: str) -> None:
        """The device is gone: the piece keeps the time while another one, or it again, is looked for."""
        card = self._card
        assert card is not None
        since = card.seen_at if card.opened else time.monotonic()
        card.child.leave()
        if self._played and self._lost_at is None:
            self._lost_at = time.monotonic()
            self._tell(f"{why}: looking for it, or for the default device; the piece goes on meanwhile")
            self._alone(int(since * 1e9))
        self._full = False
        self._card = None
        if self._next_card is not None:
            self._next_card.child.leave()
            self._next_card = None
        self._retry_at = time.monotonic() + RETRY_S

    def _alone(self, since_ns: int) -> None:
        """Has the piece keep the time by itself; while it is paused, time stands still."""
        self._sound.ask("alone", None if self._paused else since_ns)

    def _watch_playing(self, card: _Card, now: float) -> None:
        slot = self._ring.slots[card.slot]
        frames = int(slot[Slot.FRAMES])
        if frames != card.seen_frames:
            card.seen_frames, card.seen_at = frames, now
        elif now - card.seen_at > STUCK_S:
            self._lose(f"{card.opened['open'] if card.opened else 'the device'} has stopped taking sound")
            return
        if not card.child.alive:
            self._lose("the device's process was ended from outside")
            return
        self._count(card, slot)
        if card.opened and not card.opened["chosen"] and self._next_card is None:
            self._next_card = self._start(1 - card.slot, self._device, otherwise=False)

    def _count(self, card: _Card, slot: Any) -> None:
        """Counts what did not come in time, says why, and has the piece play further ahead."""
        starved, late = int(slot[Slot.STARVED]), int(slot[Slot.UNDERFLOWS])
        if starved > card.starved and self._full and not self.over:
            self.underruns += starved - card.starved
            grown = min(2 * self._cushion, RING_FRAMES // 2)
            if self._ready and grown > self._cushion:
                self._cushion = grown
                self._sound.ask("cushion", grown)
                rate_hz = card.opened["rate_hz"] if card.opened else 48000.0
                self._tell(
                    f"underrun {self.underruns}: the machine was too busy to play on in time; "
                    f"it now plays {1000.0 * grown / rate_hz:.0f} ms ahead"
                )
        if late > card.underflows:
            self.underruns += late - card.underflows
        card.starved, card.underflows = starved, late

    def _watch_opening(self, card: _Card, now: float) -> None:
        beat_ns = max(int(self._ring.slots[card.slot][Slot.BEAT]), self._forgiven_ns)
        held_s = time.monotonic() - beat_ns * 1e-9
        why = None
        if not card.child.alive:
            if not card.child.messages.empty():
                return
            noise = list(card.child.noise)[-1:]
            why = f"the sound library gave up{': ' + noise[0] if noise else ''}"
        elif held_s > (OPENING_S if card.looking else STARTING_S):
            why = "the sound server does not answer"
        if why is None:
            return
        self._tries += 1
        if not self._played and self._tries >= TRIES:
            raise DeviceError(f"{why}: restart the sound server, or choose another --device")
        self._lose(why)

    def _watch_next(self, card: _Card, now: float) -> None:
        """The device that was asked for at first, once it is there again, takes over from the other."""
        while not card.child.messages.empty():
            said = card.child.messages.get()
            if "open" in said:
                old, self._card, self._next_card = self._card, card, None
                assert old is not None
                self._ring.slots[old.slot][Slot.PLAY] = 0
                old.seen_at = now
                self._leaving, self._full = old, False
                card.opened, card.seen_at, card.seen_frames = said, now, -1
                self._tell(f"{said['open']} is back: playing on it again")
                return
        beat_ns = max(int(self._ring.slots[card.slot][Slot.BEAT]), self._forgiven_ns)
        if not card.child.alive or time.monotonic() - beat_ns * 1e-9 > OPENING_S:
            card.child.leave()
            self._next_card = None
