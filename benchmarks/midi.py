"""What a flood of messages costs, how soon a note is heard, and how evenly.

    python benchmarks/midi.py            # the flood, and the engine's own share, without a sound card
    python benchmarks/midi.py --jack     # note to sound over JACK: wants jackd (apt-get install jackd2)

Without a card, a process or a thread takes frames as a card does, 128 each 2.7 ms. The flood goes through the
very processes of `resonance perform`; only its ports and its device are stood in for.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resonance.cli import perform
from resonance.dsp.denormals import flush_denormals
from resonance.engine import takes
from resonance.engine.performance import Performance
from resonance.inputs import maps
from resonance.inputs.player import Player
from resonance.inputs.ports import Inputs, Times
from resonance.outputs.speakers import watch
from resonance.outputs.speakers.moments import Moments
from resonance.outputs.speakers.outlet import Opened
from resonance.outputs.speakers.piece import Piece, hand_frame, next_frames
from resonance.outputs.speakers.ring import Ring, Slot, go_first
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


def own_share(notes: int) -> None:
    """From a message that is read to its note in the ring, while a card takes frames in real time."""
    flush_denormals()
    go_first()
    performance = Performance(load("crystal-garden"), RATE, 1)
    player = Player(maps.load(), performance.score)
    moments, waiting, taken = Moments(RATE), deque[tuple[float, bytes]](), 0
    block = CUSHION // 8
    for _ in range(RATE // block):
        performance.render(block)
    handled, decided, in_ring, placed = [], [], [], []
    pending: deque[tuple[float, int, float]] = deque()
    chance = random.Random(1)
    began, first = time.monotonic(), performance.frame - CUSHION
    due = began + 0.5

    def keys() -> None:
        nonlocal due
        for k in range(notes):
            time.sleep(max(0.0, due - time.monotonic()))
            waiting.append((time.monotonic(), bytes((0x90 + k % 2, 60 + k % 12, 64))))
            due += 0.02 + 0.005 * chance.random()

    thread = threading.Thread(target=keys)
    thread.start()
    while thread.is_alive() or pending:
        now = time.monotonic()
        taken = first + int((now - began) * RATE) // PERIOD * PERIOD
        moments.saw(now, taken)
        while waiting:
            read_s, data = waiting.popleft()
            start = time.monotonic()
            frame = hand_frame(performance, moments, read_s, CUSHION)
            for command in player.receive("keys", read_s, data):
                performance.do(command, frame)
            handled.append(1e3 * (time.monotonic() - start))
            pending.append((read_s, frame + performance.delay_frames, now))
            placed.append(frame - (first + (read_s - began) * RATE))
        if frames := next_frames(CUSHION, performance.frame - taken):
            start = time.monotonic()
            performance.render(frames)
            decided.append(1e3 * (time.monotonic() - start))
        else:
            time.sleep(0.0005)
        while pending and performance.frame > pending[0][1]:
            in_ring.append(1e3 * (time.monotonic() - pending.popleft()[0]))
    print(f"{notes} notes at any moment; blocks of {block}, {CUSHION} ahead, a card of {PERIOD}")
    told("  message to commands, done", handled)
    told("  what is rendered at once, in", decided)
    told("  message read to first sample in the ring", in_ring)
    share = 1e3 * (np.array(placed) + performance.delay_frames - CUSHION) / RATE
    told("  its first sample, after all that was in the ring", share.tolist())
    off = 1e3 * (np.array(placed) - np.median(placed)) / RATE
    told("  off its even place", np.abs(off).tolist())


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
import sys, time, numpy as np
from resonance.outputs.speakers.callback import compiled
from resonance.outputs.speakers.ring import Ring, Slot, go_at_once, prepared
ring = Ring(int(sys.argv[1]))
slot, period, rate = ring.slots[0], int(sys.argv[2]), int(sys.argv[3])
slot[Slot.DATA], slot[Slot.HEADER] = ring.data.ctypes.data, ring.header.ctypes.data
prepared(slot, ring.levels[0], rate, 1.0)
take, out = compiled().ctypes, np.zeros((period, 2), np.float32)
go_at_once()
print("up", flush=True)
due = time.monotonic()
while not slot[Slot.LEAVE]:
    due += period / rate
    time.sleep(max(0.0, due - time.monotonic()))
    take(None, out.ctypes.data, period, None, 0, slot.ctypes.data)
    assert np.isfinite(out).all() and np.abs(out).max() < 1.0
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
    """Stands in for the ports: one whose driver's queue has what is due, `messages_hz` from `began_s` on.

    First every key of every channel goes down.
    """

    last: Keyboards

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._systems = []
        self._open["", "keys"] = self  # type: ignore[assignment]
        self.port, self.times, self.deltatime = self, Times(), 0.0
        self._all = [bytes((0x90 | k % 16, k // 16, 100)) for k in range(16 * 128)] + hostile(100_000)
        self.sent, self.messages_hz, self.began_s = 0, 0.0, 0.0
        Keyboards.last = self

    def get_message(self) -> bytes | None:
        if self.sent >= (time.monotonic() - self.began_s) * self.messages_hz:
            return None
        self.deltatime = 1.0 / self.messages_hz
        self.sent += 1
        return self._all[(self.sent - 1) % len(self._all)]

    def close_port(self) -> None: ...


def cpu_s(pid: int) -> float:
    """What a process has spent."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def flood(seconds: float, messages_hz: float) -> None:
    """A flood of hostile messages as `resonance perform` takes it.

    One process reads and understands it, another sounds it, and a third takes that as a sound card does.
    What was kept of it is then heard again: the same, with no note left behind.
    """
    watch.Outlet, perform.Inputs = Card, Keyboards  # type: ignore[assignment, misc]
    watch.RING_FRAMES = (
        2 * CUSHION
    )  # after an underrun it is not to play further ahead, and have less of them
    told: list[str] = []
    words = argparse.Namespace(
        midi_in=[], midi_clock=True, midi_clock_out=None, osc=None, heart=None, learn=False
    )
    piece, score = Piece("crystal-garden", seed=1, cushion_frames=CUSHION), load("crystal-garden")
    with (
        tempfile.TemporaryDirectory() as name,
        watch.Speakers(piece, tell=told.append) as speakers,
        perform._hands(words, score, maps.load(), Path(name), speakers, told.append),
    ):

        def wait(until: Callable[[], object], last_s: float = 0.0) -> None:
            end_s = time.monotonic() + last_s
            while time.monotonic() < end_s or not until():
                speakers.watch()
                time.sleep(0.05)

        wait(lambda: speakers.playing)
        wait(lambda: True, 3.0)
        keys, sound, slot = Keyboards.last, speakers._sound.process.pid, speakers._outlet.slot
        empty, before = int(slot[Slot.STARVED]), (cpu_s(os.getpid()), cpu_s(sound))
        keys.began_s, keys.messages_hz = time.monotonic(), messages_hz
        wait(lambda: True, seconds)
        keys.messages_hz, empty = 0.0, int(slot[Slot.STARVED]) - empty
        reads, sounds = (
            100.0 * (cpu_s(pid) - spent) / seconds
            for pid, spent in zip((os.getpid(), sound), before, strict=True)
        )
        keys._gone("keys")
        wait(lambda: True, 1.0)
        speakers.keep(f"{name}/flood.take")
        wait(lambda: speakers.kept)
        print(f"{messages_hz} messages a second for {seconds:g} s, {keys.sent} read: {reads:.1f} % of a")
        print(f"  core to understand them (CPU time), {sounds:.1f} % to sound the piece with them")
        print(f"  times that the ring, {1e3 * CUSHION / RATE:.0f} ms, ran empty: {empty}")
        for line in dict.fromkeys(told):
            print(f"  said: {line}")
        if messages_hz:
            heard_again(Path(name) / "flood.take")


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
    # When each block came tells, at its quickest, when its frames were: the rest is waiting.
    frames = np.arange(len(at)) * 128
    rate = np.polyfit(frames, at, 1)[0]
    began = float(np.min(at - frames * rate))
    loud = level > 0.02
    onsets = [k for k in np.flatnonzero(loud) if not loud[max(0, k - 2400) : k].any()]
    heard_s = began + np.array(onsets) * rate
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
