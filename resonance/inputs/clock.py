"""Time from outside: a MIDI clock that leads the heart, a finger that taps it, and the heart's own clock out.

A clock's ticks come late and early; its beat does not. So ticks are followed by a loop that knows place and
pace and corrects both a little at each tick: quickly at first, then slowly enough that jitter is not heard,
fast enough that a new tempo is reached within two beats.

Source: the filter is alpha-beta, its gains from Kalata 1984, "The tracking index"; at the beginning those of
the least-squares line through all ticks so far. MIDI 1.0, "System Real Time Messages".
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Iterator

from resonance.engine.commands import Command, LetGo, Pulse
from resonance.inputs import midi

TICKS = 24
"""Ticks of a MIDI clock to a quarter note, which is a beat of the heart."""

SLOWEST_S, FASTEST_S = 3.0, 0.25
"""How long a beat can be: 20 to 240 a minute, as far as the heart goes."""

_PLACE = 0.14  # what is believed of a tick's place: 5 ms of jitter become 1.6 ms
_PACE = _PLACE**2 / (2.0 - _PLACE)
_LOST = 6.0  # ticks; a longer silence is a clock that has stopped
_TOLD_TICKS = 3
_SILENT_S = 2.0  # after which another clock may lead


class Follower:
    """Follows a MIDI clock: messages with their times in seconds go in, pulses for the heart come out."""

    def __init__(self) -> None:
        self._ticks = 0  # since the beat that is counted from
        self._known = 0  # ticks that the filter has seen
        self._place_s = -math.inf
        self._pace_s = 0.0
        self._leads = False
        self._running = True

    @property
    def bpm(self) -> float | None:
        """The tempo that is followed, if any."""
        return 60.0 / (TICKS * self._pace_s) if self._leads else None

    def hears(self, now_s: float) -> bool:
        """Whether a clock ticks, or has until just now."""
        return now_s - self._place_s <= _SILENT_S

    def play(self, time_s: float, message: bytes) -> list[Command]:
        """What one message asks of the heart; nothing where it is of no concern to clocks."""
        status = message[0]
        if status == midi.CLOCK:
            return self._tick(time_s) if self._running else self._heard(time_s)
        if status == midi.START:
            self._ticks, self._running = 0, True
        elif status == midi.CONTINUE:
            self._running = True
        elif status == midi.STOP:
            self._running = False
            return self._lets_go()
        elif status == midi.POSITION and len(message) == 3:
            self._ticks = 6 * (message[2] << 7 | message[1])
        return []

    def rest(self, now_s: float) -> list[Command]:
        """Asked from time to time: lets the heart go on by itself where the clock has gone silent."""
        if self._leads and now_s - self._place_s > max(_LOST * self._pace_s, 0.25):
            self._known = 0
            return self._lets_go()
        return []

    def _lets_go(self) -> list[Command]:
        led, self._leads = self._leads, False
        return [LetGo("pulse")] if led else []

    def _heard(self, time_s: float) -> list[Command]:
        """A tick while the music stands still: its pace is learned, its beat is not led."""
        self._follow(time_s)
        return []

    def _tick(self, time_s: float) -> list[Command]:
        place = self._ticks
        self._ticks += self._follow(time_s)
        to_beat = -place % TICKS
        beat_s = TICKS * self._pace_s
        # Two ticks make a pace; one beat's quarter makes one that is worth following. At the beat's own tick
        # nothing is told: the heart may be about to beat.
        if self._known < 6 or not FASTEST_S <= beat_s <= SLOWEST_S or place % _TOLD_TICKS or not to_beat:
            return []
        self._leads = True
        return [Pulse(max(0.0, self._place_s + to_beat * self._pace_s - time_s), beat_s)]

    def _follow(self, time_s: float) -> int:
        """Takes a tick into the filter; says how many ticks have gone by with it."""
        gone_s = time_s - self._place_s
        if gone_s > max(_LOST * self._pace_s, 0.25) or gone_s < -1.0:
            self._known = 0
        if self._known == 0:
            self._known, self._place_s, self._pace_s = 1, time_s, 0.0
            return 1
        if self._known == 1:
            self._known, self._pace_s, self._place_s = 2, max(time_s - self._place_s, 1e-4), time_s
            return 1
        # A tick that got lost on its way leaves a gap of two; jitter alone never one of 1.75.
        gap = (time_s - self._place_s) / self._pace_s
        passed = max(1, int(gap + 0.25)) if self._known > TICKS else 1
        expected_s = self._place_s + passed * self._pace_s
        off_s = time_s - expected_s
        self._known += 1
        n = self._known
        place = max(_PLACE, 2.0 * (2.0 * n - 1.0) / (n * (n + 1.0)))
        pace = max(_PACE, 6.0 / (n * (n + 1.0)))
        self._place_s = expected_s + place * off_s
        self._pace_s = max(self._pace_s + pace * off_s / passed, 1e-4)
        return passed


class Taps:
    """A finger that taps the tempo: from the second tap on the heart beats with it, then goes on so."""

    FORGOTTEN_S = 3.0

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=8)

    def tap(self, time_s: float) -> list[Command]:
        """What a tap asks of the heart."""
        if self._times_s and not 0.0 < time_s - self._times_s[-1] <= self.FORGOTTEN_S:
            self._times_s.clear()
        self._times_s.append(time_s)
        times = list(self._times_s)
        if len(times) < 2:
            return []
        beat_s = statistics.median(after - before for before, after in itertools.pairwise(times))
        if not FASTEST_S <= beat_s <= SLOWEST_S:
            return []
        return [Pulse(beat_s, beat_s), LetGo("pulse")]


class ClockOut:
    """The heart's beats as a clock for others: 24 ticks from each to the next, the first of them on it."""

    def __init__(self) -> None:
        self._beats: deque[float] = deque()
        self._interval_s = 1.0
        self._ticks: int | None = None  # sent since the first of the beats that are kept

    def follow(self, next_s: float, interval_s: float) -> None:
        """The heart beats next at `next_s`, or does so now instead; `interval_s` is how fast it is."""
        self._interval_s = max(interval_s, 0.05)
        if self._beats and next_s - self._beats[-1] <= 0.5 * self._interval_s:
            self._beats.pop()
        self._beats.append(next_s)

    def due(self, now_s: float) -> Iterator[bytes]:
        """The messages that are due by now, a beat's at most; a start goes before the very first tick."""
        if self._beats and self._ticks is None and self._beats[0] <= now_s:
            self._ticks = 0
            yield bytes((midi.START,))
        for _ in range(TICKS):
            if self._ticks is None or self._tick_s() > now_s:
                return
            yield bytes((midi.CLOCK,))
            self._ticks += 1
            # Until the next beat is known the last one's pace goes on.
            if self._ticks >= TICKS and len(self._beats) > 1:
                self._beats.popleft()
                self._ticks -= TICKS

    def _tick_s(self) -> float:
        """When the next tick is due: evenly between the beats that are known."""
        assert self._ticks is not None
        first = self._beats[0]
        after = self._beats[1] if len(self._beats) > 1 else first + self._interval_s
        return first + (after - first) * self._ticks / TICKS
