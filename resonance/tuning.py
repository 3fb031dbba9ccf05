"""Degrees to frequencies: which pitches a piece has, and how far they may be strained.

A tuning is a list of just ratios within a period (the octave, usually) above a root. Degrees count from 0
and run on through the periods: with seven ratios degree 7 is the octave of degree 0, degree -1 the seventh
below it. A musician's "1 2 3 5 6" are degrees 0, 1, 2, 4, 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from resonance.units import ratio_from_cents

JUST = ("1/1", "9/8", "5/4", "4/3", "3/2", "5/3", "15/8")
"""The just major scale of the dream. Source: Ptolemy's intense diatonic, as in Barbour 1951, p. 2."""


def ratio(text: str | float) -> float:
    """A ratio from "3/2", "2" or 1.5; raises ValueError where it is none or not above 0."""
    try:
        value = float(Fraction(text)) if isinstance(text, str) else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r} is no ratio: write it as 3/2 or 1.5") from None
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(f"{text!r} is no ratio: it must be above 0")
    return value


@dataclass(frozen=True, slots=True)
class Keys:
    """How a scale lies on a keyboard: each key's degree, and what it sounds.

    `ratios` are all the scale's tones in its own order, `degrees` those of the keys from `middle` on, None
    for a mute one; they repeat `octave` degrees higher. Without degrees each key plays the next.
    """

    ratios: tuple[float, ...]
    period: float
    middle: int
    middle_hz: float
    first: int = 0
    last: int = 127
    degrees: tuple[int | None, ...] = ()
    octave: int = 0

    def hz(self, key: int) -> float | None:
        """What a key sounds; None where it is mute."""
        degree: int | None = key - self.middle
        if not self.first <= key <= self.last:
            return None
        if self.degrees:
            rounds, place = divmod(key - self.middle, len(self.degrees))
            degree = self.degrees[place]
            if degree is None:
                return None
            degree += rounds * (self.octave or len(self.ratios))
        assert degree is not None
        periods, step = divmod(degree, len(self.ratios))
        return self.middle_hz * self.ratios[step] * self.period**periods


@dataclass(frozen=True, slots=True)
class Tuning:
    """The pitches of a piece: ascending `ratios` from 1 to under `period`, above `root_hz`.

    `keys` are a keyboard's where the scale has more to say of them than these; else a key plays what is
    nearest to it, of all the scale's ratios, `every`, where its melodies use fewer.
    """

    root_hz: float = 55.0
    ratios: tuple[float, ...] = tuple(map(ratio, JUST))
    period: float = 2.0
    keys: Keys | None = None
    every: tuple[float, ...] = ()

    def hz(self, degree: int, octave: int = 0) -> float:
        """The frequency of a degree, `octave` periods up."""
        periods, step = divmod(degree, len(self.ratios))
        return self.root_hz * self.ratios[step] * self.period ** (periods + octave)

    def nearest(self, frequency_hz: float) -> int:
        """The degree nearest to a frequency, by ear: in cents."""
        around = round(len(self.ratios) * math.log(frequency_hz / self.root_hz, self.period))
        reach = range(around - len(self.ratios), around + len(self.ratios) + 1)
        return min(reach, key=lambda degree: abs(math.log(self.hz(degree) / frequency_hz)))

    def note_hz(self, note: int) -> float | None:
        """The pitch of a keyboard's note, None where it is mute.

        Without keys of its own it is the degree nearest to the note's equal-tempered pitch (A4 = 440).
        """
        if self.keys is not None:
            return self.keys.hz(note)
        scale = replace(self, ratios=self.every, every=()) if self.every else self
        return scale.hz(scale.nearest(440.0 * 2.0 ** ((note - 69) / 12.0)))


def strained_hz(frequency_hz: float, tension: float, lean: float) -> float:
    """A pitch pulled off its ratio by tension: home below 0.4, up to 45 cents off at 1.

    `lean` (-1 to 1) says which way this tone leans and how far; it belongs to the tone, so that it comes
    home from where it went. Below 0.4 the dream is in tune; 45 cents is near the quarter tone, the widest
    that is still heard as the same degree.
    """
    strain = max(0.0, (tension - 0.4) / 0.6)
    return frequency_hz * ratio_from_cents(45.0 * strain * lean)


def tones_between(tuning: Tuning, degrees: Iterable[int], low_hz: float, high_hz: float) -> list[float]:
    """The tones of these degrees from `low_hz` to `high_hz`, wherever the tuning repeats, ascending.

    One that a wide period leads past is brought there by octaves; `high_hz` is at least an octave up.
    """
    found = set()
    for degree in degrees:
        home_hz, period = tuning.hz(degree, 0), tuning.hz(degree, 1) / tuning.hz(degree, 0)
        first = math.ceil(math.log(low_hz / home_hz, period) - 1e-9)
        last = math.floor(math.log(high_hz / home_hz, period) + 1e-9)
        tones = [tuning.hz(degree, octave) for octave in range(first, last + 1)]
        found.update(tones or [home_hz * 2.0 ** math.ceil(math.log2(low_hz / home_hz))])
    return sorted(found)


def melodic(ratios: Sequence[float], period: float) -> tuple[float, ...]:
    """The seven tones of a scale that the piece's melodies use: those nearest to just intonation.

    A scale that has seven tones or fewer, or none near enough to tell them apart, is used as it is.
    """
    ascending = sorted({each for each in ratios if 1.0 <= each < period})
    if len(ascending) <= len(JUST):
        return tuple(ascending)
    near = {min(ascending, key=lambda each: abs(math.log(each / ratio(just)))) for just in JUST}
    return tuple(sorted(near)) if len(near) == len(JUST) else tuple(ascending)


def scale(ratios: Sequence[str | float], root_hz: float = 55.0, period: str | float = 2.0) -> Tuning:
    """A tuning from ratios as people write them, in any order; raises ValueError for what cannot be one."""
    values = sorted({ratio(text) for text in ratios})
    top = ratio(period)
    if not values or values[0] != 1.0 or values[-1] >= top:
        raise ValueError(f"ratios must begin with 1/1 and stay below the period {top:g}")
    sung = melodic(values, top)
    return Tuning(root_hz, sung, top, every=() if len(sung) == len(values) else tuple(values))
