"""`resonance play`: a score on the speakers, for minutes or for days, with a view and keys on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import resonance
from resonance.cli import CallError
from resonance.cli.keys import Keys
from resonance.engine.commands import Launch, Rest
from resonance.outputs.speakers.piece import Piece, Sounding
from resonance.outputs.speakers.watch import Speakers
from resonance.score import Score, ScoreError
from resonance.score.words import nearest

LISTENING_FRAMES = 16_384
"""How far a listener's piece plays ahead: it outlasts stalls of the machine and of Python of 200 ms."""
DEVICE_PART = 0.4
"""How much of that lies in the device's own buffer."""
LEAST_DEVICE_S = 0.05
TAKES = Path("takes")
_ROUND_S = 0.05
_SETTLED_S = 0.3  # editors write a file in several goes
_JUMP_S = 2.0
_LINES = 4

Hands = Callable[[Speakers, Callable[[str], None]], AbstractContextManager[None]]
"""Whoever plays along: given where commands go, and where lines for the player go, a context."""


def run(arguments: argparse.Namespace) -> int:
    """Plays until the piece is over or somebody ends it; returns the exit code."""
    return listen(arguments, LISTENING_FRAMES)


def listen(arguments: argparse.Namespace, ahead_frames: int, hands: Hands | None = None) -> int:
    """Plays as the arguments ask, `ahead_frames` ahead unless they say otherwise, with `hands` on it."""
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    _check_scene(score, arguments.scene)
    if arguments.latency is not None:
        ahead_frames = round(arguments.latency * 1e-3 * score.rate)
    ahead_s = ahead_frames / score.rate
    rest = _Landing.of(arguments)
    piece = Piece(
        score=arguments.score,
        seed=arguments.seed,
        endless=arguments.endless,
        hold=arguments.hold,
        scene=arguments.scene,
        allow_code=arguments.allow_code,
        cushion_frames=ahead_frames,
        record=getattr(arguments, "record", None),
    )
    # A terminal in which names are typed is no place for single keys.
    typed = getattr(arguments, "learn", False)
    screen = Lines(score) if typed else _screen(score)
    with (
        ending() as ended,
        Speakers(
            piece,
            device=arguments.device,
            device_latency_s=None if ahead_s < 2.0 * LEAST_DEVICE_S else DEVICE_PART * ahead_s,
            volume_db=arguments.volume,
            tell=screen.tell,
        ) as speakers,
        Keys(typed) as keys,
        screen,
        hands(speakers, screen.tell) if hands else nullcontext(),
    ):
        saved = _Saved(score.path, arguments.allow_code) if arguments.watch else None
        while not (ended or speakers.over):
            speakers.watch()
            screen.show(speakers)
            if rest is not None:
                rest.see_to(speakers)
            if saved is not None:
                _follow(saved, speakers, arguments.score, screen)
            for path, fault in _taken(speakers.kept):
                screen.tell(
                    f"kept {path}" if fault is None else f"not kept: {path}: {fault}; the piece goes on"
                )
            for key in keys.pressed():
                if key == "q":
                    return 0
                _press(key, speakers, score)
            time.sleep(_ROUND_S)
    return 128 + ended[0] if ended else 0


