"""What a flood of messages costs, how soon a note is heard, and how evenly.

    python benchmarks/midi.py            # the flood, and the engine's own share, without a sound card
    python benchmarks/midi.py --jack     # note to sound over JACK: wants jackd (apt-get install jackd2)

Without a card, a process takes frames as a card does, 128 each 2.7 ms. All goes through the very processes of
`resonance perform`; only its ports and its device are stood in for.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resonance.cli import perform
from resonance.engine import takes
from resonance.engine.commands import NoteOn
from resonance.inputs import maps
from resonance.inputs.ports import Inputs, Times
from resonance.outputs.speakers import watch
from resonance.outputs.speakers.outlet import Opened
from resonance.outputs.speakers.piece import Piece
from resonance.outputs.speakers.ring import Ring, Slot
from resonance.score import load

RATE = 48_000
PERIOD = 128
"""Frames that the card takes at once."""
CUSHION = 1024
"""How far it is played ahead, with blocks of an eighth of it."""
MESSAGES_HZ = 10_000


def told(name: str, values: Sequence[float], unit: str = "ms") -> None:
    """A line of percentiles."""
    p50, p90, p99, most = np.percentile(values, (50, 90, 99, 100))
    print(f"{name}: median {p50:.2f}, p90 {p90:.2f}, p99 {p99:.2f}, at most {most:.2f} {unit}", flush=True)


def hostile(count: int) -> list[bytes]:
    """Any messages at all, and some that are none."""
    chance = random.Random(2)
    nonsense = (
        b"\xf0\x7e\x00",
        b"\xf4\xf9\xff"[:2],
        b"\x90\x3c",
        b"\xf0" + bytes(200),
        b"\xf2\x01",
        b"\x3c\x40",
    )
    return [
        chance.choice(nonsense)
        if chance.random() < 0.05
        else bytes((chance.randrange(0x80, 0x100), chance.randrange(128), chance.randrange(128)))
        for _ in range(count)
    ]


CARD = """
import ctypes, sys, numba, numpy as np
from resonance.outputs.speakers.callback import compiled
from resonance.outputs.speakers.ring import Ring, Slot, go_at_once, prepared
# Compiled, as a sound card's thread is: Python in its place would cool the caches of what is measured.
ring = Ring(int(sys.argv[1]))
slot, period, rate = ring.slots[0], int(sys.argv[2]), int(sys.argv[3])
slot[Slot.DATA], slot[Slot.HEADER] = ring.data.ctypes.data, ring.header.ctypes.data
prepared(slot, ring.levels[0], rate, 1.0)
libc, take = ctypes.CDLL(None), compiled().ctypes
sleep, clock = libc.usleep, libc.clock_gettime
sleep.argtypes, clock.argtypes = (ctypes.c_uint,), (ctypes.c_int, ctypes.c_void_p)
@numba.njit(nogil=True)
def taken(slot, leave, period, rate, out):
    now, due, good = np.zeros(2, np.int64), 0.0, True
    while not slot[leave]:
        clock(1, now.ctypes)
        at = now[0] + 1e-9 * now[1]
        due = due + period / rate if due else at
        if due > at:
            sleep(int(1e6 * (due - at)))
        take(0, out.ctypes, period, 0, 0, slot.ctypes)
        for sample in out.flat:
            good &= abs(sample) < 1.0
    return good
