"""MIDI ports: found, opened and read as they come and go, with the times that their driver gives.

Messages wait in the driver's own queue, which is asked each millisecond: a callback into Python would hold
up the driver's thread, which on JACK is everybody's, and the queue's times stay true however late it is
asked.
"""

from __future__ import annotations

import ctypes
import functools
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.001
LOOK_S = 0.5
"""How often it is looked whether ports have come or gone."""
CLIENT = "resonance"
_OWN = re.compile(rf"{CLIENT}(-\d+)?[: ]")  # JACK counts clients of one name
_WINDOW_S = 2.0
_SLACK_S = 0.002
_MOST_AT_ONCE = 512
_NO_START = 1  # JackNoStartServer

Heard = Callable[[str, float, bytes], None]


class MidiError(RuntimeError):
    """There is no MIDI on this machine; the text says what to do."""


def _library() -> Any:
    """rtmidi2; on Linux with the system's own JACK library, since the one it brings speaks to few servers."""
    _jack()
    try:
        import rtmidi2
    except ImportError as error:
        raise MidiError(f"MIDI cannot be used here: {error}; pip install rtmidi2") from None
    return rtmidi2


@functools.cache
def _jack() -> Any:
    """The system's JACK library, silent, and found by rtmidi2 before its own; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        jack = ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)
        quiet = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
        # It would say on standard error whenever no server runs; any C function of a string is silent.
        jack.jack_set_error_function(quiet)
        jack.jack_set_info_function(quiet)
        jack.jack_client_open.restype = ctypes.c_void_p
        jack.jack_client_close.argtypes = (ctypes.c_void_p,)
    except (OSError, AttributeError):
        return None
    return jack


def _jack_answers() -> bool:
    """Whether a JACK server runs: rtmidi2 complains on standard error each time that it finds none."""
    jack = _jack()
    if jack is None:
        return False
    client = jack.jack_client_open(f"{CLIENT} look".encode(), _NO_START, None)
    if client is not None:
        jack.jack_client_close(client)
    return client is not None


def _systems(library: Any) -> list[Any]:
    """The MIDI systems to look at: on Linux ALSA, where the kernel has it, and JACK."""
    if not sys.platform.startswith("linux"):
        return [library.API_UNSPECIFIED]
    found = [library.API_LINUX_ALSA] if Path("/dev/snd/seq").exists() else []
    return [*found, library.API_UNIX_JACK]


def _is_there(library: Any, system: Any) -> bool:
    return system != library.API_UNIX_JACK or _jack_answers()


def label(name: str) -> str:
    """A port's name without the numbers that change when it is plugged in again."""
    return re.sub(r"[ :]+\d+:\d+$", "", name)


