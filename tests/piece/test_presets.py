"""The presets beside the dream: places to stay in. Each is heard as one minute of its whole hour."""

import functools

import numpy as np
import pytest
from scripts import script

from resonance.analysis.loudness import Meter
from resonance.cli import main
from resonance.engine import Engine
from resonance.score import Timeline, load, preset_names

PLACES = (
    "crystal-garden",
    "embers",
    "golden-stair",
    "heartbeat",
    "hum",
    "moonlight",
    "rain-on-memory",
    "star-sea",
    "storm-mirror",
    "waking-room",
    "wind",
)
HALF_RATE_HZ = 24_000
COMMAND = script("benchmarks/presets.py")
EACH = pytest.mark.parametrize("name", PLACES)


@functools.cache
def minute(name: str, seed: int | None = None, seconds: float = 60.0) -> np.ndarray:
    """A preset's hour drawn together to a minute, or its beginning: (frames, 2), at half the rate."""
    engine = Engine(load(name), HALF_RATE_HZ, seed, duration_s=60.0)
    audio = engine.render(round(seconds * HALF_RATE_HZ))
    assert not engine.messages
    return audio


def test_they_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PLACES) <= set(preset_names())
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    for name in PLACES:
        score = load(name)
        assert score.title != name
        assert 30 <= len(score.about) <= 110
        assert f"{name} " in listed
        assert score.about in listed


@EACH
def test_it_lasts_an_hour_of_long_scenes_that_have_something_far_and_near(name: str) -> None:
    score = load(name)
    assert 3500.0 < score.duration_s < 3700.0
    assert len(score.scenes) >= 7
    assert len(score.sounds) >= 5
    assert len({tuple(sorted(scene.sounds)) for scene in score.scenes}) >= 4


@EACH
def test_nothing_in_its_arc_drives_hard(name: str) -> None:
    timeline = Timeline(load(name))
    times_s = np.linspace(0.0, timeline.duration_s, 2000)
    assert timeline.energy(times_s).max() <= 0.5
    assert timeline.tension(times_s).max() <= 0.35
    assert timeline.energy(times_s).max() - timeline.energy(times_s).min() > 0.1


@EACH
def test_it_starts_softly(name: str) -> None:
    audio = minute(name)
    fifty = audio[: HALF_RATE_HZ // 20]
    assert np.sqrt(np.mean(np.square(fifty))) < 10.0 ** (-30.0 / 20.0)


@EACH
def test_it_is_as_loud_as_the_others(name: str) -> None:
    """A minute of the hour is no ten minutes: these bounds only notice what is out of all measure."""
    meter = Meter(HALF_RATE_HZ, remembers=True)
    meter.add(minute(name))
    short_term = meter.curve()[2][5:50]
    assert abs(float(np.median(short_term)) + 23.0) < 5.0
    assert meter.short_term_max < -12.0
    assert meter.true_peak_dbtp < -1.0


@EACH
def test_another_seed_is_another_night(name: str) -> None:
    one, other = minute(name)[: 6 * HALF_RATE_HZ, 0], minute(name, 1234, 6.0)[:, 0]
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.9


def test_the_mirror_shows_each_place_once() -> None:
    """Each reflection begins half a second before the last has ended; four places are new each time."""
    score = load("storm-mirror")
    lasts_s = score.sounds["mirror"].fields["reflection_s"]
    mirrors = [index for index, scene in enumerate(score.scenes) if "mirror" in scene.sounds]
    assert len(mirrors) == 4
    for before, index in zip([-1, *mirrors], mirrors, strict=False):
        heard_s = score.scenes[index].length_s + score.scenes[index + 1].crossfade_s
        reflections = np.ceil(heard_s / (lasts_s - 0.5))
        assert reflections <= index - before - 1


def test_the_command_finds_what_repeats() -> None:
    """Half a minute of noise has no two spans alike, until one of them comes back, softer, in other noise."""
    rate_hz = COMMAND.LOW_RATE_HZ
    noise = np.random.default_rng(1).normal(0.0, 0.1, 30 * rate_hz).astype(np.float32)
    assert COMMAND.most_alike(noise)[0] < 0.3
    once = noise[5 * rate_hz : 10 * rate_hz]
    noise[20 * rate_hz + 123 : 25 * rate_hz + 123] = 0.5 * once
    alike, (first_s, second_s) = COMMAND.most_alike(noise)
    assert alike > 0.98
    assert second_s - first_s == pytest.approx(15.0 + 123 / rate_hz)
