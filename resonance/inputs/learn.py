"""Learning: name a target, move a control, and the map says so from then on.

It stays on until it is left. Nothing is bound by accident: a control has to be moved, not only touched, and
what keyboards and programs need for themselves is left to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from resonance.inputs import maps
from resonance.inputs.controls import Moved
from resonance.inputs.maps import Control, Map
from resonance.inputs.targets import target
from resonance.score.words import nearest
from resonance.units import Parameter

REFUSED = {
    0: "chooses banks",
    32: "chooses banks",
    64: "is the sustain pedal",
    74: "is the timbre of expressive keyboards",
    **dict.fromkeys(range(120, 128), "is for modes, such as all notes off"),
}
"""The controllers that are not learned, and why."""

_ENOUGH = 3
"""So many different values make a move: a button that is touched has two."""


class Learner:
    """Learns into a map and its file. `targets` are what can be named."""

    def __init__(self, wiring: Map, path: Path, targets: Mapping[str, Parameter]) -> None:
        self.map = wiring
        self.path = path
        self._targets = targets
        self._aim: str | None = None
        self._seen: dict[tuple[str, int, int, str], set[float]] = {}
        self._raw: dict[tuple[str, int, int, str], list[int]] = {}

    @property
    def aim(self) -> str | None:
        """The target that the next control will move."""
        return self._aim

    def name(self, text: str) -> str:
        """Takes a target's name; says what to do next, or what was wrong with it."""
        text = text.strip()
        if text not in self._targets:
            return f"no target '{text[:60]}'{nearest(text, self._targets) or '; resonance show lists them'}"
        self._aim = text
        self._seen.clear()
        self._raw.clear()
        return f"{text}: now move a control"

    def moved(self, moves: list[Moved]) -> str | None:
        """Takes the moves of one message; says what was learned or refused, if anything was."""
        if self._aim is None:
            return None
        for moved in reversed(moves):
            if moved.source == "cc" and moved.number in REFUSED and not self._is_half(moved):
                return f"controller {moved.number} {REFUSED[moved.number]}: move another one for {self._aim}"
            key = moved.source, moved.number, moved.channel, moved.device
            self._seen.setdefault(key, set()).add(moved.place)
            if moved.raw is not None:
                self._raw.setdefault(key, []).append(moved.raw)
        for moved in reversed(moves):
            key = moved.source, moved.number, moved.channel, moved.device
            if moved.source == "cc14" and ("cc", moved.number + 32, *key[2:]) not in self._seen:
                continue  # no fine half has come: it is a plain controller
            if self._is_half(moved):
                continue
            mode = _mode(self._raw.get(key, []))
            if len(self._seen[key]) >= _ENOUGH or (mode != "absolute" and len(self._raw[key]) >= _ENOUGH):
                return self._learn(moved, mode)
        return None

    def _is_half(self, moved: Moved) -> bool:
        """Whether a 7-bit controller turned out to be the half of a pair."""
        if moved.source != "cc" or moved.number >= 64:
            return False
        coarse, where = moved.number % 32, (moved.channel, moved.device)
        return all(("cc", half, *where) in self._seen for half in (coarse, coarse + 32)) or (
            moved.number >= 32 and ("cc", coarse, *where) in self._seen
        )

    def _learn(self, moved: Moved, mode: str) -> str:
        assert self._aim is not None
        name = self._aim
        before = next((c for c in self.map.controls if c.target.name == name), None)
        aimed = before.target if before else target(name, self._targets[name])
        control = Control(
            moved.source, moved.number, aimed, moved.channel + 1, moved.device, mode, mode == "absolute"
        )
        was = next((c.target.name for c in self.map.controls if maps.same(c, control)), None)
        self.map = maps.bound(self.map, control)
        self._aim = None
        try:
            maps.write(self.path, control)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            why = getattr(error, "strerror", None) or f"it is no map as it stands ({error})"
            return f"{_called(control)} moves {name}, but {self.path} was not written: {why}"
        more = f" (before: {_called(before)})" if before else ""
        more += f" (no longer {was})" if was not in (None, name) else ""
        return f"{_called(control)} moves {name}{more}; saved to {self.path}"


def _mode(raw: list[int]) -> str:
    """What kind of control sends these values: a fader, or an endless encoder that only says steps.

    A fader does not say the same thing three times, nor jump to the other end and back.
    """
    last = raw[-_ENOUGH:]
    if len(last) == _ENOUGH and (len(set(last)) == 1 or len(set(raw)) <= 3):
        for mode, forth, back in (("twos", {1, 2, 3}, {125, 126, 127}), ("offset", {65, 66}, {62, 63})):
            values = set(last)
            if values <= forth | back and (len(values) == 1 or (values & forth and values & back)):
                return mode
    return "absolute"


def _called(control: Control) -> str:
    """A control as a player calls it."""
    kind = {"cc": "controller", "cc14": "controller pair", "nrpn": "NRPN"}[control.source]
    where = f" of {control.device}" if control.device else ""
    channel = f" on channel {control.channel}" if control.channel else ""
    return f"{kind} {control.number}{channel}{where}"
