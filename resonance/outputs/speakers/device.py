"""Where PortAudio lives: a process a device, made by a fork that has everything loaded but PortAudio.

PortAudio hangs or aborts where a server dies under it, and makes its list of devices only once: so a card is
a process that can be killed at any time, looks again and again for what it was told to play on, and leaves
by `os._exit`. Python and the compiled callback take seconds to load on a busy machine, and nobody wants to
wait for them in silence: so cards are forked from a process that has them, and stays clear of PortAudio.
What cards have to say they say as lines of JSON.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import Any

from resonance.outputs.speakers.ring import Ring, Slot, go_at_once, go_first, prepared

LOOK_S = 0.5
"""How often it looks whether its device is there: well within the three seconds in which it must sound."""
_ROUND_S = 0.03
_BAD_RATE = -9997  # paInvalidSampleRate


@dataclass(frozen=True, slots=True)
class Output:
    """An output as PortAudio knows it. Numbers move when a device is unplugged; names stay."""

    number: int
    name: str
    system: str  # ALSA, JACK, Core Audio
    channels: int
    rate_hz: float
    default: bool


def outputs(sounddevice: Any) -> list[Output]:
    """The outputs there are, as PortAudio found them when it was started."""
    systems = sounddevice.query_hostapis()
    default = sounddevice.default.device[1]
    if default < 0:
        default = next((s["default_output_device"] for s in systems if s["default_output_device"] >= 0), -1)
    return [
        Output(
            number,
            found["name"],
            systems[found["hostapi"]]["name"],
            found["max_output_channels"],
            found["default_samplerate"],
            number == default,
        )
        for number, found in enumerate(sounddevice.query_devices())
        if found["max_output_channels"] >= 2
    ]


def named(wanted: str, found: list[Output]) -> list[Output]:
    """The outputs that a name, a part of one, or a number fits; one where it fits exactly."""
    if wanted.isdigit():
        return [output for output in found if output.number == int(wanted)]
    exact = [output for output in found if wanted.lower() in (output.name.lower(), whole(output).lower())]
    return exact or [output for output in found if wanted.lower() in whole(output).lower()]


def whole(output: Output) -> str:
    """A name that says the system too: several may have a device of one name."""
    return f"{output.name} ({output.system})"


def _say(**what: Any) -> None:
    os.write(_says, (json.dumps({"card": _number, **what}) + "\n").encode())


_says = 1
_number = 0


def _quiet() -> None:
    """Keeps our lines apart from what libraries print, and leaves signals to the parent."""
    global _says
    _says = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _listed() -> None:
    import sounddevice

    _say(
        outputs=[
            [o.number, o.name, o.system, o.channels, o.rate_hz, o.default] for o in outputs(sounddevice)
        ],
        version=sounddevice.get_portaudio_version()[1],
    )


class Card:
    """A device for as long as it lasts. `asked` is what the parent wants:

    `slot` of the ring, `name` (None: the default), `rate_hz`, `latency_s` (None: the lowest),
    `level`, and whether to make do with the default where the named one is absent (`otherwise`).
    """

    def __init__(self, asked: dict[str, Any], ring: Ring, callback: Any) -> None:
        self._asked = asked
        self._ring = ring
        self._slot = ring.slots[asked["slot"]]
        self._callback = callback
        self._slot[Slot.DATA] = ring.data.ctypes.data
        self._slot[Slot.HEADER] = ring.header.ctypes.data
        self._user = self._slot.ctypes.data
        self._parent = os.getppid()
        self._stream: Any = None
        self._said = ""
        # From here on a frozen server can make anything hang: the parent counts the seconds.
        self._slot[Slot.BEAT] = time.monotonic_ns()
        import sounddevice

        self._sounddevice = sounddevice

    def play(self) -> None:
        """Looks until there is a device, plays until there is none. Returns when it is to end."""
        while not self._open():
            if self._wait(LOOK_S):
                return
            self._sounddevice._terminate()
            self._sounddevice._initialize()
        while not self._wait(_ROUND_S):
            if not self._stream.active:
                _say(gone="the device or its sound server went away")
                return
        # Servers remember a client that went without a word: JACK loses a third of a second over it. Where
        # this hangs, the parent kills.
        self._stream.abort()
        self._stream.close()
        self._sounddevice._terminate()

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._slot[Slot.BEAT] = time.monotonic_ns()
            time.sleep(min(left, _ROUND_S))
            if self._slot[Slot.LEAVE] or os.getppid() != self._parent:
                return True
        return False

    def _open(self) -> bool:
        name = self._asked["name"]
        found = outputs(self._sounddevice)
        if not found:
            return self._none("no output device is there")
        default = [output for output in found if output.default] or found[:1]
        fits = default if name is None else named(name, found)
        if len(fits) > 1:
            _say(unclear=f"{name!r} fits {', '.join(whole(o) for o in fits)}: name one of them")
            return False
        tried = fits + [output for output in default if self._asked["otherwise"] and output not in fits]
        why = f"no output fits {name!r}"
        for output in tried:
            try:
                self._start(output)
            except self._sounddevice.PortAudioError as error:
                why = f"{whole(output)} cannot be opened: {str(error).splitlines()[0]}"
                continue
            chosen = output in fits
            _say(
                open=whole(output),
                rate_hz=self._stream.samplerate,
                latency_s=self._latency_s(),
                chosen=chosen,
            )
            return True
        return self._none(why)

    def _none(self, why: str) -> bool:
        if why != self._said:
            _say(waiting=why)
        self._said = why
        return False

    def _start(self, output: Output) -> None:
        """Opens a device at the rate asked for or, where it refuses, at its own."""
        sounddevice = self._sounddevice
        for rate_hz in dict.fromkeys((self._asked["rate_hz"], output.rate_hz)):
            prepared(self._slot, self._ring.levels[self._asked["slot"]], rate_hz, self._asked["level"])
            try:
                self._stream = sounddevice._StreamBase(
                    kind="output",
                    device=output.number,
                    samplerate=rate_hz,
                    channels=2,
                    dtype="float32",
                    latency="low" if self._asked["latency_s"] is None else self._asked["latency_s"],
                    callback=sounddevice._ffi.cast("PaStreamCallback*", self._callback.address),
                    userdata=sounddevice._ffi.cast("void*", self._user),
                )
            except sounddevice.PortAudioError as error:
                if _BAD_RATE in error.args and rate_hz != output.rate_hz:
                    continue
                raise
            self._stream.start()
            return

    def _latency_s(self) -> float:
        """What the device says of its own delay; some say nonsense (JACK: 2^32 frames)."""
        latency_s = float(self._stream.latency)
        return latency_s if 0.0 <= latency_s < 10.0 else 0.0


class Cards:
    """Forks a card for each line it is sent, ends those it is told to, and says when one has ended."""

    def __init__(self, file: int) -> None:
        from resonance.outputs.speakers.callback import compiled

        self._ring = Ring(file)
        self._callback = compiled()
        self._running: dict[int, int] = {}

    def serve(self) -> None:
        """Goes round until the parent goes; then nothing of it stays."""
        _say(ready=True)
        lines = b""
        while True:
            if select.select([0], [], [], _ROUND_S)[0]:
                read = os.read(0, 65536)
                if not read:
                    break
                *whole_lines, lines = (lines + read).split(b"\n")
                for line in whole_lines:
                    self._do(json.loads(line))
            self._bury()
        for process in self._running.values():
            os.kill(process, signal.SIGKILL)

    def _do(self, asked: dict[str, Any]) -> None:
        number = asked["card"]
        if "kill" in asked:
            if number in self._running:
                os.kill(self._running[number], signal.SIGKILL)
            return
        process = os.fork()
        if process == 0:
            _play(number, asked, self._ring, self._callback)
        self._running[number] = process

    def _bury(self) -> None:
        for number, process in list(self._running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del self._running[number]
                os.write(_says, (json.dumps({"card": number, "ended": status}) + "\n").encode())


def _play(number: int, asked: dict[str, Any], ring: Ring, callback: Any) -> None:
    """A card's whole life; it never returns."""
    global _number
    _number = number
    try:
        go_at_once()
        Card(asked, ring, callback).play()
    except ImportError:
        _say(missing="the library sounddevice is missing: pip install sounddevice")
    except OSError as error:
        _say(missing=f"libportaudio is missing: apt install libportaudio2 ({error})")
    except BaseException as error:
        _say(waiting=f"{type(error).__name__}: {error}")
    os._exit(0)


def main(words: list[str]) -> None:
    _quiet()
    try:
        if words[0] == "list":
            _listed()
        else:
            go_first()
            Cards(int(words[1])).serve()
    except ImportError:
        _say(missing="the library sounddevice is missing: pip install sounddevice")
    except OSError as error:
        _say(missing=f"libportaudio is missing: apt install libportaudio2 ({error})")
    os._exit(0)
