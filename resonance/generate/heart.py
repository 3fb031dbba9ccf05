"""A heart: beats that vary as a living one's do.

The interval from beat to beat follows the breath (respiratory sinus arrhythmia: the heart hurries while the
breath goes in), wanders a little by itself, and steadies as it beats faster.
Source: Task Force of the ESC and NASPE, Heart rate variability, 1996 (bands: breath 0.15 to 0.4 Hz,
slow waves about 0.1 Hz); Hirsch & Bishop 1981 (arrhythmia falls with rate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BEATS_A_BREATH = 4
_REST_BPM = 54.0
_BREATH_SWING = 0.055  # share of the interval at rest: 60 ms at 54 a minute, a calm adult's
_WANDER = 0.012
_SLOW_WAVE = 0.010
_SLOW_WAVE_HZ = 0.09


@dataclass(frozen=True, slots=True)
class Pulse:
    """One beat: when it comes, how long until the next, and where in the breath it lies (0 to 1)."""

    time_s: float
    interval_s: float
    breath: float


class Heart:
    """Beats one after the other; each interval is decided at its own beat, from the tempo then."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._wander = 0.0
        self._breath = self._breath_before = 0.0
        self._slow_phase = float(rng.random())
        self._last_s = -math.inf
        self._led_s: float | None = None
        self.next_s = 0.5

    def lead(self, next_s: float, interval_s: float) -> None:
        """From now on beats at `next_s` and each `interval_s` after it, exactly, until it is free again.

        A beat that would follow the last one sooner than half an interval is the last one, come early.
        """
        while next_s - self._last_s < 0.5 * interval_s:
            next_s += interval_s
        self.next_s, self._led_s = next_s, interval_s

    def free(self) -> None:
        """Goes on by itself from its next beat on."""
        self._led_s = None

    @property
    def draws_breath(self) -> bool:
        """Whether a breath begins with the next beat."""
        return self._breath < self._breath_before or self._breath == 0.0

    def beat(self, bpm: float, breath_hz: float = 0.0) -> Pulse:
        """The next beat, at `next_s`, given the tempo there; `breath_hz` 0 is a breath every four beats."""
        mean_s = 60.0 / bpm
        # No breath is shorter than two beats: in on the one, and out on the other.
        breath_step = min(breath_hz * mean_s, 0.5) if breath_hz > 0.0 else 1.0 / BEATS_A_BREATH
        calm = min(1.0, (_REST_BPM / bpm) ** 1.5)
        self._wander += 0.35 * (float(self._rng.standard_normal()) - self._wander)
        slow = math.sin(2.0 * math.pi * (self._slow_phase + _SLOW_WAVE_HZ * self.next_s))
        # The interval is shortest in the middle of the breath in, which is the breath's first half.
        swing = -_BREATH_SWING * math.sin(2.0 * math.pi * (self._breath + breath_step / 2.0))
        interval_s = mean_s * (1.0 + calm * (swing + _SLOW_WAVE * slow + _WANDER * self._wander))
        if self._led_s is not None:
            interval_s = self._led_s
        pulse = Pulse(self.next_s, interval_s, self._breath)
        self._last_s = self.next_s
        # A breath counted in quarters comes a rounding short of its turn as often as not.
        self._breath_before, self._breath = self._breath, (self._breath + breath_step) % 1.0
        self.next_s += interval_s
        return pulse
