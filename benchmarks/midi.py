"""How soon a note is heard, how evenly, and what a flood of messages costs.

    python benchmarks/midi.py            # the engine's own share, and the flood, without a sound card
    python benchmarks/midi.py --jack     # note to sound over JACK: wants jackd (apt-get install jackd2)

Without a card, a thread takes frames as a card does, 128 each 2.7 ms, while notes come at any moment.
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
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resonance.dsp.denormals import flush_denormals
from resonance.engine.performance import Performance
from resonance.inputs import maps
from resonance.inputs.player import Player
from resonance.outputs.speakers.moments import Moments
from resonance.outputs.speakers.piece import hand_frame, next_frames
from resonance.outputs.speakers.ring import go_first
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


def flood(seconds: float) -> None:
    """A minute of hostile messages beside one without any, while a card takes frames in real time."""
    messages = hostile(100_000)
    block = CUSHION // 8
    for messages_hz in (0, MESSAGES_HZ):
        performance = Performance(load("crystal-garden"), RATE, 1)
        player = Player(maps.load(), performance.score, follow_clock=True)
        moments = Moments(RATE)
        performance.render(RATE // block * block)
        for channel in range(16 if messages_hz else 0):
            for note in range(128):
                for command in player.receive("keys", 0.0, bytes((0x90 | channel, note, 100))):
                    performance.do(command)
        performance.render(CUSHION)
        spent, sent, refused, gaps, lost = [], 0, 0, 0, 0
        began, first = time.monotonic(), performance.frame - CUSHION
        began_cpu = time.process_time()
        while (now := time.monotonic()) < began + seconds:
            taken = first + int((now - began) * RATE) // PERIOD * PERIOD - lost
            if taken > performance.frame:
                gaps, lost = gaps + 1, lost + taken - performance.frame + CUSHION // 2
                continue
            moments.saw(now, taken)
            while sent < (now - began) * messages_hz:
                at_s = began + sent / messages_hz
                for command in player.receive("keys", at_s, messages[sent % len(messages)]):
                    try:
                        performance.do(command, hand_frame(performance, moments, at_s, CUSHION))
                    except (KeyError, ValueError):
                        refused += 1
                sent += 1
            if frames := next_frames(CUSHION, performance.frame - taken):
                start = time.process_time()
                audio = performance.render(frames)
                spent.append(1e3 * (time.process_time() - start))
                assert np.isfinite(audio).all()
            else:
                time.sleep(0.0005)
        share = 100.0 * (time.process_time() - began_cpu) / seconds
        print(f"{messages_hz} messages a second for {seconds:g} s: {share:.1f} % of one core (CPU time)")
        told("  what is rendered at once, in", spent)
        print(f"  times that the ring, {1e3 * CUSHION / RATE:.0f} ms, ran empty: {gaps}")
        for command in player.gone("keys"):
            performance.do(command)
        performance.render(RATE)
        print(f"  stuck notes: {player.held}; bytes that were no messages: {player.dropped}")
        print(f"  commands that were refused: {refused}", flush=True)


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
    parser = argparse.ArgumentParser(description="How soon notes are heard, and what a flood costs.")
    parser.add_argument("--jack", action="store_true", help="note to sound over JACK")
    parser.add_argument("--notes", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the flood lasts")
    arguments = parser.parse_args()
    flush_denormals()
    go_first()
    if arguments.jack:
        over_jack(arguments.notes)
        return
    if arguments.notes:
        own_share(arguments.notes)
    flood(arguments.seconds)


if __name__ == "__main__":
    main()
