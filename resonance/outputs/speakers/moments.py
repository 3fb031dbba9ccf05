"""Moments to frames: which frame of the piece a hand meant that moved at a moment of this machine's clock.

A device takes its frames in handfuls, so that what it has taken so far is a staircase under a straight line.
The line is what counts: a hand that plays evenly is heard evenly, whatever the handfuls.
"""

from __future__ import annotations

_WINDOW_S = 1.0


class Moments:
    """Follows how far the device has come, and gives every hand the same delay after its moment."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._began_s = 0.0
        self._before = self._now = float("-inf")
        self._last = 0

    def saw(self, now_s: float, taken: int) -> None:
        """The device has taken this many frames by now."""
        ahead = taken - now_s * self._rate_hz
        if now_s - self._began_s > _WINDOW_S:
            self._began_s, self._before, self._now = now_s, self._now, ahead
        # The stairs' edges lie on the line. The last second counts: after a gap the line is another.
        self._now = max(self._now, ahead)

    def frame(self, at_s: float, delay_frames: int, first: int) -> int:
        """The frame for a hand that moved at a moment; never before `first`, nor long after it.

        No hand overtakes the one before it: a key goes up after it went down.
        """
        line = max(self._before, self._now)
        frame = first if line == float("-inf") else round(line + at_s * self._rate_hz) + delay_frames
        self._last = min(max(frame, first, self._last), first + 2 * delay_frames)
        return self._last
