"""Rows 7, 11 and 25 of the dream map: a sea of stars that glitters, drowns and screams."""

import functools

import numpy as np
import pytest
from listening import Heard, alone, listen

from resonance.analysis.measures import centroid_hz, envelope_db, flatness, partials, rms_db, roughness
from resonance.sounds.stars import claw_at

RATE_HZ = 48_000.0
BASE = "valence = [0.55, 0.65]\nenergy = [0.1, 0.3]\ntension = 0.2"
ASCENT = "valence = [0.7, 0.9]\nenergy = [0.35, 0.6]\ntension = [0.2, 0.25]"
DOUBT = "valence = [0.6, 0.1]\nenergy = [0.5, 0.34, 0.12]\ntension = [0.4, 0.75]"
AGONY = "valence = [0.4, 0.15]\nenergy = [0.75, 1.0]\ntension = [0.8, 1.0]\nbpm = [88, 96]"
LASTS_S = {BASE: 30.0, ASCENT: 6.0, DOUBT: 30.0, AGONY: 8.0}


def stars(arc: str, seed: int) -> Heard:
    return listen(alone("stars", seconds=LASTS_S[arc], arc=arc), seed, only=("stars",))


def stem(arc: str, seed: int) -> np.ndarray:
    return stars(arc, seed).stems["stars"]


def median_hz(sound: np.ndarray) -> float:
    """The frequency under which half of the power above 1 kHz lies: pitch, whatever hisses above it."""
    hz = np.fft.rfftfreq(len(sound), 1.0 / RATE_HZ)
    power = np.cumsum((np.abs(np.fft.rfft(sound, axis=0)) ** 2).sum(axis=1) * (hz > 1000.0))
    return float(hz[np.searchsorted(power, 0.5 * power[-1])])


@functools.cache
def torn(arc: str, seed: int) -> tuple[float, float]:
    """Roughness and centroid of a scene, from three stretches of it."""
    sound = stem(arc, seed)
    second = round(RATE_HZ)
    parts = [
        sound[at : at + 2 * second] for at in np.linspace(second, len(sound) - 2 * second, 3).astype(int)
    ]
    rough = [roughness(part, RATE_HZ) for part in parts]
    return float(np.mean(rough)), float(np.mean([centroid_hz(part, RATE_HZ) for part in parts]))


@pytest.mark.parametrize("seed", [1, 2])
def test_over_200_partials_glitter_above_3_khz(seed: int) -> None:
    """Peaks of 5.5 s windows, at least 4 Hz apart, so that no partial counts twice for its glinting."""
    found_hz, levels_db = partials(stem(BASE, seed)[: 11 * 48_000], RATE_HZ, 2000, low_hz=3000.0)
    apart: list[float] = []
    for hz, level_db in zip(found_hz, levels_db, strict=True):
        if level_db > levels_db[0] - 40.0 and all(abs(hz - other) > 4.0 for other in apart):
            apart.append(hz)
    assert len(apart) > 200


@pytest.mark.parametrize("seed", [1, 2])
def test_a_swell_of_6_to_14_s_moves_them_together(seed: int) -> None:
    levels_db = envelope_db(stem(BASE, seed)[2 * 48_000 :], RATE_HZ)
    t = np.arange(len(levels_db))
    levels_db -= np.polyval(np.polyfit(t, levels_db, 1), t)
    size = 16 * len(levels_db)
    power = np.abs(np.fft.rfft(levels_db * np.hanning(len(levels_db)), size)) ** 2
    hz = np.fft.rfftfreq(size, 0.05)
    assert 6.0 <= 1.0 / hz[1 + np.argmax(power[1:])] <= 14.0
    assert np.ptp(np.convolve(levels_db, np.full(20, 0.05), "valid")) > 4.0


