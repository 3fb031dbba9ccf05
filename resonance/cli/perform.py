"""`resonance perform`: plays a score, and takes MIDI, OSC and a heart-rate sensor while it sounds."""

from __future__ import annotations

import argparse
import contextlib
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import resonance
from resonance.cli import CallError
from resonance.cli.play import listen
from resonance.engine.commands import Command
from resonance.inputs import maps, osc
from resonance.inputs.clock import ClockOut
from resonance.inputs.learn import Learner
from resonance.inputs.player import Player
from resonance.inputs.ports import Inputs, MidiError, Output
from resonance.inputs.targets import targets_of
from resonance.outputs.speakers.piece import Move
from resonance.outputs.speakers.watch import Speakers
from resonance.score import Score

PERFORMING_FRAMES = 1024
"""How far a player's piece plays ahead: 21 ms at 48 kHz."""
_SWITCH_S = 0.0005
"""How long one thread of Python may keep the others waiting: a note is not to wait for the picture."""
_HELP = "learn: type a target (tension, drone.glow ...), then move a control; an empty line leaves"


def own_map() -> Path:
    """Where a map that is learned lies, unless it is named: it is used from then on."""
    import platformdirs

    return platformdirs.user_config_path("resonance") / "map.toml"


def run(arguments: argparse.Namespace) -> int:
    """Performs until the piece is over or somebody ends it; returns the exit code."""
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    path = Path(arguments.map) if arguments.map else own_map()
    if arguments.map and not path.exists() and not arguments.learn:
        raise CallError(f"there is no map {path}; --learn makes one")
    wiring = maps.load(path if path.exists() else None)
    if arguments.record and Path(arguments.record).exists():
        raise CallError(f"{arguments.record} exists already: give another name for the take")
    sys.setswitchinterval(_SWITCH_S)
    return listen(arguments, PERFORMING_FRAMES, partial(_hands, arguments, score, wiring, path))


@contextlib.contextmanager
def _hands(
    arguments: argparse.Namespace,
    score: Score,
    wiring: maps.Map,
    path: Path,
    speakers: Speakers,
    tell: Callable[[str], None],
) -> Iterator[None]:
    """All that plays along, for as long as the piece sounds."""
    targets = targets_of(score)
    for line in maps.astray(wiring, score) if path.exists() else ():
        tell(line)

    def now(name: str) -> float | None:
        view = speakers.sounding.view if speakers.sounding else None
        value = getattr(view, name, None)
        return value if isinstance(value, float) else None

    learner = Learner(wiring, path, targets) if arguments.learn else None
    player = Player(wiring, score, now=now, follow_clock=arguments.midi_clock, learner=learner)
    lock = threading.Lock()
    moves: list[Move] = []
    """What is to be passed on, all at once: a message by itself costs more than what it says."""

    def pass_on() -> None:
        # Each has its time: what lets go of a note must not overtake it.
        if moves:
            speakers.do_all(moves)
            moves.clear()
        while player.said:
            tell(player.said.popleft())

    def heard(device: str, at_s: float, data: bytes) -> None:
        with lock:
            if commands := player.receive(device, at_s, data):
                moves.append((at_s, commands))

    def gone(device: str) -> None:
        with lock:
            moves.append((time.monotonic(), player.gone(device)))
            pass_on()

    ticks = ClockOut()
    clock_out = Output(arguments.midi_clock_out, tell) if arguments.midi_clock_out else None

    def rest(now_s: float) -> None:
        with lock:
            if commands := player.rest(now_s):
                moves.append((now_s, commands))
            pass_on()
        if clock_out is not None and speakers.sounding is not None:
            ticks.follow(_next_beat_s(speakers), 60.0 / speakers.sounding.view.bpm)
            for message in ticks.due(now_s):
                clock_out.send(message)

    def done(command: Command) -> None:
        with lock:
            moves.append((time.monotonic(), [player.do(command)]))
            pass_on()

    with contextlib.ExitStack() as stack:
        pass_on()
        try:
            stack.enter_context(Inputs(arguments.midi_in, heard, gone, rest, tell))
        except MidiError as error:
            if arguments.midi_in:
                raise
            tell(f"note: {error}; OSC works without")
        if arguments.osc is not None:
            desk = osc.Desk(targets, [scene.name for scene in score.scenes], now)
            try:
                server = osc.Server(
                    arguments.osc, desk, done, partial(_state, speakers), time.monotonic, arguments.osc_host
                )
            except OSError as error:
                raise CallError(f"--osc {arguments.osc}: {error.strerror}; give another port") from None
            stack.enter_context(server)
            tell(f"OSC: {arguments.osc_host} port {server.port}")
        if arguments.heart is not None:
            from resonance.inputs.heart_rate import Sensor

            stack.enter_context(Sensor(arguments.heart, done, tell))
        if learner is not None:
            stack.enter_context(_typing(learner, lock, tell))
        yield


def _next_beat_s(speakers: Speakers) -> float:
    """When the heart's next beat is heard, by `time.monotonic`."""
    sounding = speakers.sounding
    assert sounding is not None
    ahead_s = sounding.view.next_beat_s - sounding.frame / sounding.rate_hz
    return sounding.at_s + speakers.latency_s + ahead_s


def _state(speakers: Speakers) -> dict[str, list[Any]]:
    """What plays now, as OSC tells it."""
    if speakers.sounding is None:
        return {}
    view = speakers.sounding.view
    arc = {f"/arc/{name}": [float(getattr(view, name))] for name in ("valence", "energy", "tension")}
    return {
        "/scene": [view.scene, float(view.position), int(view.night)],
        "/heart/bpm": [float(view.bpm)],
        **arc,
    }


@contextlib.contextmanager
def _typing(learner: Learner, lock: threading.Lock, tell: Callable[[str], None]) -> Iterator[None]:
    """Takes targets' names from the standard input, a line each, until it ends or a line is empty."""
    leaving = threading.Event()

    def read() -> None:
        while not leaving.is_set():
            if not select.select([sys.stdin], [], [], 0.2)[0]:
                continue
            line = sys.stdin.readline()
            if not line.strip():
                tell("learn: left; the map stays as it is now")
                return
            with lock:
                tell(learner.name(line))

    tell(_HELP)
    threading.Thread(target=read, daemon=True).start()
    try:
        yield
    finally:
        leaving.set()