taken(np.ones(1, slot.dtype), 0, period, rate, np.zeros((period, 2), np.float32))
go_at_once()
print("up", flush=True)
assert taken(slot, int(Slot.LEAVE), period, rate, np.zeros((period, 2), np.float32))
"""


class Card:
    """Stands in for the outlet: a process that calls what a sound card would call, when it would."""

    lost, rate_hz = False, float(RATE)

    def __init__(self, ring: Ring, *_: object) -> None:
        self.slot, self.opened = ring.slots[0], Opened("clock", RATE, 0.0, True)
        self._greeted = False
        call = [sys.executable, "-c", CARD, *map(str, (ring.file, PERIOD, RATE))]
        self.process = subprocess.Popen(call, stdout=subprocess.PIPE, pass_fds=(ring.file,))
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def watch(self) -> list[Opened]:
        greeted, self._greeted = self._greeted, True
        return [] if greeted else [self.opened]

    def gate(self, play: bool) -> None:
        self.slot[Slot.PLAY] = int(play)

    def set_level(self, level: float) -> None: ...

    def forgive(self) -> None: ...

    def leave(self) -> None:
        self.slot[Slot.LEAVE] = 1
        assert self.process.wait() == 0


class Keyboards(Inputs):
    """Stands in for the ports: one whose driver's queue has what it is told to `play`, as it is due."""

    last: Keyboards

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._systems = []
        self._open["", "keys"] = self  # type: ignore[assignment]
        self.port, self.times, self.deltatime = self, Times(), 0.0
        self.play(())
        Keyboards.last = self

    def play(self, due: Iterable[tuple[float, bytes]]) -> None:
        """Messages with the moments at which they are there; when each was read is in `read_s`."""
        self.read_s: list[float] = []
        self._due = iter(due)
        self._next = next(self._due, None)
        self._last_s = time.monotonic()

    @staticmethod
    def flood(messages_hz: float) -> Iterator[tuple[float, bytes]]:
        """First every key of every channel goes down, then comes anything at all."""
        everything = [bytes((0x90 | k % 16, k // 16, 100)) for k in range(16 * 128)] + hostile(100_000)
        began_s = time.monotonic()
        for k in itertools.count() if messages_hz else ():
            yield began_s + k / messages_hz, everything[k % len(everything)]

    def get_message(self) -> bytes | None:
        if self._next is None or self._next[0] > (now_s := time.monotonic()):
            return None
        due_s, data = self._next
        self.deltatime, self._last_s = due_s - self._last_s, due_s
        self.read_s.append(now_s)
        self._next = next(self._due, None)
        return data

    def close_port(self) -> None: ...


def cpu_s(pid: int) -> float:
    """What a process has spent."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def performing(folder: Path, lines: list[str]) -> Iterator[tuple[watch.Speakers, Callable[..., None]]]:
    """`resonance perform` with its own processes: one reads, one sounds, a third takes it as a card does.

    Gives with them what waits until something is so, and at least so long.
    """
    watch.Outlet, perform.Inputs = Card, Keyboards  # type: ignore[assignment, misc]
    # After an underrun it is not to play further ahead, and have less of them.
    watch.RING_FRAMES = 2 * CUSHION
    words = argparse.Namespace(
        midi_in=[], midi_clock=True, midi_clock_out=None, osc=None, heart=None, learn=False
    )
    piece, score = Piece("crystal-garden", seed=1, cushion_frames=CUSHION), load("crystal-garden")
    with (
        watch.Speakers(piece, tell=lines.append) as speakers,
        perform._hands(words, score, maps.load(), folder, speakers, lines.append),
    ):

        def wait(until: Callable[[], object], last_s: float = 0.0) -> None:
            end_s = time.monotonic() + last_s
            while time.monotonic() < end_s or not until():
                speakers.watch()
                time.sleep(0.05)

        wait(lambda: speakers.playing)
        wait(lambda: True, 3.0)
        yield speakers, wait


def flood(seconds: float, messages_hz: float) -> None:
    """A flood of hostile messages; what was kept of it is then heard again: the same, with no note left."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name, performing(Path(name), lines) as (speakers, wait):
        keys, sound, slot = Keyboards.last, speakers._sound.process.pid, speakers._outlet.slot
        empty, before = int(slot[Slot.STARVED]), (cpu_s(os.getpid()), cpu_s(sound))
        keys.play(keys.flood(messages_hz))
        wait(lambda: True, seconds)
        read = len(keys.read_s)
        keys.play(())
        empty = int(slot[Slot.STARVED]) - empty
        reads, sounds = (
            100.0 * (cpu_s(pid) - spent) / seconds
            for pid, spent in zip((os.getpid(), sound), before, strict=True)
        )
        keys._gone("keys")
        wait(lambda: True, 1.0)
        speakers.keep(f"{name}/flood.take")
        wait(lambda: speakers.kept)
        print(f"{messages_hz} messages a second for {seconds:g} s, {read} read: {reads:.1f} % of a")
        print(f"  core to understand them (CPU time), {sounds:.1f} % to sound the piece with them")
        print(f"  times that the ring, {1e3 * CUSHION / RATE:.0f} ms, ran empty: {empty}")
        for line in dict.fromkeys(line for line in lines if "underrun" not in line):
            print(f"  said: {line}")
        if messages_hz:
            heard_again(Path(name) / "flood.take")


def own_share(notes: int) -> None:
    """From a note that is read to its first sample in the ring, with a card that takes it in real time."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name, performing(Path(name), lines) as (speakers, wait):
        keys, file = Keyboards.last, speakers._ring.file
        call = [sys.executable, "-c", RING, str(file)]
        ring = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(file,))
        assert ring.stdin is not None
        assert ring.stdout is not None
        ring.stdout.readline()
        chance, due, due_s = random.Random(1), [], time.monotonic() + 0.5
        for k in range(notes):
            due += [(due_s, bytes((0x90, 60 + k % 12, 64))), (due_s + 0.05, bytes((0x80, 60 + k % 12, 64)))]
            due_s += 0.09 + 0.02 * chance.random()
        keys.play(due)
        wait(lambda: len(keys.read_s) == len(due))
        wait(lambda: True, 0.5)
        ring.stdin.close()
        written = np.frombuffer(ring.stdout.read()).reshape(-1, 2)
        speakers.keep(f"{name}/notes.take")
        wait(lambda: speakers.kept)
        take = takes.read(Path(name) / "notes.take")
    placed = np.array([frame for frame, command in take.commands if isinstance(command, NoteOn)])
    assert len(placed) == notes, f"{len(placed)} of {notes} notes were played"
    first = placed + take.performance().delay_frames
    # A frame is there as soon as more than it was written.
    in_ring_s = written[np.searchsorted(written[:, 1], first, side="right"), 0]
    print(f"{notes} notes, ten a second; blocks of {CUSHION // 8}, {CUSHION} ahead, a card of {PERIOD}")
    told("  message read to its first sample in the ring", 1e3 * (in_ring_s - np.array(keys.read_s[::2])))
    taken = placed - RATE * np.array([at_s for at_s, _ in due[::2]])
    told("  off its even place", 1e3 * np.abs(taken - np.median(taken)) / RATE)
    for line in lines:
        print(f"  said: {line}")


def heard_again(path: Path) -> None:
    """Plays a take once more, and says whether it was the same."""
    take = takes.read(path)
    performance = take.performance()
    for _ in take.blocks(performance=performance):
        pass
    same = set(take.digests) & set(performance.history.since(take.first)[2])
    held = sum(len(leg.engine.keys.held(None)) for leg in performance._legs)
    print(
        f"  its take: {len(take.commands)} commands; {len(same)} of {len(take.digests)} stretches the same;"
    )
    print(f"  {held} notes left behind", flush=True)


RING = """
import ctypes, sys, threading, numba, numpy as np
from resonance.outputs.speakers.ring import Header, Ring, go_at_once
# Compiled, since it looks five thousand times a second, and is not to be what is measured; and let in at
# once, as a sound card's thread is.
libc = ctypes.CDLL(None)
sleep, clock = libc.usleep, libc.clock_gettime
sleep.argtypes, clock.argtypes = (ctypes.c_uint,), (ctypes.c_int, ctypes.c_void_p)
@numba.njit(nogil=True)
def watched(header, word, until, seen):
    now, count = np.zeros(2, np.int64), 1
    while not until[0] and count < len(seen):
        if header[word] != seen[count - 1, 1]:
            clock(1, now.ctypes)
            seen[count, 0], seen[count, 1] = now[0] + 1e-9 * now[1], header[word]
            count += 1
        sleep(200)
    return count
header, until, seen = Ring(int(sys.argv[1])).header, np.zeros(1), np.zeros((1_000_000, 2))
watched(header, int(Header.WRITTEN), np.ones(1), seen)
def read():
    sys.stdin.read()
    until[0] = 1
threading.Thread(target=read, daemon=True).start()
go_at_once()
print("up", flush=True)
count = watched(header, int(Header.WRITTEN), until, seen)
sys.stdout.buffer.write(seen[:count].tobytes())
"""
SENDER = """
import sys, time
from resonance.inputs import ports
library = ports._library()
out = library.MidiOut("keys", api=library.API_UNIX_JACK)
out.open_virtual_port("out")
print("up", flush=True)
sys.stdin.readline()
due = time.monotonic()
for k in range(int(sys.argv[1])):
    time.sleep(max(0.0, due - time.monotonic()))
    print(time.monotonic(), flush=True)
    out.send_raw(0x90, 72, 127)
    due += 0.4
    time.sleep(0.03)
    out.send_raw(0x80, 72, 0)
"""
RECORDER = """
import sys, time, numpy as np, sounddevice
def came(data, frames, at, _):
    parts.append((time.monotonic(), data.copy()))
parts = []
with sounddevice.InputStream(device="jack_thru", samplerate=48000, channels=2, blocksize=128, callback=came):
    print("up", flush=True)
    sys.stdin.readline()
np.savez(sys.argv[1], at=[at for at, _ in parts], audio=np.concatenate([data for _, data in parts]))
"""
STILL = """format = 1
[[scene]]
name = "one"
length = 600
[scene.sounds]
crystals = { touch_hz = 0, theme_hz = 0, t60_s = 0.2, hardness = 1, send_db = -120 }
"""


def over_jack(notes: int) -> None:
    """From a note that another process sends to its first sample, recorded by a third."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "outputs"))
    from live import Program
    from servers import Servers

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = Servers(folder)
        servers.start("jack")
        env = {**servers.env, "PYTHONPATH": os.pathsep.join(sys.path)}
        (folder / "still.toml").write_text(STILL)
        try:
            words = ("perform", folder / "still.toml", "--device", "jack_thru", "--latency", "11")
            with Program(*words, env=servers.env, folder=folder) as playing:
                playing.says(r"\d:\d\d one")
                call = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
                with (
                    subprocess.Popen([sys.executable, "-c", SENDER, str(notes)], **call) as sender,
                    subprocess.Popen(
                        [sys.executable, "-c", RECORDER, str(folder / "heard.npz")], **call
                    ) as recorder,
                ):
                    sender.stdout.readline(), recorder.stdout.readline()
                    playing.says("MIDI: keys")
                    time.sleep(2.0)
                    sender.stdin.write("\n")
                    sender.stdin.flush()
                    sent = np.array([float(sender.stdout.readline()) for _ in range(notes)])
                    time.sleep(0.5)
                    recorder.stdin.write("\n")
                    recorder.stdin.flush()
                    recorder.wait()
                lines = [line for line in playing.lines if "underrun" in line]
        finally:
            servers.close()
        heard = np.load(folder / "heard.npz")
        _report(sent, heard["at"], np.abs(heard["audio"]).max(axis=1))
        print("  " + ("; ".join(lines) or "no underrun"))


def _report(sent: np.ndarray, at: np.ndarray, level: np.ndarray) -> None:
    # When a block came tells, at the quickest of its neighbours, when its frames were: the rest is waiting.
    # The server's clock is not this machine's, and leaves a block out where the server comes too late.
    late_s = at - np.arange(len(at)) * 128 / RATE
    loud = level > 0.02
    onsets = [k for k in np.flatnonzero(loud) if not loud[max(0, k - 2400) : k].any()]
    near = RATE // 128 // 5
    heard_s = np.array([k / RATE + late_s[max(0, k // 128 - near) : k // 128 + near].min() for k in onsets])
    print(f"{len(onsets)} of {len(sent)} notes heard")
    if len(onsets) == len(sent):
        later = 1e3 * (heard_s - sent)
        told("  note to sound", later.tolist())
        told("  off its even place", np.abs(later - np.median(later)).tolist())


def main() -> None:
    sys.setswitchinterval(perform._SWITCH_S)
    parser = argparse.ArgumentParser(description="How soon notes are heard, and what a flood costs.")
    parser.add_argument("--jack", action="store_true", help="note to sound over JACK")
    parser.add_argument("--notes", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the flood lasts")
    arguments = parser.parse_args()

    if arguments.jack:
        over_jack(arguments.notes)
        return
    for messages_hz in (0, MESSAGES_HZ) if arguments.seconds else ():
        flood(arguments.seconds, messages_hz)
    if arguments.notes:
        own_share(arguments.notes)


if __name__ == "__main__":
    main()
