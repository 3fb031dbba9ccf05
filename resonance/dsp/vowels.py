"""Vowels: where a throat resonates, and how loud each harmonic of a voice comes out of it.

Singing by harmonics: the source falls with frequency as a glottis does, the throat lifts what lies near its
formants. Vowels are counted along the throat's table, and lie anywhere between: 1.5 is half way from the
second to the third.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from resonance.dsp import F64, kernel
from resonance.dsp.curves import levels


class Throat(NamedTuple):
    """A throat's vowels: formants (vowels, 5) in hertz and decibels, and the formants' bandwidths (5,)."""

    centre_hz: F64
    level_db: F64
    bandwidth_hz: F64


_EDGE = 2.0 ** (2.0 / 3.0) - 1.0

LOW = Throat(
    np.array(
        [[330.0, 730, 2250, 2900, 3500], [460.0, 880, 2450, 2950, 3600], [680.0, 1130, 2500, 3050, 3700]]
    ),
    np.array([[0.0, -5, -34, -36, -44], [0.0, -3, -29, -32, -40], [0.0, -1, -22, -26, -36]]),
    np.array([70.0, 90, 120, 140, 170]),
)
"""A low voice: u, o, a. Source: Peterson & Barney 1952, and Klatt 1980 for what lies above."""

WOMAN = Throat(
    np.array(
        [
            [370.0, 950, 2670, 3500, 4300],
            [590.0, 920, 2710, 3500, 4300],
            [850.0, 1220, 2810, 3600, 4300],
            [610.0, 2330, 2990, 3700, 4400],
        ]
    ),
    np.array(
        [
            [0.0, -12, -36, -42, -50],
            [0.0, -7, -32, -38, -48],
            [0.0, -4, -26, -32, -44],
            [0.0, -15, -22, -30, -42],
        ]
    ),
    np.array([110.0, 120, 160, 200, 240]),
)
"""A woman's voice: u, o, a, e. Source: Peterson & Barney 1952, table II; Klatt 1980 for what lies above."""


def formants_at(throat: Throat, vowel: F64) -> tuple[F64, F64]:
    """Formants' centres in hertz and linear levels, (n, 5) each, for vowels (n,) from 0 to the last."""
    lower = np.clip(vowel.astype(int), 0, len(throat.centre_hz) - 2)
    share = np.clip(vowel - lower, 0.0, 1.0)[:, None]
    centre_hz = throat.centre_hz[lower] + share * (throat.centre_hz[lower + 1] - throat.centre_hz[lower])
    level_db = throat.level_db[lower] + share * (throat.level_db[lower + 1] - throat.level_db[lower])
    return centre_hz, levels(level_db)


@kernel
def _lifted(frequency_hz: F64, centre_hz: F64, level: F64, width_hz: F64, out: F64) -> None:
    """Writes how each harmonic is lifted by all formants of a throat, (n, harmonics)."""
    for row in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[row, i] = 0.0
        for formant in range(width_hz.size):
            edge_hz, loud = 0.5 * width_hz[formant], level[row, formant]
            for i in range(out.shape[1]):
                away = np.true_divide(frequency_hz[row, i] - centre_hz[row, formant], edge_hz)
                root = math.sqrt(1.0 + _EDGE * away * away)
                out[row, i] += np.true_divide(loud, root * math.sqrt(root))


def sung(throat: Throat, frequency_hz: F64, centre_hz: F64, level: F64) -> F64:
    """The level of each harmonic, shaped as `frequency_hz` (n, harmonics), under formants (n, 5) each.

    Each formant is 3 dB down at the edges of its band and falls by 9 dB an octave from there: between one
    resonance's 6 and two in a row's 12, so that the valley between two formants is heard. The source bends
    at 700 Hz (by ear: a soft voice) and falls from there on.
    """
    lifted = np.empty_like(frequency_hz)
    _lifted(frequency_hz, centre_hz, level, throat.bandwidth_hz, lifted)
    return lifted / (1.0 + (frequency_hz / 700.0) ** 1.2)
