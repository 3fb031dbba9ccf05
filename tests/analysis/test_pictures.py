"""Pictures are drawn for every kind of file, and markers and tags come back as they were written."""

import numpy as np
import pytest

from resonance.analysis.pictures import Outline, picture_of_audio, picture_of_score
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


def pixels(path):
    import matplotlib.image

    image = matplotlib.image.imread(path)
    assert image.shape[:2] == (1000, 1600)
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


def test_picture_of_a_score(tmp_path):
    lanes = {"drone": TIMES_S, "crystals": 1 - TIMES_S}
    scenes = [("base", 0.0, 0.5), ("ascent", 0.5, 1.0)]
    picture_of_score(Outline("dream", TIMES_S, CURVES, scenes, lanes), tmp_path / "a.png")
    picture_of_score(Outline("dream", TIMES_S, CURVES), tmp_path / "b.png")
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


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
