"""Dream map, row 26: footfalls on grit against the wind; inhaled and exhaled noise through a tract."""

import numpy as np
import pytest
from listening import alone, listen

from resonance.analysis.measures import beats, centroid_hz, envelope_db, partials
from resonance.generate import theme
from resonance.tuning import Tuning

AGONY = "valence = [0.40, 0.15]\nenergy = [0.75, 1.0]\ntension = [0.80, 1.0]\nbpm = [88, 96]"
RATE_HZ = 48_000.0


def heard(sound: str, seed: int, seconds: float = 14.0, fields: str = ""):
    text = alone(sound, seconds=seconds, arc=AGONY, fields=fields, more="heartbeat = {}")
    return listen(text, seed, only=(sound,))


def lubs_s(heard) -> np.ndarray:
    return np.array([heard.time_s(event) for event in heard.of("heartbeat", "lub")])


def resultant(times_s: np.ndarray, lubs: np.ndarray, beats_a_turn: float) -> float:
    """How well times keep their place among the heart's beats: 1 always the same, 0 anywhere."""
    place = np.interp(times_s, lubs, np.arange(len(lubs))) / beats_a_turn
    return float(np.abs(np.mean(np.exp(2j * np.pi * place))))


@pytest.mark.parametrize("seed", [1, 2])
def test_one_step_a_beat_locked_to_the_heart(seed):
    steps = heard("steps", seed)
    lubs = lubs_s(steps)
    audio = steps.stems["steps"]
    found_s, _ = beats(audio, RATE_HZ, 400.0)
    inside = found_s[(found_s > lubs[0]) & (found_s < lubs[-1])]
    assert abs(len(inside) - (len(lubs) - 1)) <= 1
    gaps_s = np.diff(inside)
    assert gaps_s.std() / gaps_s.mean() < 0.15
    assert resultant(inside, lubs, 1.0) > 0.7


@pytest.mark.parametrize("seed", [1, 2])
def test_each_step_has_a_tone_of_the_theme_under_it_and_never_the_octave(seed):
    steps = heard("steps", seed, fields="grit = 0, drag = 0")
    events = steps.of("steps", "step")
    assert {event.rule for event in events} == {"theme", "unresolved"}
    degrees = [theme.CLIMB[event.detail["place"] - 1] if event.rule == "theme" else 6 for event in events]
    for event, degree in list(zip(events, degrees, strict=True))[1:12]:
        at = round(steps.time_s(event) * RATE_HZ)
        tone = steps.stems["steps"][at + 1500 : at + round(0.55 * RATE_HZ)]
        pitch_hz = partials(tone, RATE_HZ, 1, 45.0, 125.0)[0][0]
        away_cents = 1200.0 * np.log2(pitch_hz / Tuning().hz(degree))
        # Strain draws it up to 16 cents off; half a second of sound places it within ten more.
        assert abs(away_cents) < 30.0


@pytest.mark.parametrize("seed", [1, 2])
def test_there_is_grit_under_the_soles(seed):
    gritty, bare = heard("steps", seed), heard("steps", seed, fields="grit = 0, drag = 0")
    assert centroid_hz(gritty.stems["steps"], RATE_HZ) > 2.0 * centroid_hz(bare.stems["steps"], RATE_HZ)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_breath_every_four_beats_locked_to_the_heart(seed):
    breath = heard("breath", seed)
    lubs = lubs_s(breath)
    for kind in ("in", "out"):
        onsets = np.array([breath.time_s(event) for event in breath.of("breath", kind)])
        assert abs(len(onsets) - len(lubs) / 4.0) <= 1.0
        assert resultant(onsets, lubs, 4.0) > 0.7
    # And so it is in the sound: where the level comes up through a tenth of its highest.
    level = 10.0 ** (envelope_db(breath.stems["breath"], RATE_HZ) / 20.0)
    loud = level > 0.1 * level.max()
    rises_s = 0.05 * (1 + np.flatnonzero(loud[1:] & ~loud[:-1]))
    assert abs(len(rises_s) - len(lubs) / 2.0) <= 1.0
    assert resultant(rises_s[(rises_s > lubs[0]) & (rises_s < lubs[-1])], lubs, 2.0) > 0.7


@pytest.mark.parametrize("seed", [1, 2])
def test_breathing_in_and_out_differ_in_brightness_by_15_percent_and_more(seed):
    breath = heard("breath", seed)
    brightness = {}
    for kind in ("in", "out"):
        pieces = []
        for event in breath.of("breath", kind):
            at = event.frame
            pieces.append(breath.stems["breath"][at : at + round(event.duration_s * RATE_HZ)])
        brightness[kind] = np.array([centroid_hz(piece, RATE_HZ) for piece in pieces if len(piece) > 9600])
    assert brightness["in"].min() > 1.15 * brightness["out"].max()
