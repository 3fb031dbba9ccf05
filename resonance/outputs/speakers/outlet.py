"""The way out, from the parent's side: the device that plays, and what is done when it goes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resonance.dsp import I64
from resonance.outputs.speakers import DeviceError
from resonance.outputs.speakers.child import STARTS, Child, read_line
from resonance.outputs.speakers.device import Output
from resonance.outputs.speakers.ring import FALL_S, Ring, Slot

STUCK_S = 1.0
"""A device that has taken nothing for so long is taken for dead: ten times the longest stall we measured."""
OPENING_S = 6.0
"""How long PortAudio may take over anything it is asked; a frozen server makes it hang."""
STARTING_S = 90.0
"""How long Python may take to start on a busy machine, with the callback to be compiled."""
TRIES = 3
"""How often the library may give up or hang before a device that never played is given up."""
_RETRY_S = 0.2
_LEAVING_S = 1.0
_LISTING_S = 15.0


def outputs() -> list[Output]:
    """The outputs of this machine, found in a process of its own; raises DeviceError where that fails."""
    call = [sys.executable, "-c", STARTS.format("device"), "list"]
    try:
        done = subprocess.run(
            call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LISTING_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeviceError("the sound server does not answer: restart it, and look again") from None
    said = json.loads(done.stdout) if done.stdout.strip() else {"missing": "PortAudio gave up: look again"}
    if "missing" in said:
        raise DeviceError(said["missing"])
    return [Output(*found) for found in said["outputs"]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A device plays; it takes `rate_hz`, whatever was asked for."""

    name: str
    rate_hz: float
    latency_s: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """No device plays any more, since this moment in monotonic nanoseconds."""

    since_ns: int


@dataclass(eq=False)
class Card:
    """A device's process as the parent sees it."""

    number: int
    slot: int
    opened: Opened | None = None
    ended: bool = False
    frames: int = -1
    seen_at: float = 0.0


