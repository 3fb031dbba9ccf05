"""SuperCollider's scsynth, rendering a score of OSC messages without real time.

Its synth definitions and its score are written here as bytes, so that sclang is not needed. Blocks are of 64
frames, as it has them by default.

Source: SuperCollider help, "Synth Definition File Format" (version 2) and "Non-Realtime Synthesis".
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines import work

NAME = "scsynth"
SCALAR, CONTROL, AUDIO = 0, 1, 2
_PLUS, _TIMES = 0, 2
_MIDICPS = 17

VARIANTS = {
    "W1": {"Saw": "Saw.ar, pitch moved by SinOsc.kr, Pan2"},
    "W2": {
        "SinOsc": "SinOsc.ar, table with straight lines, levels SinOsc.kr",
        "FSinOsc": "FSinOsc.ar, a recursion, levels SinOsc.kr",
    },
    "W3": {"Klank": "Klank.ar, 250 modes a side"},
    "W4": {"cubic": "GrainBuf.ar, interp 4, Hann", "linear": "GrainBuf.ar, interp 2, Hann"},
    "W5": {
        "JPverb": "JPverb (sc3-plugins), modulated allpasses",
        "FreeVerb2": "FreeVerb2.ar, 8 combs a side, still",
    },
    "W6": {"PartConv": "PartConv.ar a side, FFT of 1024"},
    "W7": {"BPF": "PinkNoise.ar, BPF.ar swept at the control rate, Pan2"},
    "W8": {"JPverb": "its units of W1 to W5, RLPF, Limiter", "FreeVerb2": "the same with FreeVerb2"},
}


def version() -> str | None:
    if shutil.which("scsynth") is None:
        return None
    told = subprocess.run(["scsynth", "-v"], capture_output=True, text=True).stdout
    found = re.search(r"scsynth (\S+)", told)
    return f"scsynth {found.group(1)}" if found else None


class Wire(tuple):
    """One output of a unit: its index, which output, and its rate."""


Signal = Wire | float | int


class Graph:
    """A synth definition as it grows, unit by unit."""

    def __init__(self) -> None:
        self._constants: dict[float, int] = {}
        self._units: list[bytes] = []

    def unit(self, name: str, rate: int, *inputs: Signal, outputs: int = 1, special: int = 0) -> list[Wire]:
        body = struct.pack(">b", len(name)) + name.encode()
        body += struct.pack(">biih", rate, len(inputs), outputs, special)
        for signal in inputs:
            if isinstance(signal, Wire):
                body += struct.pack(">ii", signal[0], signal[1])
            else:
                value = float(np.float32(signal))
                body += struct.pack(">ii", -1, self._constants.setdefault(value, len(self._constants)))
        self._units.append(body + bytes([rate]) * outputs)
        return [Wire((len(self._units) - 1, k, rate)) for k in range(outputs)]

    def one(self, name: str, rate: int, *inputs: Signal, special: int = 0) -> Wire:
        return self.unit(name, rate, *inputs, special=special)[0]

    def times(self, a: Wire, b: Signal) -> Wire:
        return self.one("BinaryOpUGen", a[2], a, b, special=_TIMES)

    def plus(self, a: Wire, b: Signal) -> Wire:
        return self.one("BinaryOpUGen", a[2], a, b, special=_PLUS)

    def scaled(self, a: Wire, by: float, plus: float) -> Wire:
        return self.one("MulAdd", a[2], a, by, plus)

    def out(self, left: Wire, right: Wire) -> None:
        self.unit("Out", AUDIO, 0, left, right, outputs=0)

    def sine(self, lfo: work.Lfo, i: int) -> Wire:
        return self.one("SinOsc", CONTROL, lfo.rate_hz[i], 2.0 * np.pi * lfo.phase[i])

    def pitch(self, hz: float, semitones: float, lfo: work.Lfo, i: int) -> Signal:
        if semitones == 0.0:
            return hz
        note = self.scaled(self.sine(lfo, i), semitones, 69.0 + 12.0 * np.log2(hz / 440.0))
        return self.one("UnaryOpUGen", CONTROL, note, special=_MIDICPS)

    def file(self, name: str) -> bytes:
        constants = struct.pack(f">i{len(self._constants)}f", len(self._constants), *self._constants)
        body = struct.pack(">b", len(name)) + name.encode() + constants + struct.pack(">ii", 0, 0)
        body += struct.pack(">i", len(self._units)) + b"".join(self._units) + struct.pack(">h", 0)
        return b"SCgf" + struct.pack(">ih", 2, 1) + body


class Sum:
    """Adds up wires as they come, four at a time, as sclang would."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._wires = graph, []

    def add(self, wire: Wire) -> None:
        self._wires.append(wire)
        if len(self._wires) == 4:
            self._wires = [self._graph.one("Sum4", AUDIO, *self._wires)]

    def total(self) -> Wire:
        if len(self._wires) == 1:
            return self._wires[0]
        return (
            self._graph.one(f"Sum{len(self._wires)}", AUDIO, *self._wires)
            if len(self._wires) == 3
            else (self._graph.plus(*self._wires))
        )