class Times:
    """A driver's delta times to this machine's clock: as even as the driver's, and never drifting from it."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._read_s: deque[float] = deque()
        """When messages were read, in the last seconds."""
        self._lags: deque[tuple[float, float]] = deque()
        """Of those the ones since which no lag was smaller: the first has the smallest of all."""

    def at(self, delta_s: float, now_s: float) -> float:
        """When a message came that is read now, `delta_s` after the one before it."""
        if self._at_s is None or not 0.0 <= delta_s < 3600.0 or now_s - self._at_s - delta_s > 1.0:
            self._begin(now_s)
            return now_s
        self._at_s = min(self._at_s + delta_s, now_s)
        lag_s = now_s - self._at_s
        while self._lags and self._lags[-1][1] >= lag_s:
            self._lags.pop()
        self._lags.append((now_s, lag_s))
        self._read_s.append(now_s)
        while self._read_s[0] < now_s - _WINDOW_S:
            self._read_s.popleft()
        while self._lags[0][0] < self._read_s[0]:
            self._lags.popleft()
        # What was read soonest tells how far the two clocks have parted.
        least = self._lags[0][1]
        if now_s - self._read_s[0] > 0.5 * _WINDOW_S and least > _SLACK_S:
            self._begin(self._at_s + least - 0.5 * _SLACK_S)
        return self._at_s

    def _begin(self, at_s: float) -> None:
        """Counts from a moment on; what was before says no more how far the two clocks have parted."""
        self._at_s = at_s
        self._read_s.clear()
        self._lags.clear()


class _Watch:
    """The ports of each system, by clients that stay: to open one takes 30 ms, in which no key is read."""

    def __init__(self, library: Any, kind: Any) -> None:
        self._library = library
        self._kind = kind
        self._clients: dict[Any, Any] = {}

    def names(self, system: Any) -> list[str]:
        """The ports there are now, none where the system is not there."""
        try:
            if system not in self._clients:
                if not _is_there(self._library, system):
                    return []
                self._clients[system] = self._kind(f"{CLIENT} watch", api=system)
            return list(self._clients[system].ports)
        except Exception:  # no server of this system, or it has gone: ask anew, by a client of its own
            self._clients.pop(system, None)
            return []


class _Open:
    """One open input."""

    def __init__(self, library: Any, system: Any, number: int) -> None:
        self.port = library.MidiIn(CLIENT, api=system)
        self.port.ignore_types(False, False, False)
        self.port.open_port(number)
        self.times = Times()


class Inputs:
    """Every input port, or those that are named; `wanted` are parts of names. A context that reads them.

    `heard` is given a port's name, time (`time.monotonic`) and bytes; `gone` the name of one that has
    vanished: on ALSA and JACK two devices of one make have two, though one `label`. `rest` is called
    between, with the time. All in one thread. `tell` takes lines for the player.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        heard: Heard,
        gone: Callable[[str], None],
        rest: Callable[[float], None],
        tell: Callable[[str], None],
    ) -> None:
        """Raises MidiError where MIDI cannot be used at all."""
        self._library = _library()
        self._wanted = [name.lower() for name in wanted]
        self._heard, self._gone, self._rest, self._tell = heard, gone, rest, tell
        self._systems = _systems(self._library)
        self._watch = _Watch(self._library, self._library.MidiIn)
        self._open: dict[tuple[Any, str], _Open] = {}
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.messages = 0

    @property
    def devices(self) -> list[str]:
        """The labels of the ports that are open."""
        return [label(name) for _, name in self._open]

    def __enter__(self) -> Inputs:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        looked = -LOOK_S
        while not self._leaving.is_set():
            now = time.monotonic()
            if now - looked >= LOOK_S:
                looked = now
                self.look()
            self.read()
            self._rest(time.monotonic())
            time.sleep(POLL_S)
        for port in self._open.values():
            port.port.close_port()

    def look(self) -> None:
        """Opens what has come, and lets go of what has gone."""
        for system in self._systems:
            names = self._watch.names(system)
            for key in [key for key in self._open if key[0] == system and key[1] not in names]:
                self._open.pop(key).port.close_port()
                self._tell(f"MIDI: {label(key[1])} has gone; its notes are let go of")
                self._gone(key[1])
            for number, name in enumerate(names):
                if (system, name) not in self._open and self._is_wanted(name):
                    self._begin(system, number, name)

    def _begin(self, system: Any, number: int, name: str) -> None:
        try:
            self._open[system, name] = _Open(self._library, system, number)
        except Exception as error:  # rtmidi raises RuntimeError, or whatever Cython makes of it
            self._tell(f"MIDI: {label(name)} cannot be opened: {error}")
        else:
            self._tell(f"MIDI: {label(name)}")

    def _is_wanted(self, name: str) -> bool:
        if _OWN.match(name):
            return False
        return not self._wanted or any(part in name.lower() for part in self._wanted)

    def read(self) -> None:
        """Takes what waits in all queues, in the order of its times."""
        waiting: list[tuple[float, str, bytes]] = []
        for (_, name), port in list(self._open.items()):
            for _ in range(_MOST_AT_ONCE):
                message = port.port.get_message()
                if message is None:
                    break
                at_s = port.times.at(port.port.deltatime, time.monotonic())
                waiting.append((at_s, name, bytes(byte & 0xFF for byte in message)))
        self.messages += len(waiting)
        for at_s, name, data in sorted(waiting, key=lambda each: each[0]):
            self._heard(name, at_s, data)


class Output:
    """An output port by a part of its name: opened when it is there, and found again when it was gone."""

    def __init__(self, wanted: str, tell: Callable[[str], None]) -> None:
        self._library = _library()
        self._watch = _Watch(self._library, self._library.MidiOut)
        self._wanted = wanted.lower()
        self._tell = tell
        self._open: Any = None
        self._name = ""
        self._system: Any = None
        self._refused: set[str] = set()
        self._looked_s = -LOOK_S

    def send(self, message: bytes) -> None:
        """Sends a message, if anybody is there to take it."""
        self._look(time.monotonic())
        if self._open is not None:
            self._open.send_raw(*message)

    def _look(self, now_s: float) -> None:
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        if self._open is not None:
            if self._name in self._watch.names(self._system):
                return
            self._open = None
            self._tell(f"MIDI clock: {label(self._name)} has gone")
        for system in _systems(self._library):
            for number, name in enumerate(self._watch.names(system)):
                if (
                    self._wanted in name.lower()
                    and not _OWN.match(name)
                    and self._begun(system, number, name)
                ):
                    return

    def _begun(self, system: Any, number: int, name: str) -> bool:
        try:
            opened = self._library.MidiOut(CLIENT, api=system)
            opened.open_port(number)
        except Exception as error:  # as an input's
            if name not in self._refused:
                self._tell(f"MIDI clock: {label(name)} cannot be opened: {error}")
            self._refused.add(name)
            return False
        self._open, self._name, self._system = opened, name, system
        self._tell(f"MIDI clock: to {label(name)}")
        return True


def names() -> tuple[list[str], list[str]]:
    """The input and output ports there are; raises MidiError where MIDI cannot be used."""
    library = _library()
    found: tuple[list[str], list[str]] = ([], [])
    for system in _systems(library):
        for side, kind in zip(found, (library.MidiIn, library.MidiOut), strict=True):
            side.extend(_Watch(library, kind).names(system))
    return found