class Outlet:
    """Keeps a device playing: the one that was asked for, else the default, else whatever comes.

    `watch` is to be called some ten times a second; it returns what has changed. Raises DeviceError from
    there while nothing has ever played.
    """

    def __init__(
        self,
        ring: Ring,
        device: str | None,
        latency_s: float | None,
        level: float,
        tell: Callable[[str], None],
    ) -> None:
        self.rate_hz = 48_000.0
        self._ring = ring
        self._device = device
        self._latency_s = latency_s
        self._level = level
        self._tell = tell
        self._forks = self._start()
        self._asked = 0
        self._card: Card | None = None
        self._better: Card | None = None
        self._leaving: Card | None = None
        self._play = False
        self._lost_at: float | None = None
        self._ever = False
        self._tries = 0
        self._retry_at = 0.0
        self._forgiven_ns = time.monotonic_ns()
        self._changes: list[Opened | Lost] = []

    @property
    def opened(self) -> Opened | None:
        """The device that plays, if one does."""
        return self._card.opened if self._card else None

    @property
    def lost(self) -> bool:
        """Whether a device played, and none does now."""
        return self._lost_at is not None

    @property
    def slot(self) -> I64 | None:
        """The numbers of the device that plays."""
        return self._ring.slots[self._card.slot] if self._card and self._card.opened else None

    def gate(self, play: bool) -> None:
        """Lets the device be heard, or fades it out and has it take nothing."""
        self._play = play
        if self._card is not None:
            self._ring.slots[self._card.slot][Slot.PLAY] = int(play)

    def set_level(self, level: float) -> None:
        """How loud the device plays, 0 to 1; it glides there."""
        self._level = level
        for levels in self._ring.levels:
            levels[Slot.WANTED] = level

    def forgive(self) -> None:
        """Begins all waiting anew: the machine stood still, and nobody is to blame."""
        self._forgiven_ns = time.monotonic_ns()
        for card in (self._card, self._better, self._leaving):
            if card is not None:
                card.seen_at = time.monotonic()

    def watch(self) -> list[Opened | Lost]:
        """Goes round once, and says what has changed since."""
        now = time.monotonic()
        if not self._forks.alive:
            self._bury(now)
        self._hear()
        if self._leaving is not None and self._has_left(self._leaving, now):
            self._leaving = None
        if self._card is None:
            if now >= self._retry_at:
                self._card = self._fork(0, otherwise=self._ever)
        elif self._card.opened is not None:
            self._watch_playing(self._card, self._card.opened, now)
        else:
            self._watch_opening(self._card, now)
        if self._better is not None and self._held(self._better):
            self._end(self._better)
            self._better = None
        changes, self._changes = self._changes, []
        return changes

    def leave(self) -> None:
        """Fades out, and ends every process, whatever they hang in."""
        self.gate(False)
        card, end = self._card, time.monotonic() + 3.0 * FALL_S
        if card is not None and card.opened is not None:
            while self._ring.levels[card.slot][Slot.FADE] > 0.0 and time.monotonic() < end:
                time.sleep(0.005)
            # What the device was given last must have been heard before it is closed.
            time.sleep(min(0.5, card.opened.latency_s))
        for slot in self._ring.slots:
            slot[Slot.LEAVE] = 1
        self._leaving, self._card, self._better = card, None, None
        end = time.monotonic() + _LEAVING_S
        while card is not None and not card.ended and time.monotonic() < end:
            time.sleep(0.01)
            self._hear()
        self._forks.leave(_LEAVING_S)

    def _start(self) -> Child:
        self._starting_since = time.monotonic()
        self._forks_ready = False
        return Child("device", ["cards", str(self._ring.file)], self._ring.file, read_line)

    def _bury(self, now: float) -> None:
        """The process that forks cards is gone, and they with it."""
        self._forks.leave()
        self._forks = self._start()
        self._better = self._leaving = None
        if self._card is not None:
            self._lose("the device's process was ended from outside", now)

    def _fork(self, slot: int, *, otherwise: bool) -> Card:
        self._asked += 1
        words = self._ring.slots[slot]
        words[:] = 0
        words[Slot.BEAT] = time.monotonic_ns()
        asked = {
            "card": self._asked,
            "slot": slot,
            "name": self._device,
            "otherwise": otherwise,
            "rate_hz": self.rate_hz,
            "latency_s": self._latency_s,
            "level": self._level,
        }
        self._forks.send(json.dumps(asked).encode() + b"\n")
        return Card(self._asked, slot, seen_at=time.monotonic())

    def _end(self, card: Card) -> None:
        self._forks.send(json.dumps({"card": card.number, "kill": True}).encode() + b"\n")

    def _hear(self) -> None:
        while not self._forks.messages.empty():
            said = self._forks.messages.get()
            if "ready" in said:
                self._forks_ready = True
            for card in (self._card, self._better, self._leaving):
                if card is not None and card.number == said["card"]:
                    self._hear_card(card, said)
            if "missing" in said and said["card"] == 0:
                raise DeviceError(said["missing"])

    def _hear_card(self, card: Card, said: dict[str, Any]) -> None:
        now = time.monotonic()
        if "ended" in said:
            card.ended = True
            if card is self._better:
                self._better = None
            elif card is self._card:
                self._lose("the sound library gave up", now)
        elif "open" in said:
            card.opened = Opened(said["open"], said["rate_hz"], said["latency_s"], said["chosen"])
            card.seen_at, card.frames = now, -1
            if card is self._better:
                self._hand_over(card)
            self._greet(card.opened)
        elif "gone" in said and card is self._card:
            self._lose(said["gone"], now)
        elif card is self._card and not self._ever:
            raise DeviceError(next(said[key] for key in ("missing", "unclear", "waiting") if key in said))

    def _hand_over(self, card: Card) -> None:
        """The device that was asked for is there again: the other one fades out, and goes."""
        assert self._card is not None
        self._ring.slots[self._card.slot][Slot.PLAY] = 0
        self._leaving, self._card, self._better = self._card, card, None
        self._leaving.seen_at = time.monotonic()

    def _has_left(self, card: Card, now: float) -> bool:
        if self._ring.levels[card.slot][Slot.FADE] <= 0.0:
            self._ring.slots[card.slot][Slot.LEAVE] = 1
        if card.ended or now - card.seen_at > _LEAVING_S:
            self._end(card)
            return True
        return False

    def _greet(self, opened: Opened) -> None:
        if self._ever:
            after = f", after {time.monotonic() - self._lost_at:.1f} s" if self._lost_at else " again"
            self._tell(f"playing on {opened.name}{after}")
            if not opened.chosen:
                self._tell(f"{self._device!r} is not there: back to it as soon as it comes")
        if opened.rate_hz != self.rate_hz:
            self._tell(
                f"{opened.name} refuses {self.rate_hz:.0f} Hz: resampled to its {opened.rate_hz:.0f} Hz"
            )
        self._ever, self._lost_at = True, None
        self._changes.append(opened)

    def _lose(self, why: str, now: float) -> None:
        """Looks for a device anew; the piece has to keep the time by itself meanwhile."""
        card = self._card
        assert card is not None
        if not card.ended:
            self._end(card)
        if not self._ever:
            self._tries += 1
            if self._tries >= TRIES:
                raise DeviceError(f"{why}: restart the sound server, or choose another --device")
        elif card.opened is not None:
            self._lost_at = now
            self._tell(f"{why}: looking for it, or for the default device; the piece goes on meanwhile")
            self._changes.append(Lost(int(card.seen_at * 1e9)))
        if self._better is not None:
            self._end(self._better)
        self._card = self._better = None
        self._retry_at = now + _RETRY_S

    def _watch_playing(self, card: Card, opened: Opened, now: float) -> None:
        frames = int(self._ring.slots[card.slot][Slot.FRAMES])
        if frames != card.frames:
            card.frames, card.seen_at = frames, now
        elif now - card.seen_at > STUCK_S:
            self._lose(f"{opened.name} has stopped taking sound", now)
            return
        if not opened.chosen and self._better is None and self._leaving is None:
            self._better = self._fork(1 - card.slot, otherwise=False)

    def _held(self, card: Card) -> bool:
        """Whether a process has hung in PortAudio for too long."""
        beat_ns = max(int(self._ring.slots[card.slot][Slot.BEAT]), self._forgiven_ns)
        return time.monotonic() - beat_ns * 1e-9 > OPENING_S

    def _watch_opening(self, card: Card, now: float) -> None:
        if not self._forks_ready:
            # Python is still being started: only then does the card's time begin.
            self._ring.slots[card.slot][Slot.BEAT] = time.monotonic_ns()
            if now - self._starting_since > STARTING_S:
                self._forks.leave()
        elif self._held(card):
            self._lose("the sound server does not answer", now)
