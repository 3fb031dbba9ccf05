"""Files as a stranger reads them: soundfile, the standard library, and chunks taken apart by hand."""

import errno
import io
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
import wave

import numpy as np
import pytest
import soundfile

from resonance.outputs import wav
from resonance.outputs.file import FORMATS, Writer, write
from resonance.outputs.quantise import Quantiser

RATE_HZ = 48_000


def music(frames=48_000, channels=2):
    t = np.arange(frames)[:, None] / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * 220 * t * (1 + np.arange(channels)))).astype(np.float32)


def chunks(data):
    """(name, content) of every chunk; every size and padding byte is checked on the way."""
    assert data[:4] in (b"RIFF", b"RF64")
    assert data[8:12] == b"WAVE"
    found, at, size_of_data = [], 12, None
    while at < len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"data" and size == 0xFFFFFFFF:
            size = size_of_data
        content = data[at + 8 : at + 8 + size]
        assert len(content) == size
        if name == b"ds64":
            size_of_data = struct.unpack_from("<Q", content, 8)[0]
            assert struct.unpack_from("<Q", content)[0] == len(data) - 8
        if size % 2:
            assert data[at + 8 + size] == 0
        found.append((name, content))
        at += 8 + size + size % 2
    assert at == len(data)
    if data[:4] == b"RIFF":
        assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    return found


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_16", 1.6 / 2**15), ("PCM_24", 1.6 / 2**23), ("FLOAT", 0)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_reads_back(tmp_path, subtype, tolerance, channels):
    audio = music(4801, channels)
    path = tmp_path / "new" / "folder" / "a.wav"
    write(path, audio, RATE_HZ, subtype=subtype)
    read, rate_hz = soundfile.read(path, always_2d=True)
    assert rate_hz == RATE_HZ
    assert read.shape == audio.shape
    assert np.abs(read - audio).max() <= tolerance
    assert soundfile.info(path).subtype == subtype
    assert not list(tmp_path.rglob("*.part"))
    chunks(path.read_bytes())


@pytest.mark.parametrize(("subtype", "width"), [("PCM_16", 2), ("PCM_24", 3)])
def test_wav_opens_in_the_standard_library(tmp_path, subtype, width):
    write(tmp_path / "a.wav", music(999), RATE_HZ, subtype=subtype)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (2, width, RATE_HZ, 999)


@pytest.mark.parametrize("ending", [name for name in FORMATS if name != "wav"])
def test_other_formats_read_back(tmp_path, ending):
    audio = music(96_000)
    write(tmp_path / f"a.{ending}", audio, RATE_HZ, title="dream", tags={"seed": 7})
    with soundfile.SoundFile(tmp_path / f"a.{ending}") as file:
        assert file.title == "dream"
        assert "seed=7" in file.comment
        read = file.read(always_2d=True)
    assert abs(len(read) - len(audio)) <= 2400
    if ending == "flac":
        assert np.abs(read - audio).max() <= 1.6 / 2**23
    else:
        assert np.sqrt(np.mean(read[10_000:80_000] ** 2)) == pytest.approx(
            np.sqrt(np.mean(audio**2)), rel=0.05
        )