def _saws(graph: Graph, asked: work.Saws) -> tuple[Wire, Wire]:
    left, right = Sum(graph), Sum(graph)
    for i, hz in enumerate(asked.hz):
        saw = graph.one("Saw", AUDIO, graph.pitch(hz, asked.drift_st, asked.lfo, i))
        sides = graph.unit("Pan2", AUDIO, saw, asked.pan[i], asked.level, outputs=2)
        left.add(sides[0])
        right.add(sides[1])
    return left.total(), right.total()


def _partials(graph: Graph, asked: work.Partials, unit: str) -> tuple[Wire, Wire]:
    sides = Sum(graph), Sum(graph)
    for i, hz in enumerate(asked.hz):
        level = graph.scaled(graph.sine(asked.lfo, i), 0.4 * asked.level, 0.6 * asked.level)
        sides[i % 2].add(graph.times(graph.one(unit, AUDIO, hz, 0.0), level))
    return sides[0].total(), sides[1].total()


def _modes(graph: Graph, asked: work.Modes) -> tuple[Wire, Wire]:
    click = graph.one("Impulse", AUDIO, 1.0 / asked.every_s, 0.0)
    sides = []
    for side in range(2):
        specs = [
            number
            for hz, t60_s in zip(asked.hz[side::2], asked.t60_s[side::2], strict=True)
            for number in (hz, 2.0 * asked.level, t60_s)  # a Klank's modes are half as loud as asked
        ]
        sides.append(graph.one("Klank", AUDIO, click, 1.0, 0.0, 1.0, *specs))
    return sides[0], sides[1]


def _grains(graph: Graph, asked: work.Grains, interpolation: int) -> tuple[Wire, Wire]:
    low, high = asked.ratio
    rate: Signal = low
    if high > low:
        rate = graph.scaled(graph.one("WhiteNoise", AUDIO), 0.5 * (high - low), 0.5 * (high + low))
    place = graph.scaled(graph.one("WhiteNoise", AUDIO), 0.5, 0.5)
    pan = graph.one("WhiteNoise", AUDIO)
    trigger = graph.one("Impulse", AUDIO, asked.density_hz, 0.0)
    out = graph.unit(
        "GrainBuf", AUDIO, trigger, asked.grain_s, 0, rate, place, interpolation, pan, -1, 512, outputs=2
    )
    return graph.times(out[0], asked.level), graph.times(out[1], asked.level)


def _input(graph: Graph, probe: bool) -> tuple[Wire, Wire]:
    if probe:
        click = graph.one("Impulse", AUDIO, 0.0, 0.0)
        return click, click
    left, right = (graph.times(graph.one("WhiteNoise", AUDIO), work.INPUT_LEVEL) for _ in range(2))
    return left, right


def _space(graph: Graph, left: Wire, right: Wire, unit: str) -> tuple[Wire, Wire]:
    if unit == "FreeVerb2":
        # Its longest T60 is that of a room of 1: its combs' feedback is 0.7 + 0.28 times the room.
        rung = graph.unit("FreeVerb2", AUDIO, left, right, 1.0, 0.87, 0.25, outputs=2)
    else:
        # damp earlydiff highband highx lowband lowx depth rate midx size t60, as JPverb.ar hands them on.
        t60 = (0.0, 0.707, 4000.0, 0.9, 250.0, 1.0, 0.1, 2.0, 1.0, 2.0, work.T60_S)
        rung = graph.unit("JPverbRaw", AUDIO, left, right, *t60, outputs=2)
    return rung[0], rung[1]


def _winds(graph: Graph, asked: work.Winds) -> tuple[Wire, Wire]:
    left, right = Sum(graph), Sum(graph)
    for i, hz in enumerate(asked.hz):
        cutoff = graph.pitch(hz, 12.0 * asked.sweep_octaves, asked.lfo, i)
        wind = graph.one("BPF", AUDIO, graph.one("PinkNoise", AUDIO), cutoff, 1.0 / asked.q)
        sides = graph.unit("Pan2", AUDIO, wind, asked.pan[i], asked.level, outputs=2)
        left.add(sides[0])
        right.add(sides[1])
    return left.total(), right.total()


