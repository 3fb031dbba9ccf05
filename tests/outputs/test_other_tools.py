"""Files as other people's programs read them: ffprobe, sox, mediainfo and wavinfo; and what a kill leaves."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from resonance.cli import main
from resonance.outputs.file import FORMATS, Writer, write

SCORE = """format = 1
title = "Small"
seed = 5
[[scene]]
name = "one"
length = 1.5
sounds = ["drone"]
[[scene]]
name = "two"
length = 1
sounds = ["drone"]
"""


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def told(*call: str | Path) -> str:
    return subprocess.run(list(map(str, call)), check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small piece in every format there is, and as a loop."""
    folder = tmp_path_factory.mktemp("formats")
    (folder / "small.toml").write_text(SCORE)
    for ending in FORMATS:
        assert main(["render", str(folder / "small.toml"), "-o", str(folder / f"a.{ending}")]) == 0
    assert main(["render", str(folder / "small.toml"), "-o", str(folder / "loop.wav"), "--loop"]) == 0
    return folder


def probed(path: Path) -> dict[str, Any]:
    asked = ("-show_format", "-show_streams", "-show_chapters", "-of", "json")
    return json.loads(told("ffprobe", "-v", "error", *asked, path))


@needs("ffprobe")
@pytest.mark.parametrize("ending", FORMATS)
def test_ffprobe_reads_length_and_tags(folder: Path, ending: str) -> None:
    found = probed(folder / f"a.{ending}")
    stream = found["streams"][0]
    assert (stream["sample_rate"], stream["channels"]) == ("48000", 2)
    # Lossy formats fill up their last frame.
    lossy = FORMATS[ending].is_lossy
    assert float(found["format"]["duration"]) == pytest.approx(2.5, abs=0.06 if lossy else 1e-6)
    tags = {**found["format"].get("tags", {}), **stream.get("tags", {})}
    tags = {name.lower(): text for name, text in tags.items()}
    assert tags["title"] == "Small"
    assert tags["comment"].startswith("seed=5; score=small; score digest=")
    said = [*found["format"].get("tags", {}).values(), *stream.get("tags", {}).values()]
    assert any(text.startswith("resonance ") for text in said)


@needs("ffprobe")
@pytest.mark.parametrize("ending", ["wav", "mp3"])
def test_ffprobe_reads_scenes_as_chapters(folder: Path, ending: str) -> None:
    chapters = [
        (each["tags"]["title"], float(each["start_time"]), float(each["end_time"]))
        for each in probed(folder / f"a.{ending}")["chapters"]
    ]
    assert chapters == [("one", 0.0, 1.5), ("two", 1.5, 2.5)]


@needs("ffprobe")
def test_chapters_that_are_known_by_the_end_are_told_as_far_as_there_is_room(tmp_path: Path) -> None:
    for name, count in (("few", 40), ("many", 3000)):
        with Writer(tmp_path / f"{name}.mp3", 48_000, 1, None, markers=[(0, "first")]) as file:
            file.write(np.zeros((48_000, 1), np.float32))
            file.markers += [(10 * number, f"scene {number}") for number in range(1, count)]
        chapters = probed(tmp_path / f"{name}.mp3")["chapters"]
        assert chapters[0]["tags"]["title"] == "first"
        assert chapters[39]["tags"]["title"] == "scene 39"
        assert 40 <= len(chapters) < 200


@needs("ffprobe")
@pytest.mark.parametrize("ending", FORMATS)
def test_a_title_in_any_alphabet(tmp_path: Path, ending: str) -> None:
    tone = np.sin(np.arange(48_000) * 0.05)[:, None].astype(np.float32)
    write(tmp_path / f"a.{ending}", tone, 48_000, tags={"title": "Träume, 夢"})
    found = probed(tmp_path / f"a.{ending}")
    tags = {**found["format"].get("tags", {}), **found["streams"][0].get("tags", {})}
    assert {name.lower(): text for name, text in tags.items()}["title"] == "Träume, 夢"


@needs("sox")
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_sox_reads_every_sample(folder: Path, ending: str) -> None:
    about = {
        option: told("sox", "--i", option, folder / f"a.{ending}").strip()
        for option in ("-s", "-r", "-c", "-b")
    }
    assert about == {"-s": "120000", "-r": "48000", "-c": "2", "-b": "24"}
    told("sox", folder / f"a.{ending}", "-b", "32", folder / f"{ending}.sox.wav")
    ours, theirs = soundfile.read(folder / f"a.{ending}")[0], soundfile.read(folder / f"{ending}.sox.wav")[0]
    assert np.array_equal(ours, theirs)


@needs("mediainfo")
def test_mediainfo_reads_the_tags(folder: Path) -> None:
    general, audio = json.loads(told("mediainfo", "--Output=JSON", folder / "a.wav"))["media"]["track"][:2]
    assert (general["Title"], general["Comment"][:7]) == ("Small", "seed=5;")
    assert general["Encoded_Application"].startswith("resonance ")
    assert (audio["SamplingCount"], audio["BitDepth"], audio["Channels"]) == ("120000", "24", "2")


@pytest.mark.skipif(importlib.util.find_spec("wavinfo") is None, reason="wavinfo is not installed")
def test_wavinfo_reads_markers_and_loop(folder: Path) -> None:
    import wavinfo

    found = wavinfo.WavInfoReader(str(folder / "loop.wav"))
    cues = {cue["label"]: cue["frame"] for cue in found.cues.to_dict().values()}
    assert cues == {"one": 0, "two": 72_000}
    (loop,) = found.smpl.to_dict()["loops"]
    assert (loop["start_samples"], loop["end_samples"], loop["repetition_count"]) == (0, 119_999, 0)
    assert found.data.frame_count == 120_000
    assert wavinfo.WavInfoReader(str(folder / "a.wav")).smpl is None


@needs("ffprobe")
def test_ffprobe_reads_rf64(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with Writer(path, 48_000, riff_bytes=1000, markers=[(100, "x")]) as writer:
        writer.write(np.zeros((48_000, 2), np.float32))
    assert path.read_bytes()[:4] == b"RF64"
    assert float(probed(path)["format"]["duration"]) == 1.0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("level", [0.0, 0.25])
def test_a_kill_leaves_what_plays_within_ten_seconds(tmp_path: Path, ending: str, level: float) -> None:
    """Silence too, of which a lossy format writes next to nothing."""
    program = f"""
        import time
        import numpy as np
        from resonance.outputs.file import Writer
        writer = Writer("a.{ending}", 48000)
        tone = {level} * np.sin(np.arange(24000) * 0.05)[:, None] * np.ones(2)
        for _ in range(40):
            writer.write(tone.astype(np.float32))
        print("written", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout.readline().strip() == b"written"
        child.kill()
    part = tmp_path / f"a.{ending}.part"
    played = 0
    if shutil.which("ffmpeg"):
        call = ["ffmpeg", "-v", "error", "-i", part, "-f", "s16le", "-ac", "2", "-ar", "48000", "-"]
        played = len(subprocess.run(call, check=True, capture_output=True).stdout) // 4
    else:
        with soundfile.SoundFile(part) as file:
            while read := len(file.read(4096)):
                played += read
    assert 10.0 <= played / 48_000 <= 20.1