def test_one_dither_for_wav_and_flac(tmp_path):
    for name in ("a.wav", "a.flac"):
        write(tmp_path / name, music(), RATE_HZ, subtype="PCM_16")
    first, second = (soundfile.read(tmp_path / name, dtype="int16")[0] for name in ("a.wav", "a.flac"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_bytes_do_not_depend_on_blocks(tmp_path, subtype):
    audio = music(150_001)
    results = set()
    for number, size in enumerate((64, 977, 65_536, 150_001)):
        path = tmp_path / f"{number}.wav"
        with Writer(path, RATE_HZ, subtype=subtype, dither_seed=3) as writer:
            for start in range(0, len(audio), size):
                writer.write(audio[start : start + size])
        results.add(path.read_bytes())
    assert len(results) == 1
    write(tmp_path / "other.wav", audio, RATE_HZ, subtype=subtype, dither_seed=4)
    assert (tmp_path / "other.wav").read_bytes() not in results


def test_dither_makes_the_error_independent_of_the_music():
    bits = 16
    for level in (0.0, 0.25, 0.5, 100.3):
        block = np.full((400_000, 1), level / 2 ** (bits - 1), np.float32)
        error = Quantiser(bits, 1).whole(block) - level
        assert error.mean() == pytest.approx(0.0, abs=0.005)
        assert error.var() == pytest.approx(0.25, rel=0.02)


def test_a_tone_of_half_a_step_survives():
    t = np.arange(480_000)
    tone = np.sin(2 * np.pi * 1000 * t / RATE_HZ)
    block = (0.4 * tone / 2**15).astype(np.float32)[:, None]
    whole = Quantiser(16).whole(block)[:, 0]
    assert 2 * np.mean(whole * tone) == pytest.approx(0.4, rel=0.02)


def test_rounding_and_full_scale():
    quantiser = Quantiser(16)
    steps = np.array([-3, -2, -1, 0, 1, 2, 3], np.float32)
    heard = np.stack([quantiser.whole(steps[:, None] / 2**15)[:, 0] for _ in range(4000)])
    assert heard.mean(axis=0) == pytest.approx(steps, abs=0.06)
    assert np.abs(heard - steps).max() <= 1
    over = quantiser.whole(np.array([[1.0], [1.5], [-1.5], [-1.0]], np.float32))
    assert over[1, 0] == 32767
    assert over[2, 0] == -32768
    assert over[0, 0] >= 32766
    assert quantiser.clipped == 2


def test_markers_loop_and_tags(tmp_path):
    markers = [(0, "base"), (1000, "ascent"), (3000, "doubt, then")]
    tags = {"title": "Träume", "seed": 7, "score digest": "abc"}
    write(tmp_path / "a.wav", music(4801, 1), RATE_HZ, tags=tags, markers=markers, loop=(100, 4801))
    found = chunks((tmp_path / "a.wav").read_bytes())
    names = [name for name, _ in found]
    assert names == [b"JUNK", b"fmt ", b"data", b"cue ", b"LIST", b"smpl", b"LIST"]
    assert len(found[0][1]) == 28
    cue = found[3][1]
    assert struct.unpack_from("<I", cue)[0] == 3
    points = [struct.unpack_from("<II4sIII", cue, 4 + 24 * k) for k in range(3)]
    assert [(point[0], point[2], point[5]) for point in points] == [
        (1, b"data", 0),
        (2, b"data", 1000),
        (3, b"data", 3000),
    ]
    labels, at = {}, 4
    adtl = found[4][1]
    while at < len(adtl):
        name, size, number = struct.unpack_from("<4sII", adtl, at)
        assert name == b"labl"
        labels[number] = adtl[at + 12 : at + 8 + size].rstrip(b"\0").decode()
        at += 8 + size + size % 2
    assert labels == {1: "base", 2: "ascent", 3: "doubt, then"}
    assert struct.unpack_from("<6I", found[5][1], 36)[2:4] == (100, 4800)
    with soundfile.SoundFile(tmp_path / "a.wav") as file:
        assert (file.title, file.frames) == ("Träume", 4801)
        assert file.software.startswith("resonance ")
        assert "seed=7" in file.comment
        assert "score digest=abc" in file.comment


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_rf64_past_the_limit(tmp_path, subtype):
    audio = music(48_000)
    for limit, head in ((10_000_000, b"RIFF"), (100_000, b"RF64")):
        path = tmp_path / "a.wav"
        with Writer(
            path, RATE_HZ, subtype=subtype, riff_bytes=limit, force=True, markers=[(9, "x")]
        ) as writer:
            writer.write(audio)
        data = path.read_bytes()
        assert data[:4] == head
        assert b"cue " in [name for name, _ in chunks(data)]
        assert soundfile.info(path).frames == len(audio)
        assert soundfile.info(path).format == ("WAV" if head == b"RIFF" else "RF64")
        assert np.abs(soundfile.read(path)[0] - audio).max() < 1e-6


def test_a_loop_longer_than_its_chunk_can_say_is_not_said():
    assert len(wav.loop_chunk((0, 2**32 - 1), RATE_HZ)) == 68
    assert wav.loop_chunk((0, 2**32 + 1), RATE_HZ) == b""


def test_the_part_is_a_valid_file_while_it_grows(tmp_path):
    writer = Writer(tmp_path / "a.wav", RATE_HZ)
    for second in range(1, 4):
        for _ in range(10):
            writer.write(music(4800))
        assert soundfile.info(writer.part, verbose=False).frames >= (second - 1) * RATE_HZ
        assert len(soundfile.read(writer.part)[0]) > 0
        assert not (tmp_path / "a.wav").exists()
    writer.close()
    assert soundfile.info(tmp_path / "a.wav").frames == 3 * RATE_HZ
    assert not writer.part.exists()


def test_slow_music_is_kept_as_well(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    writer = Writer(tmp_path / "a.wav", RATE_HZ)
    for _ in range(5):
        now[0] += 4.0
        writer.write(music(64))
        assert soundfile.info(writer.part).frames == writer.frames
    writer.abort()


def test_an_error_leaves_a_playable_part_and_no_file(tmp_path):
    def broken():
        with Writer(tmp_path / "a.wav", RATE_HZ, channels=1, markers=[(0, "x")]) as writer:
            writer.write(music(4801, 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav.part"]
    assert soundfile.info(tmp_path / "a.wav.part").frames == 4801
    chunks((tmp_path / "a.wav.part").read_bytes())


def test_an_error_before_the_first_sound_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), Writer(tmp_path / "a.wav", RATE_HZ):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_killed_writer_leaves_a_playable_part(tmp_path, ending):
    program = """
        import sys, time
        import numpy as np
        from resonance.outputs.file import Writer
        writer = Writer(sys.argv[1], 48000)
        wave = np.full((4800, 2), 0.25, np.float32) * np.sin(0.1 * np.arange(4800, dtype="f4")[:, None])
        for _ in range(40):
            writer.write(wave)
        print("written", flush=True)
        time.sleep(60)
    """
    path = tmp_path / f"a.{ending}"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout.readline().strip() == b"written"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not path.exists()
    read, _ = soundfile.read(tmp_path / f"a.{ending}.part")
    assert len(read) >= 2 * 48_000
    assert np.sqrt(np.mean(read**2)) == pytest.approx(0.25 / np.sqrt(2.0), rel=0.02)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3"])
def test_the_same_sound_is_the_same_file(tmp_path, ending):
    files = [tmp_path / f"{name}.{ending}" for name in ("a", "b")]
    for path in files:
        write(path, music(48_000), RATE_HZ, title="t", dither_seed=3)
    first, second = (path.read_bytes() for path in files)
    assert first == second


@pytest.mark.parametrize("ending", ["ogg", "opus"])
def test_ogg_pages_are_numbered_by_the_seed_and_add_up(tmp_path, ending):
    """The checksum by its definition, bit by bit, over every page."""
    path = tmp_path / f"a.{ending}"
    write(path, music(24_000), RATE_HZ, dither_seed=2**40 + 77)
    pages = path.read_bytes().split(b"OggS")[1:]
    assert len(pages) > 2
    for page in (b"OggS" + page for page in pages):
        assert page[14:18] == b"\x4d\0\0\0"
        found = 0
        for byte in page[:22] + bytes(4) + page[26:]:
            found ^= byte << 24
            for _ in range(8):
                found = (found << 1 ^ (0x04C11DB7 if found >> 31 else 0)) & 0xFFFFFFFF
        assert found.to_bytes(4, "little") == page[22:26]


def test_an_existing_file_is_kept_without_force(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="--force"):
        Writer(path, RATE_HZ)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    with Writer(path, RATE_HZ, force=True) as writer:
        writer.write(music(100))
        assert path.read_bytes() == b"mine"
    assert soundfile.info(path).frames == 100


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_a_part_is_one_writers_alone(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    with Writer(path, RATE_HZ, 2, None) as writer:
        writer.write(music(40_000))
        for resume in (False, True):
            with pytest.raises(BlockingIOError, match="another render"):
                Writer(path, RATE_HZ, 2, None, force=True, resume=resume)
        writer.write(music(40_000))
    assert soundfile.info(path).frames == 80_000
    with Writer(path, RATE_HZ, 2, None, force=True) as writer:
        writer.write(music(100))
    assert soundfile.info(path).frames == 100


OTHER = """
import sys
from resonance.outputs.file import Writer
try:
    Writer(sys.argv[1], 48000)
except BlockingIOError as error:
    print(error.strerror)
else:
    print("free")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_part_is_one_programs_alone_and_free_after_it(tmp_path):
    def other() -> str:
        call = [sys.executable, "-c", OTHER, str(tmp_path / "a.wav")]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout

    for leave in (Writer.abort, Writer.close):
        writer = Writer(tmp_path / "a.wav", RATE_HZ)
        writer.write(music(1000))
        assert "another render" in other()
        leave(writer)
        (tmp_path / "a.wav").unlink(missing_ok=True)
        assert other() == "free\n"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    writer = Writer(tmp_path / "a.wav", RATE_HZ)
    writer.write(music(100))
    (tmp_path / "a.wav").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        writer.close()
    assert (tmp_path / "a.wav").read_bytes() == b"mine"
    assert soundfile.info(writer.part).frames == 100


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_full_disk_names_the_file(tmp_path, ending):
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).uniform(-1, 1, (300_000, 2)).astype(np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Writer(tmp_path / f"a.{ending}", RATE_HZ)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OSError, match=rf"a\.{ending}\.part"):
            writer.write(noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.abort()


def test_a_disk_without_room_is_called_full_by_all_formats(tmp_path, monkeypatch):
    """libsndfile says nothing of why it cannot write: the disk is asked."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).uniform(-1, 1, (300_000, 2)).astype(np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=4096))
    writer = Writer(tmp_path / "a.flac", RATE_HZ)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OSError, match="No space left") as refused:
            writer.write(noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.abort()
    assert refused.value.errno == errno.ENOSPC


def test_a_full_disk_leaves_no_part_in_which_nothing_is(tmp_path, monkeypatch):
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = Writer(tmp_path / "a.wav", RATE_HZ)
    monkeypatch.setattr(writer._encoder, "leave", full)
    with pytest.raises(OSError, match="No space left"):
        writer.abort()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="a"):
        Writer(tmp_path / "a" / "b.wav", RATE_HZ)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        Writer(tmp_path / "folder.wav", RATE_HZ, force=True)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.xyz", {}, "wav, flac, ogg, opus, mp3"),
        ("a", {}, "wav, flac, ogg, opus, mp3"),
        ("a.flac", {"subtype": "FLOAT"}, "PCM_24, PCM_16"),
        ("a.wav", {"subtype": "PCM_8"}, "PCM_24, PCM_16, FLOAT"),
        ("a.opus", {"rate": 44_100}, "48000"),
        ("a.mp3", {"rate": 96_000}, "48000"),
        ("a.wav", {"rate": 0.5}, "whole number"),
    ],
)
def test_what_cannot_be_written_says_what_can(tmp_path, name, options, message):
    rate = options.pop("rate", RATE_HZ)
    with pytest.raises(ValueError, match=message):
        write(tmp_path / name, music(100), rate, **options)
    assert not list(tmp_path.iterdir())


def test_a_file_without_sound_is_a_file(tmp_path):
    write(tmp_path / "a.wav", np.zeros(0, np.float32), RATE_HZ)
    assert soundfile.info(tmp_path / "a.wav").frames == 0


@pytest.mark.parametrize("shape", [(2, 4800), (10, 2, 2)])
def test_wrong_layouts_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match="frames"):
        write(tmp_path / "a.wav", np.zeros(shape, np.float32), RATE_HZ)


def test_nan_is_refused_with_its_frame(tmp_path):
    audio = music(100)
    audio[70, 1] = np.nan
    with pytest.raises(ValueError, match="frame 70"):
        write(tmp_path / "a.wav", audio, RATE_HZ)
    assert not (tmp_path / "a.wav").exists()


def test_a_pipe_gets_a_wav_to_the_end():
    pipe = io.BytesIO()
    with Writer(pipe, RATE_HZ, markers=[(0, "x")]) as writer:
        writer.write(music(1000))
    data = pipe.getvalue()
    assert data[4:8] == b"\xff" * 4
    assert data[40:44] == b"\xff" * 4
    assert len(data) == 44 + 1000 * 6
    assert len(soundfile.read(io.BytesIO(data))[0]) == 1000