def _scene(graph: Graph, space: str) -> tuple[Wire, Wire]:
    sweep = work.Lfo(np.array([work.SCENE_SWEEP_HZ]), np.zeros(1))
    cutoff = graph.pitch(work.SCENE_CUTOFF_HZ, 12.0 * work.SCENE_SWEEP_OCTAVES, sweep, 0)
    sums = Sum(graph), Sum(graph)
    for side, wire in enumerate(_saws(graph, work.saws(False, work.SCENE_SAWS))):
        sums[side].add(graph.one("RLPF", AUDIO, wire, cutoff, 1.0 / work.SCENE_Q))
    for side, wire in enumerate(_modes(graph, work.modes(False, work.SCENE_MODES))):
        sums[side].add(wire)
    for side, wire in enumerate(_grains(graph, work.grains(False, work.SCENE_GRAINS_HZ), 4)):
        sums[side].add(wire)
    for hz, late_s in zip(work.HEART_HZ, (0.0, work.HEART_DUB_S), strict=True):
        beat = graph.one("Impulse", AUDIO, 1.0, 1.0 - late_s)
        thump = graph.times(graph.one("Ringz", AUDIO, beat, hz, work.HEART_T60_S), work.HEART_LEVEL)
        sums[0].add(thump)
        sums[1].add(thump)
    dry = sums[0].total(), sums[1].total()
    sent = [graph.times(wire, work.SCENE_SEND) for wire in dry]
    wet = _space(graph, sent[0], sent[1], space)
    left, right = (
        graph.one("Limiter", AUDIO, graph.plus(near, far), work.CEILING, 0.005)
        for near, far in zip(dry, wet, strict=True)
    )
    return left, right


def _graph(name: str, variant: str, probe: bool) -> Graph:
    graph = Graph()
    if name == "W1":
        sides = _saws(graph, work.saws(probe))
    elif name == "W2":
        sides = _partials(graph, work.partials(probe), variant)
    elif name == "W3":
        sides = _modes(graph, work.modes(probe))
    elif name == "W4":
        sides = _grains(graph, work.grains(probe), {"cubic": 4, "linear": 2}[variant])
    elif name == "W5":
        sides = _space(graph, *_input(graph, probe), variant)
    elif name == "W6":
        came = _input(graph, probe)
        sides = tuple(graph.one("PartConv", AUDIO, came[side], 1024, 10 + side) for side in range(2))
    elif name == "W7":
        sides = _winds(graph, work.winds(probe))
    else:
        sides = _scene(graph, variant)
    graph.out(*sides)
    return graph


def _osc(address: str, *arguments: str | int | float) -> bytes:
    def text(words: str) -> bytes:
        return words.encode() + b"\0" * (4 - len(words) % 4)

    tags = "," + "".join({str: "s", int: "i", float: "f"}[type(a)] for a in arguments)
    packed = [
        text(a) if isinstance(a, str) else struct.pack(">i" if isinstance(a, int) else ">f", a)
        for a in arguments
    ]
    return text(address) + text(tags) + b"".join(packed)


def _bundle(at_s: float, messages: Sequence[bytes]) -> bytes:
    whole = int(at_s)
    body = b"#bundle\0" + struct.pack(">II", whole, int((at_s - whole) * 2**32))
    body += b"".join(struct.pack(">i", len(message)) + message for message in messages)
    return struct.pack(">i", len(body)) + body


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    own = out.with_suffix("")
    own.mkdir(exist_ok=True)
    (own / "job.scsyndef").write_bytes(_graph(name, variant, probe).file("job"))
    messages = []
    if name in ("W4", "W8"):
        source = folder / ("tone.wav" if probe else "source.wav")
        messages.append(_osc("/b_allocRead", 0, str(source)))
    if name == "W6":
        parts = -(-int(work.RESPONSE_S * work.RATE_HZ) // 512)
        for side, words in enumerate(("left", "right")):
            messages.append(_osc("/b_allocRead", side, str(folder / f"{words}.wav")))
            messages.append(_osc("/b_alloc", 10 + side, parts * 1024))
            messages.append(_osc("/b_gen", 10 + side, "PreparePartConv", side, 1024))
    messages.append(_osc("/s_new", "job", 1000, 0, 0))
    score = _bundle(0.0, messages) + _bundle(seconds, [_osc("/c_set", 0, 0.0)])
    (own / "score.osc").write_bytes(score)
    told = ["scsynth", "-N", str(own / "score.osc"), "_", str(out), str(work.RATE_HZ), "WAV", "float"]
    told += ["-o", "2", "-i", "0", "-m", "262144", "-w", "8192", "-n", "4096", "-V", "-1"]
    return told, {**os.environ, "SC_SYNTHDEF_PATH": str(own), "QT_QPA_PLATFORM": "offscreen"}
