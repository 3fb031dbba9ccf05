"""Pictures are drawn for every kind of file, and markers and tags come back as they were written."""

import io

import numpy as np
import pytest

from resonance.analysis.pictures import (
    Outline,
    picture_of_audio,
    picture_of_scene,
    picture_of_score,
    picture_of_sound,
    spectrogram,
)
from resonance.analysis.recording import read_markers, read_tags
from resonance.outputs.file import Writer, write

RATE_HZ = 48_000
MARKERS = [(0, "base"), (24_000, "ascent"), (40_000, "ä")]
TIMES_S = np.linspace(0.0, 1.0, 50)
CURVES = {"valence": TIMES_S, "energy": TIMES_S**2, "tension": 1 - TIMES_S}


def tone(frames=48_000):
    return (
        (0.3 * np.sin(2 * np.pi * 440 * np.arange(frames) / RATE_HZ))[:, None].repeat(2, 1).astype(np.float32)
    )


def pixels(path, size=(1000, 1600)):
    import matplotlib.image

    image = matplotlib.image.imread(path)
    assert image.shape[:2] == size
    return image[:, :, :3]


def test_markers_and_tags_come_back(tmp_path):
    tags = {"title": "dream", "seed": 7, "score digest": "abc"}
    for limit in (10**9, 1000):
        with Writer(
            tmp_path / "a.wav", RATE_HZ, tags=tags, markers=MARKERS, riff_bytes=limit, force=True
        ) as writer:
            writer.write(tone())
        assert read_markers(tmp_path / "a.wav") == MARKERS
        read = read_tags(tmp_path / "a.wav")
        assert (read["title"], read["seed"], read["score digest"]) == ("dream", "7", "abc")
    write(tmp_path / "a.flac", tone(), RATE_HZ, tags=tags)
    assert read_markers(tmp_path / "a.flac") == []
    torn = (tmp_path / "a.wav").read_bytes()
    at = torn.index(b"labl") + 4
    (tmp_path / "a.wav").write_bytes(torn[:at] + bytes((2, 0, 0, 0)) + torn[at + 4 :])
    assert read_markers(tmp_path / "a.wav")[0] == (MARKERS[0][0], "")
    assert read_tags(tmp_path / "a.flac")["seed"] == "7"


def test_picture_of_a_file_shows_its_tone(tmp_path):
    write(tmp_path / "a.wav", tone(), RATE_HZ, title="a tone", markers=MARKERS)
    picture_of_audio(tmp_path / "a.wav", tmp_path / "a.png")
    image = pixels(tmp_path / "a.png")
    # The spectrogram's brightest rows are one thin line.
    bright = image[300:800, 800].sum(axis=1) > 2.0
    assert 1 <= bright.sum() <= 60


