"""The dream as its preset plays it: rows 1 to 4, 9, 14, 31 and 32 of the map, at two seeds."""

import itertools

import numpy as np
import pytest
from listening import alone, listen, score_of

from resonance.analysis.loudness import Meter
from resonance.analysis.measures import (
    am_spectrum,
    band_level_db,
    beats,
    cents_off_degrees,
    envelope_autocorrelation,
    envelope_db,
    formant_peaks_hz,
    partials,
    pitch_track,
    rms_db,
    spectrum,
    t60_s,
)
from resonance.contract import MAX_STEPS
from resonance.dsp import GRID_FRAMES
from resonance.engine import Engine
from resonance.engine.nights import next_seed, varied
from resonance.generate import theme
from resonance.score import load
from resonance.sounds.crystals import RAW, TUNED
from resonance.tuning import Tuning

SEEDS = pytest.mark.parametrize("seed", [1, 2])
RATE_HZ = 48_000
TUNING = Tuning()


def off_a_multiple_cents(frequency_hz: np.ndarray) -> np.ndarray:
    return 1200.0 * np.log2(frequency_hz / (55.0 * np.round(frequency_hz / 55.0)))


def test_the_dream_is_twelve_minutes_of_twelve_scenes() -> None:
    score = score_of("dream")
    assert score.duration_s == 720.0
    starts = np.cumsum([0.0, *(scene.length_s for scene in score.scenes)])
    at = {scene.name: start for scene, start in zip(score.scenes, starts, strict=False)}
    assert at == {
        "base": 0, "ascent": 70, "doubt": 180, "heartbeat": 260, "moonlight": 310, "visions": 370,
        "seed": 430, "tree": 460, "agony": 520, "mirror": 590, "fall": 640, "awakening": 660,
    }  # fmt: skip


@SEEDS
def test_1_the_drone_hums_on_multiples_of_its_root(seed: int) -> None:
    stem = listen("dream: base", seed, only=("drone",), end_s=40.0).stems["drone"][5 * RATE_HZ :]
    frequency_hz, _ = partials(stem, RATE_HZ, 8, 30.0, 2000.0)
    assert len(frequency_hz) == 8
    assert np.abs(off_a_multiple_cents(frequency_hz)).max() < 5.0
    level_db = envelope_db(stem, RATE_HZ)
    assert 1.0 < level_db.max() - level_db.min() < 20.0


@SEEDS
def test_1_the_drone_is_no_loop(seed: int) -> None:
    """Five minutes of it; at a third of the rate, since all it has lies below 2 kHz."""
    heard = listen("dream: base", seed, only=("drone",), duration_s=330.0, end_s=305.0, rate=16_000.0)
    level_db = envelope_db(heard.stems["drone"][5 * 16_000 :], 16_000, 0.05)
    _, alike = envelope_autocorrelation(level_db, 0.05, 5.0, 120.0)
    assert alike.max() < 0.5


@SEEDS
def test_1_a_second_rises_beside_it_under_strain(seed: int) -> None:
    """A little flat of 9/4 of the root: not there at ease, near the octave's level under strain."""
    over_db = []
    for tension in (0.3, 0.6):
        score = alone("drone", seconds=13.0, arc=f"energy = 0.4\ntension = {tension}")
        stem = listen(score, seed).stems["drone"][3 * RATE_HZ :]
        stem = stem * np.hanning(len(stem))[:, None]
        second, octave = (band_level_db(stem, RATE_HZ, hz - 2.5, hz + 2.5) for hz in (122.9, 110.0))
        over_db.append(second - octave)
    assert over_db[0] < -40.0
    assert -12.0 < over_db[1] < 3.0


@SEEDS
def test_2_the_lullaby_sings_degrees_with_a_throat(seed: int) -> None:
    heard = listen("dream: base", seed, only=("lullaby",))
    _, pitch_hz = pitch_track(heard.stems["lullaby"], RATE_HZ, 80.0, 300.0, 0.02)
    off = np.abs(cents_off_degrees(pitch_hz[np.isfinite(pitch_hz)], TUNING))
    assert len(off) > 200
    assert np.mean(off < 15.0) > 0.8, "the rest are glides between tones"
    phrases = heard.of("lullaby", "phrase")
    assert 2 <= len(phrases) <= 4
    sung = [tuple(np.round(phrase.detail["pitches_hz"], 3)) for phrase in phrases]
    assert len(set(sung)) == len(sung)
    assert all(3 <= len(set(tones)) <= 4 or len(set(tones)) == 2 for tones in sung)
    two = []
    for phrase in phrases[:3]:
        begin = int((heard.time_s(phrase) + 0.8) * RATE_HZ)
        for second in range(int(phrase.duration_s - 2.0)):
            span = heard.stems["lullaby"][begin + second * RATE_HZ :][: 2 * RATE_HZ]
            two.append(np.sum(np.asarray(formant_peaks_hz(span, RATE_HZ)) < 1500.0) == 2)
    assert np.mean(two) > 0.6