@contextlib.contextmanager
def ending() -> Iterator[list[int]]:
    """Collects the signals that ask for an end, so that it can be a fade. A second one ends at once."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in asked}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_scene(score: Score, name: str | None) -> None:
    scenes = [scene.name for scene in score.scenes]
    if name is not None and name not in scenes:
        raise CallError(
            f"no scene '{name}' in {score.name}{nearest(name, scenes) or ': it has ' + ', '.join(scenes)}"
        )


def _taken(kept: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    done, kept[:] = kept[:], []
    return done


def _press(key: str, speakers: Speakers, score: Score) -> None:
    """What a key asks for."""
    low_db, high_db = -60.0, 12.0
    if key == " ":
        speakers.paused = not speakers.paused
    elif key in "+=":
        speakers.volume_db = min(high_db, speakers.volume_db + 1.0)
    elif key in "-_":
        speakers.volume_db = max(low_db, speakers.volume_db - 1.0)
    elif key in "np" and speakers.sounding is not None:
        scenes = list(speakers.sounding.view.scenes)
        place = scenes.index(speakers.sounding.view.scene) + (1 if key == "n" else -1)
        speakers.do(Launch(scenes[place % len(scenes)]))
    elif key == "k":
        seed = speakers.seed if speakers.seed is not None else score.seed
        now = datetime.now().strftime("%Y%m%d-%H%M%S")
        speakers.keep(str((TAKES / f"{score.name}-{seed}-{now}.take").absolute()))


@dataclass
class _Landing:
    """The moment at which the piece is to be at rest."""

    at: datetime | None = None
    after_s: float | None = None
    told: float | None = None
    started: float | None = None

    @staticmethod
    def of(arguments: argparse.Namespace) -> _Landing | None:
        if arguments.until is not None:
            hour, minute = arguments.until
            now = datetime.now()
            at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return _Landing(at=at if at > now else at + timedelta(days=1))
        return None if arguments.sleep is None else _Landing(after_s=arguments.sleep)

    @property
    def left_s(self) -> float:
        if self.at is not None:
            return (self.at - datetime.now()).total_seconds()
        assert self.after_s is not None
        return self.after_s - (0.0 if self.started is None else time.monotonic() - self.started)

    def see_to(self, speakers: Speakers) -> None:
        """Tells the performance when to be at rest: once, and again where the clocks have parted since."""
        sounding = speakers.sounding
        if sounding is None or not speakers.playing:
            return
        if self.started is None:
            self.started = time.monotonic()
        at_s = sounding.frame / sounding.rate_hz + max(0.0, self.left_s - speakers.latency_s)
        if self.told is None or abs(self.told - at_s) > _JUMP_S:
            self.told = at_s
            speakers.do(Rest(at_s))


@dataclass
class _Saved:
    """A score's file, and whether it was saved again."""

    path: Path
    allow_code: bool
    seen: int = 0
    changed_at: float | None = None

    def __post_init__(self) -> None:
        self.seen = self._stamp()

    def _stamp(self) -> int:
        with contextlib.suppress(OSError):
            return self.path.stat().st_mtime_ns
        return self.seen

    def again(self) -> bool:
        stamp = self._stamp()
        if stamp != self.seen:
            self.seen, self.changed_at = stamp, time.monotonic()
        if self.changed_at is not None and time.monotonic() - self.changed_at > _SETTLED_S:
            self.changed_at = None
            return True
        return False


def _follow(saved: _Saved, speakers: Speakers, name: str, screen: Lines) -> None:
    """Has the sound follow a score that was saved, unless there is a mistake in it."""
    if not saved.again():
        return
    try:
        resonance.load(name, allow_code=saved.allow_code)
    except (ScoreError, OSError) as error:
        for problem in getattr(error, "problems", (str(error),)):
            screen.tell(f"error: {problem} (the score before it plays on)")
    else:
        speakers.follow(name)


@dataclass
class Lines:
    """Without a terminal: a line a scene, and one for whatever happens."""

    score: Score
    scene: tuple[int, str] | None = None
    compiled: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def show(self, speakers: Speakers) -> None:
        sounding = speakers.sounding
        if speakers.compiling is not None and not self.compiled:
            self.compiled = True
            self.tell("compiling kernels, this once: half a minute")
        if sounding is None or not speakers.playing:
            return
        if (sounding.view.night, sounding.view.scene) != self.scene:
            self.scene = sounding.view.night, sounding.view.scene
            print(self._line(sounding), flush=True)

    def _line(self, sounding: Sounding) -> str:
        view = sounding.view
        minutes, seconds = divmod(int(view.time_s), 60)
        return (
            f"{minutes}:{seconds:02} {view.scene}: night {view.night}, valence {view.valence:.2f}, "
            f"energy {view.energy:.2f}, tension {view.tension:.2f}, {view.bpm:.0f} bpm"
        )


def _screen(score: Score) -> Lines:
    if sys.stdout.isatty():
        from resonance.cli.view import Screen

        return Screen(score)
    return Lines(score)
