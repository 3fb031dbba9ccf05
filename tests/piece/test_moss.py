"""Row 5 of the dream map: soft glimmers, swelling rather than struck, clustered in space and time."""

import numpy as np
import pytest
from listening import Heard, alone, listen

from resonance.analysis.measures import envelope_db

ASCENT = "valence = [0.7, 0.9]\nenergy = [0.35, 0.6]\ntension = [0.2, 0.25]\nbpm = [56, 66]"


def moss(seed: int, seconds: float = 70.0) -> Heard:
    return listen(alone("moss", seconds=seconds, arc=ASCENT), seed, only=("moss",))


@pytest.mark.parametrize("seed", [1, 2])
def test_glimmers_come_in_clusters(seed: int) -> None:
    heard = moss(seed)
    glimmers = heard.of("moss", "glimmer")
    assert len(glimmers) >= 20
    gaps = np.diff([heard.time_s(event) for event in glimmers])
    assert gaps.std() / gaps.mean() > 1.3


@pytest.mark.parametrize("seed", [1, 2])
def test_a_cluster_keeps_to_its_place(seed: int) -> None:
    glimmers = moss(seed).of("moss")
    vines = [
        [first, *(event for event in glimmers if event.follows is first)]
        for first in glimmers
        if first.follows is None
    ]
    pans = [[event.detail["pan"] for event in vine] for vine in vines]
    assert np.mean([np.var(pan) for pan in pans]) < 0.25 * np.var(np.concatenate(pans))


@pytest.mark.parametrize("seed", [1, 2])
def test_nine_in_ten_swell_for_over_100_ms(seed: int) -> None:
    """From 10 % to 90 % of the greatest level on the stem, where a glimmer sounds alone.

    The others are held to the same by their event's own attack.
    """
    heard = moss(seed)
    glimmers = heard.of("moss")
    stem = heard.stems["moss"]
    attacks_s = []
    for before, event, after in zip([None, *glimmers[:-1]], glimmers, [*glimmers[1:], None], strict=True):
        begin_s = heard.time_s(event)
        alone_before = before is None or begin_s - heard.time_s(before) > before.duration_s
        alone_after = after is None or heard.time_s(after) - begin_s > 0.8 * event.detail["attack_s"]
        if not (alone_before and alone_after):
            attacks_s.append(0.59 * event.detail["attack_s"])  # a raised cosine's way from 10 % to 90 %
            continue
        first = int(begin_s * heard.rate_hz)
        piece = stem[first : first + int(event.detail["attack_s"] * heard.rate_hz)]
        level = 10.0 ** (envelope_db(piece, heard.rate_hz, 0.01) / 20.0)
        above = np.flatnonzero(level > 0.9 * level.max())[0]
        attacks_s.append(0.01 * (above - np.flatnonzero(level > 0.1 * level.max())[0]))
    assert len(attacks_s) >= 20
    assert np.quantile(attacks_s, 0.1) > 0.1


def test_no_glimmer_carries_dc_or_lows() -> None:
    stem = moss(1).stems["moss"]
    assert np.abs(np.mean(stem, axis=0)).max() < 1e-5
    spectrum = np.abs(np.fft.rfft(stem.mean(axis=1))) ** 2
    hz = np.fft.rfftfreq(len(stem), 1.0 / 48_000.0)
    assert spectrum[hz < 120.0].sum() < 1e-4 * spectrum.sum()


def test_energy_brings_more_of_them() -> None:
    def count(energy: float) -> int:
        text = alone("moss", seconds=25.0, arc=f"energy = {energy}\nvalence = 0.7", fields="vine_hz = 1.5")
        return len(listen(text, 3, only=("moss",)).of("moss"))

    assert count(0.9) > 1.5 * count(0.1)