@SEEDS
def test_3_crystals_ring_at_the_models_ratios(seed: int) -> None:
    heard = listen("dream: ascent", seed, only=("crystals",))
    strikes = heard.of("crystals", "strike")
    assert len(strikes) > 30
    off = np.abs(cents_off_degrees(np.array([event.pitch_hz for event in strikes]), TUNING))
    assert off.max() < 5.0
    climbs = [event for event in strikes if event.rule == "theme"]
    degrees = [TUNING.nearest(event.pitch_hz) % 7 for event in climbs]
    assert degrees[:5] == list(theme.CLIMB)
    assert [event.detail["place"] for event in climbs[:5]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("note", [45, 57, 69, 81])
def test_3_a_crystal_rings_as_long_as_it_is_asked_at_every_pitch(note: int) -> None:
    from resonance.engine import Engine

    engine = Engine(score_of("dream: ascent"), seed=1, only=("crystals",), stems=True)
    for quiet in ("touch_hz", "theme_hz"):
        engine.set(f"crystals.{quiet}", 0.0)
    engine.note_on(note, 0.7)
    blocks = [engine.advance(128).stems["crystals"].copy() for _ in range(30)]
    stem = np.concatenate(blocks, axis=1).T
    pitch_hz = TUNING.note_hz(note)
    assert t60_s(stem, RATE_HZ, pitch_hz) == pytest.approx(4.5, rel=0.05)
    frequency_hz, _ = partials(stem[: RATE_HZ // 2], RATE_HZ, 6, 0.5 * pitch_hz, 12_000.0)
    for found in frequency_hz:
        nearest = TUNED[np.abs(np.log(TUNED * pitch_hz / found)).argmin()]
        assert found == pytest.approx(nearest * pitch_hz, rel=0.01)


@SEEDS
def test_4_every_memory_follows_a_crystal(seed: int) -> None:
    heard = listen("dream: ascent, doubt", seed, only=("memories",), end_s=150.0)
    clouds = heard.of("memories")
    assert {event.kind for event in clouds} == {"laughter", "rain", "dare"}
    for cloud in clouds:
        assert cloud.follows is not None
        assert cloud.follows.sound == "crystals"
        assert 0.0 < (cloud.frame - cloud.follows.frame) / RATE_HZ < 2.0


@SEEDS
def test_9_under_strain_the_crystals_snap(seed: int) -> None:
    heard = listen("dream: doubt", seed, only=("crystals",))
    late = [event for event in heard.of("crystals") if heard.time_s(event) > 0.6 * 80.0]
    snaps = [event for event in late if event.kind == "snap"]
    assert len(snaps) >= 5
    for snap in snaps:
        impacts = [event for event in heard.of("crystals", "impact") if event.follows is snap]
        assert 5 <= len(impacts) <= 30
        assert (impacts[-1].frame - impacts[0].frame) / RATE_HZ < 0.3
    away = np.abs(RAW - np.round(RAW))
    assert away[1:].mean() >= 0.1


@SEEDS
def test_9_brittle_crystals_ring_a_third_as_long(seed: int) -> None:
    from resonance.engine import Engine

    engine = Engine(score_of("dream: doubt"), seed=seed, only=("crystals",), stems=True)
    # The fog would ring on with it: it has to have lifted.
    for quiet in ("crystals.touch_hz", "crystals.theme_hz", "fog.density"):
        engine.set(quiet, 0.0)
    while engine.frame < 0.65 * 80.0 * RATE_HZ:
        engine.advance(128)
    engine.note_on(69, 0.7)
    stem = np.concatenate([engine.advance(128).stems["crystals"].copy() for _ in range(10)], axis=1).T
    assert t60_s(stem, RATE_HZ, TUNING.note_hz(69)) <= 4.5 / 3.0


@SEEDS
def test_14_the_heart_beats_as_a_heart(seed: int) -> None:
    heard = listen("dream: heartbeat, moonlight", seed, only=("heartbeat",), end_s=100.0)
    lubs_s, dubs_s = beats(heard.stems["heartbeat"][5 * RATE_HZ :], RATE_HZ)
    intervals_s = np.diff(lubs_s)
    asked = np.linspace(50.4, 54.0, 500)
    assert 60.0 / intervals_s.mean() == pytest.approx(0.45 * asked.mean() + 0.55 * 54.0, abs=1.0)
    systole = (dubs_s[:-1] - lubs_s[:-1]) / intervals_s
    assert 0.25 < np.nanmin(systole) <= np.nanmax(systole) < 0.35
    times_s = np.arange(lubs_s[0], lubs_s[-2], 0.25)
    curve = np.interp(times_s, lubs_s[:-1], intervals_s)
    power = np.abs(
        np.fft.rfft((curve - np.polyval(np.polyfit(times_s, curve, 1), times_s)) * np.hanning(len(curve)))
    )
    peak_hz = np.fft.rfftfreq(len(curve), 0.25)[power[1:].argmax() + 1]
    assert 0.1 <= peak_hz <= 0.45


@SEEDS
def test_31_the_room_is_quiet_and_trembles(seed: int) -> None:
    heard = listen("dream: awakening", seed, only=("room",), end_s=45.0)
    stem = heard.stems["room"][6 * RATE_HZ :]
    assert -60.0 < rms_db(stem) < -36.0
    frequency_hz, magnitude = spectrum(stem, RATE_HZ)
    tone = (frequency_hz > 1000.0) & (frequency_hz < 6000.0)
    trend = np.polyfit(np.log2(frequency_hz[tone]), 20.0 * np.log10(magnitude[tone]), 1)
    ozone = (frequency_hz > 8000.0) & (frequency_hz < 14_000.0)
    over_db = 20.0 * np.log10(magnitude[ozone]) - np.polyval(trend, np.log2(frequency_hz[ozone]))
    assert over_db.mean() > 6.0
    rate_hz, depth = am_spectrum(stem, RATE_HZ, 2.0)
    assert 6.0 <= rate_hz[depth.argmax()] <= 9.0
    assert 3 <= len(listen("dream: awakening", seed, only=("room",)).of("room", "drop")) <= 40


@SEEDS
def test_31_on_waking_the_theme_is_hummed_once_up_to_its_octave(seed: int) -> None:
    heard = listen("dream: awakening", seed, only=("room",))
    hummed = [event for event in heard.of("room") if event.rule == "theme"]
    assert [TUNING.nearest(event.pitch_hz) - 21 for event in hummed] == [0, 1, 2, 4, 5, 7]
    for event in hummed:
        begin = int((heard.time_s(event) + 0.4) * RATE_HZ)
        tone = heard.stems["room"][begin : begin + RATE_HZ]
        frequency_hz, _ = partials(tone, RATE_HZ, 1, 430.0, 900.0)
        assert frequency_hz[0] == pytest.approx(event.pitch_hz, rel=0.003)
        assert -62.0 < band_level_db(tone, RATE_HZ, event.pitch_hz * 0.98, event.pitch_hz * 1.02) < -44.0


@SEEDS
def test_32_the_mountain_is_far_and_the_ember_outlasts_all(seed: int) -> None:
    heard = listen("dream: awakening", seed, only=("room", "drone", "ember"))
    drone = heard.stems["drone"][20 * RATE_HZ : 42 * RATE_HZ]
    frequency_hz, _ = partials(drone, RATE_HZ, 3, 30.0, 400.0)
    assert np.abs(off_a_multiple_cents(frequency_hz)).max() < 5.0
    meter = Meter(RATE_HZ)
    meter.add(np.ascontiguousarray(drone))
    assert meter.integrated() < -40.0
    assert rms_db(drone) > -62.0
    last_s = {name: _last_heard_s(stem) for name, stem in heard.stems.items()}
    assert max(last_s, key=lambda name: last_s[name]) == "ember"
    end_db = {
        name: rms_db(stem[-5 * RATE_HZ :]) for name, stem in heard.stems.items() if stem[-5 * RATE_HZ :].any()
    }
    assert max(end_db, key=lambda name: end_db[name]) == "ember"
    assert band_level_db(heard.mix[-5 * RATE_HZ :], RATE_HZ, 100.0, 2000.0) > -70.0


def _last_heard_s(stem: np.ndarray) -> float:
    over = np.flatnonzero(envelope_db(stem, RATE_HZ) > -80.0)
    return float(over[-1]) if len(over) else -1.0


@pytest.mark.parametrize("night", [2, 5])
def test_what_happens_does_not_hang_on_how_time_is_cut(night: int) -> None:
    """In these nights a beat and what it is to be decided with come close together, in the tree's height."""
    score = load("dream")
    seed = score.seed
    for _ in range(1, night):
        seed = next_seed(seed)
    written = varied(score, seed)

    def happens(steps: int) -> list[tuple[object, ...]]:
        engine, events = Engine(written, RATE_HZ, seed), []
        while engine.frame < engine.frames:
            due = engine.due(min(steps, -(-engine.frames // GRID_FRAMES) - engine.step))
            events += itertools.chain.from_iterable(due.begun.values())
            engine.passed(due)
        return sorted((e.name, e.frame, e.pitch_hz, e.level_db, e.duration_s, str(e.detail)) for e in events)

    assert happens(8) == happens(MAX_STEPS)
