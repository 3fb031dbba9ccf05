"""A take of five minutes with everything in it, verified; and its notes, as another program reads them.

    python benchmarks/take.py [--seconds 300] [--score dream]

Keys, pedals, bends, pressure, faders, programs that jump between scenes, and controls that are learned while
it plays, all as MIDI bytes at moments of their own, into a performance that is recorded and rendered in
blocks as `perform` does. Then `resonance verify` must find it identical, and each note that was played must
lie at its place in the file of `render --take --midi-out`: read by `midicsv` where there is one (Debian:
midicsv), a program that shares nothing with ours, else by mido.
Exits with 1 where something is not so.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from resonance.cli import main as resonance_main
from resonance.contract import Event
from resonance.dsp.denormals import flush_denormals
from resonance.engine.commands import NoteOn
from resonance.engine.performance import Performance
from resonance.engine.takes import Recorder, read
from resonance.inputs import maps
from resonance.inputs.learn import Learner
from resonance.inputs.player import Player
from resonance.inputs.targets import targets_of
from resonance.score import load

BLOCK = 256
LEARNED = ("drone.glow", "crystals.damping", "space.t60_s", "fog.density")
NEAR_S = 0.002
"""How far a note may lie from its place: two ticks of the file."""


def hands(chance: random.Random, seconds: float) -> list[tuple[float, bytes | str]]:
    """What is done, and when: bytes of MIDI, or a target's name that is typed to be learned."""
    done: list[tuple[float, bytes | str]] = []
    at_s = 0.5
    while at_s < seconds - 3.0:
        note, channel = chance.randrange(48, 90), chance.choice((0, 0, 0, 1, 9))
        done.append((at_s, bytes((0x90 | channel, note, chance.randrange(20, 128)))))
        done.append((at_s + chance.uniform(0.05, 2.0), bytes((0x80 | channel, note, 64))))
        if chance.random() < 0.3:
            done += [
                (at_s + 0.01 * k, bytes((0xE0 | channel, k, 64 + round(30 * np.sin(0.3 * k)))))
                for k in range(40)
            ]
        if chance.random() < 0.2:
            done += [(at_s + 0.02 * k, bytes((0xD0 | channel, 3 * k))) for k in range(30)]
        if chance.random() < 0.2:
            fader = chance.choice((1, 11, 21, 23, 24, 27))
            done += [(at_s + 0.02 * k, bytes((0xB0, fader, min(127, 4 * k)))) for k in range(32)]
        if chance.random() < 0.1:
            done += [(at_s, bytes((0xB0, 64, 127))), (at_s + 1.5, bytes((0xB0, 64, 0)))]
        at_s += chance.uniform(0.1, 0.5)
    for k in range(1, max(2, int(seconds / 20.0))):
        done.append((20.0 * k * min(1.0, seconds / 40.0), bytes((0xC0, chance.randrange(6)))))
    for k, name in enumerate(LEARNED):
        begins_s = seconds * (0.1 + 0.2 * k)
        done.append((begins_s, name))
        done += [(begins_s + 0.5 + 0.02 * j, bytes((0xB0, 70 + k, 3 * j))) for j in range(40)]
    return sorted(done, key=lambda each: each[0])


def play(name: str, seconds: float, folder: Path) -> tuple[Path, list[float], list[str]]:
    """Plays it into a take; gives the take, when each note began that sounded, and what was learned."""
    score = load(name)
    performance = Performance(score, seed=3)
    wiring, targets = maps.load(), targets_of(score)
    learner = Learner(wiring, folder / "map.toml", targets)
    player = Player(wiring, score, learner=learner)
    waiting = hands(random.Random(5), seconds)
    begun: list[float] = []

    def heard(events: list[Event], begins_s: float) -> None:
        begun.extend(begins_s + event.frame / performance.rate for event in events if event.kind == "note")

    performance.listener = heard
    take = folder / "hands.take"
    with Recorder(take, performance):
        while performance.frame < seconds * performance.rate:
            until = performance.frame + BLOCK
            while waiting and waiting[0][0] * performance.rate < until:
                at_s, what = waiting.pop(0)
                if isinstance(what, str):
                    learner.name(what)
                    continue
                frame = max(performance.frame, round(at_s * performance.rate))
                for command in player.receive("keys", at_s, what):
                    performance.do(command, frame)
            performance.render(BLOCK)
    return take, begun, [said for said in player.said if "moves" in said]


def notes_of(midi: Path) -> tuple[str, list[float]]:
    """The beginnings of all notes in a MIDI file, in seconds, and which program read it."""
    if shutil.which("midicsv") is None:
        import mido

        found, now_s = [], 0.0
        for message in mido.MidiFile(midi):
            now_s += message.time
            if message.type == "note_on" and message.velocity:
                found.append(now_s)
        return "mido", found
    done = subprocess.run(
        ["midicsv", str(midi)], capture_output=True, text=True, check=True, encoding="latin-1"
    )
    lines = [[word.strip() for word in line.split(",")] for line in done.stdout.splitlines()]
    division = next(int(words[5]) for words in lines if words[2] == "Header")
    tempos = [int(words[3]) for words in lines if words[2] == "Tempo"]
    tick_s = (tempos[0] if tempos else 500_000) * 1e-6 / division
    begun = [int(words[1]) for words in lines if words[2] == "Note_on_c" and int(words[5])]
    return "midicsv", sorted(tick * tick_s for tick in begun)


def check(name: str, seconds: float, folder: Path) -> list[str]:
    """Plays and verifies; says what is not as it should be."""
    path, begun, learned = play(name, seconds, folder)
    take = read(path)
    struck = sum(isinstance(command, NoteOn) for _, command in take.commands)
    kinds = sorted({type(command).__name__ for _, command in take.commands})
    print(f"{take.duration:.1f} s, {len(take.commands)} commands: {', '.join(kinds)}; {struck} notes struck")
    print(f"learned while it played: {len(learned)} controls")
    wrong = [] if len(learned) == len(LEARNED) else ["not every control was learned"]
    if resonance_main(["verify", str(path)]) != 0:
        wrong.append("verify: not identical")
    midi = folder / "hands.mid"
    call = ["render", "--take", str(path), "-o", str(folder / "hands.wav"), "--midi-out", str(midi)]
    if resonance_main(call) != 0:
        wrong.append("the take was not rendered")
    program, found = notes_of(midi)
    places = np.array(found)
    missing = [at_s for at_s in begun if at_s < seconds and np.abs(places - at_s).min() > NEAR_S]
    print(
        f"{program} reads {len(found)} notes; of the {len(begun)} that were played {len(missing)} are missing"
    )
    return wrong + ([f"notes are missing, the first at {missing[0]:.3f} s"] if missing else [])


def main() -> int:
    parser = argparse.ArgumentParser(description="A take with everything in it, verified.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--score", default="dream")
    arguments = parser.parse_args()
    flush_denormals()
    with tempfile.TemporaryDirectory() as folder:
        wrong = check(arguments.score, arguments.seconds, Path(folder))
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