@pytest.mark.parametrize("seed", [1, 2])
def test_they_drown_in_doubt(seed: int) -> None:
    sound = stem(DOUBT, seed)
    quarter = len(sound) // 4
    first, last = sound[:quarter], sound[-quarter:]
    assert flatness(last, RATE_HZ) >= 2.0 * flatness(first, RATE_HZ)
    assert rms_db(first) - rms_db(last) >= 12.0
    assert rms_db(last) > -60.0
    low_hz, high_hz = (median_hz(part) for part in (last, first))
    assert low_hz < 0.7 * high_hz


def test_they_drown_in_fog_as_well() -> None:
    """The dream's fog takes the highs, and with them flatness; the stars' hiss has to pierce it."""
    fog = "\nfog = { density = [[0, 0], [0.15, 0.1], [0.6, 0.8], [1, 1]] }"
    text = alone("stars", seconds=LASTS_S[DOUBT], arc=DOUBT + fog, fields="dimming_db = 3")
    sound = listen(text, 1, only=("stars",)).stems["stars"]
    quarter = len(sound) // 4
    assert flatness(sound[-quarter:], RATE_HZ) >= 2.0 * flatness(sound[:quarter], RATE_HZ)
    assert rms_db(sound[:quarter]) - rms_db(sound[-quarter:]) >= 12.0


@pytest.mark.parametrize("seed", [1, 2])
def test_they_are_roughest_and_brightest_in_agony(seed: int) -> None:
    rough, centroid = torn(AGONY, seed)
    for arc in (BASE, ASCENT, DOUBT):
        calm_rough, calm_centroid = torn(arc, seed)
        assert rough > 1.2 * calm_rough
        assert centroid > 1.1 * calm_centroid


@pytest.mark.parametrize("seed", [1, 2])
def test_claws_seize_on_in_agony_alone(seed: int) -> None:
    claws = stars(AGONY, seed).of("stars", "claw")
    assert len(claws) >= 5
    assert {claw.rule for claw in claws} == {"claw"}
    for arc in (BASE, ASCENT, DOUBT):
        assert not stars(arc, seed).of("stars", "claw")


def test_claws_drag_downward() -> None:
    """Rare claws, heard without the sea: the last third of each lies under its first, by a third or more."""
    heard, sea = (
        listen(alone("stars", seconds=7.0, arc=AGONY, fields=f"claws = {claws}"), 5, only=("stars",))
        for claws in (0.2, 0)
    )
    alone_heard = heard.stems["stars"] - sea.stems["stars"]
    claws = heard.of("stars", "claw")
    spans = [(heard.time_s(claw), heard.time_s(claw) + claw.duration_s) for claw in claws]
    single = [
        (begin_s, end_s)
        for begin_s, end_s in spans
        if end_s < 7.0 and sum(other[0] < end_s and begin_s < other[1] for other in spans) == 1
    ]
    assert single
    for begin_s, end_s in single:
        piece = alone_heard[int(begin_s * RATE_HZ) : int(end_s * RATE_HZ)]
        third = len(piece) // 3
        assert centroid_hz(piece[-third:], RATE_HZ) < 0.67 * centroid_hz(piece[:third], RATE_HZ)


def test_nothing_low_is_wide() -> None:
    spectrum = np.abs(np.fft.rfft(stem(ASCENT, 1), axis=0)) ** 2
    hz = np.fft.rfftfreq(len(stem(ASCENT, 1)), 1.0 / RATE_HZ)
    assert spectrum[hz < 120.0].sum() < 1e-3 * spectrum.sum()


def test_a_claw_is_where_it_is_however_time_is_cut() -> None:
    tines = (np.array([0.0, 0.03]), np.array([27.0, 31.0]), np.array([0.08, 0.09]), np.zeros(2))

    def drawn(age: int, steps: int) -> np.ndarray:
        cycles, left, right = np.empty((steps + 1, 2)), *np.empty((2, steps + 1, 2), np.float32)
        claw_at(age, 48_000.0, 1.7, tines, 1.6, 0.3, cycles, left, right)
        return np.stack([cycles, left, right])

    for age in range(0, 96_000, 4096):
        assert np.array_equal(drawn(age, 256)[:, 32:65], drawn(age + 32 * 64, 32))
