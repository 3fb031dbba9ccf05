"""The terminal's answer to "why do I hear this": the scene, the arc, what sounds, and the rule behind it."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from resonance.cli.play import Lines
from resonance.outputs.speakers.watch import Speakers
from resonance.score import Score

_DRAWS_HZ = 5.0
_FLOOR_DB = -60.0
_EVENTS = 8
_KEYS = "space pause   + - volume   n p scene   k keep   q quit"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Screen(Lines):
    """The same as `Lines` on a terminal: drawn five times a second, below whatever is said."""

    def __init__(self, score: Score, console: Console | None = None) -> None:
        super().__init__(score)
        self._console = console or Console()
        self._live: Any = Live(
            Text(f"{score.title}: getting ready"), console=self._console, auto_refresh=False, transient=True
        )
        self._drawn = 0.0

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, line: str) -> None:
        self.lines.append(line)

    def show(self, speakers: Speakers) -> None:
        import time

        if time.monotonic() - self._drawn >= 1.0 / _DRAWS_HZ:
            self._drawn = time.monotonic()
            self._live.update(picture(self.score, speakers, list(self.lines)), refresh=True)


def picture(score: Score, speakers: Speakers, lines: list[str]) -> RenderableType:
    """What the terminal shows now."""
    told = [Text(line, style="yellow", overflow="fold") for line in lines]
    sounding = speakers.sounding
    if sounding is None:
        waiting = Text(f"{score.title}: getting ready")
        if speakers.compiling is not None:
            name, number, total = speakers.compiling
            waiting = Text(f"compiling kernels, this once: {number} of about {total} ({name})")
        return Group(waiting, *told)
    view = sounding.view
    head = Text.assemble(
        (score.title, "bold"),
        f"   night {view.night}   {_time(view.time_s)}   ",
        (speakers.device or "no device", "" if speakers.device else "bold red"),
        f"   {1000.0 * speakers.latency_s:.0f} ms ahead   volume {speakers.volume_db:+.0f} dB",
        ("   paused", "bold") if speakers.paused else "",
        f"   underruns {speakers.underruns}" if speakers.underruns else "",
        f"   late {speakers.late}" if speakers.late else "",
    )
    return Group(
        head,
        _scenes(view),
        _arc(view, sounding.peaks),
        _sounds(view),
        _events(view),
        *told,
        Text(_KEYS, "dim"),
    )


def _scenes(view: Any) -> Text:
    """The scenes in their order, the one that plays with how far it has come."""
    text = Text()
    for name in view.scenes:
        if name == view.scene:
            text.append(f"{name} {_bar(view.position, 8)}", "bold cyan")
        else:
            text.append(name, "dim")
        text.append("  ")
    return text


def _arc(view: Any, peaks: tuple[float, float]) -> Table:
    table = Table.grid(padding=(0, 2))
    names = ("valence", "energy", "tension")
    cells = [f"{name} {_bar(getattr(view, name), 10)} {getattr(view, name):.2f}" for name in names]
    table.add_row(*cells, f"{view.bpm:.0f} bpm")
    left, right = (_decibels(peak) for peak in peaks)
    table.add_row(f"left    {_meter(left, 10)} {left:5.1f} dB", f"right  {_meter(right, 10)} {right:5.1f} dB")
    return table


def _sounds(view: Any) -> Table:
    """What sounds, loudest first."""
    table = Table.grid(padding=(0, 2))
    loud = sorted(view.levels_db.items(), key=lambda item: -item[1])
    cells = [f"{name} {_meter(level_db, 6)}" for name, level_db in loud if level_db > _FLOOR_DB]
    for at in range(0, len(cells), 4):
        table.add_row(*cells[at : at + 4])
    return table


def _events(view: Any) -> Table:
    """What has begun lately, and by which rule."""
    table = Table.grid(padding=(0, 2))
    for event in list(view.events)[-_EVENTS:]:
        pitch = "" if event.pitch_hz is None else f"{event.pitch_hz:.1f} Hz"
        table.add_row(
            Text(_time(event.time_s), "dim"), event.sound, event.kind, pitch, Text(event.rule, "cyan")
        )
    return table


def _time(time_s: float) -> str:
    minutes, seconds = divmod(int(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _decibels(level: float) -> float:
    return 20.0 * math.log10(max(level, 1e-6))


def _meter(level_db: float, cells: int) -> str:
    return _bar(1.0 - level_db / _FLOOR_DB, cells)


def _bar(part: float, cells: int) -> str:
    """A bar that many characters wide, to an eighth of one."""
    eighths = round(min(max(part, 0.0), 1.0) * cells * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(cells)