@pytest.mark.parametrize("frames", [1, 100, 5000])
def test_the_shortest_files_and_silence_are_drawn(tmp_path, frames):
    write(tmp_path / "a.wav", np.zeros((frames, 1), np.float32), 44_100)
    picture_of_audio(tmp_path / "a.wav", tmp_path / "a.png", (TIMES_S, CURVES), [("one", 0.0, 0.1)])
    pixels(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_file_without_markers_is_drawn(tmp_path, name):
    write(tmp_path / name, tone(), RATE_HZ)
    picture_of_audio(tmp_path / name, tmp_path / "a.png")
    pixels(tmp_path / "a.png")


def test_words_with_dollars_are_no_mathematics(tmp_path):
    write(tmp_path / "a.wav", tone(), RATE_HZ, title="$_ and $", markers=[(0, "$^ to $")])
    picture_of_audio(tmp_path / "a.wav", tmp_path / "a.png")
    pixels(tmp_path / "a.png")


def test_a_file_that_came_through_a_pipe_has_no_markers(tmp_path):
    pipe = io.BytesIO()
    with Writer(pipe, RATE_HZ) as writer:
        writer.write(tone())
    (tmp_path / "a.wav").write_bytes(pipe.getvalue())
    assert read_markers(tmp_path / "a.wav") == []


def test_picture_of_a_score(tmp_path):
    lanes = {"drone": TIMES_S, "crystals": 1 - TIMES_S}
    scenes = [("base", 0.0, 0.5), ("ascent", 0.5, 1.0)]
    picture_of_score(Outline("dream", TIMES_S, CURVES, scenes, lanes), tmp_path / "a.png")
    picture_of_score(Outline("dream", TIMES_S, CURVES), tmp_path / "b.png")
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_spectrogram_reads_tones_and_clicks_where_they_are():
    """A low tone is a thin line at its level, a click a thin column: each within what its window allows."""
    frequencies_hz = np.geomspace(30.0, 16_000.0, 290)
    times_s = np.arange(4 * RATE_HZ) / RATE_HZ
    low = np.sin(2 * np.pi * 110.0 * times_s)
    levels_db = spectrogram(low[:, None].astype(np.float32), RATE_HZ, 200, frequencies_hz)[:, 100]
    assert abs(frequencies_hz[np.argmax(levels_db)] - 110.0) < 2.5
    assert -1.5 < levels_db.max() < 0.1
    assert np.ptp(frequencies_hz[levels_db > levels_db.max() - 40.0]) < 22.0
    click = np.zeros((4 * RATE_HZ, 2), np.float32)
    click[2 * RATE_HZ] = 1.0
    high_db = spectrogram(click, RATE_HZ, 200, frequencies_hz)[frequencies_hz > 5000.0].max(axis=0)
    heard = np.flatnonzero(high_db > high_db.max() - 40.0)
    assert heard[0] in (98, 99, 100)
    assert np.ptp(heard) <= 2
    # Where nothing but the cut's own edge is, nothing is seen.
    edge_db = spectrogram(low[:, None].astype(np.float32), RATE_HZ, 200, frequencies_hz)[250:, [0, -1]]
    assert edge_db.max() < -60.0


def test_small_pictures_show_the_scene_and_where_the_sound_is(tmp_path):
    scenes = [("one", 0.0, 30.0), ("two", 30.0, 60.0)]
    arc = (np.linspace(0.0, 60.0, 50), CURVES)
    picture_of_scene(tone(), RATE_HZ, tmp_path / "scene.png", 30.0, arc, 1)
    levels_db = np.where(np.arange(600) < 150, -20.0, -120.0)
    picture_of_sound(tone(), RATE_HZ, tmp_path / "sound.png", 5.0, scenes, levels_db)
    for name in ("scene.png", "sound.png"):
        image = pixels(tmp_path / name, (400, 960))
        bright = image[150:360, 480].sum(axis=1) > 2.0
        assert 1 <= bright.sum() <= 30, name
    # The strip: bright while the sound is there, dark after.
    strip = pixels(tmp_path / "sound.png", (400, 960))[25]
    assert strip[200].sum() > strip[600].sum() + 0.5
    picture_of_sound(tone(), RATE_HZ, tmp_path / "sound.webp", 5.0, scenes, levels_db)
    assert (tmp_path / "sound.webp").read_bytes()[8:12] == b"WEBP"


def test_a_narrower_picture_keeps_its_scales(tmp_path):
    write(tmp_path / "a.wav", tone(), RATE_HZ, title="a tone", markers=MARKERS)
    picture_of_audio(tmp_path / "a.wav", tmp_path / "a.png", pixels=(1000, 800))
    image = pixels(tmp_path / "a.png", (800, 1000))
    assert 1 <= (image[240:640, 500].sum(axis=1) > 2.0).sum() <= 60


def test_lanes_stand_in_the_order_of_their_entries(tmp_path):
    """Whatever order the score has them in."""
    early, late = np.where(TIMES_S < 0.5, 1.0, 0.0), np.where(TIMES_S > 0.5, 1.0, 0.0)
    for name, lanes in (("a", {"x": early, "y": late}), ("b", {"y": late, "x": early})):
        picture_of_score(Outline("t", TIMES_S, CURVES, [], lanes), tmp_path / f"{name}.png")
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_what_is_no_audio_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(ValueError, match="no audio file"):
        picture_of_audio(tmp_path / "a.wav", tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"b\.wav"):
        picture_of_audio(tmp_path / "b.wav", tmp_path / "a.png")
    write(tmp_path / "c.wav", np.zeros((0, 2), np.float32), RATE_HZ)
    with pytest.raises(ValueError, match="holds no sound"):
        picture_of_audio(tmp_path / "c.wav", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
