"""Loudness that is asked for, loops without a seam, and scenes that begin where they are hit."""

import struct
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from scipy.signal import resample_poly

from resonance.analysis.levels import envelope_db, third_octave_levels
from resonance.analysis.rhythm import clicks
from resonance.cli import main

SCORE = """format = 1
title = "Small"
about = "a test"
seed = 5
[[scene]]
name = "one"
length = 14
energy = [0.3, 0.6]
[scene.sounds]
drone = { gain_db = [[0, -20], [0.1, 0], [1, 0]] }
crystals = { touch_hz = 3 }
heartbeat = {}
[[scene]]
name = "two"
length = 10
crossfade = 2
energy = 0.3
[scene.sounds]
drone = { gain_db = [[0, 0], [0.8, 0], [1, -24]] }
crystals = { touch_hz = 3 }
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SCORE)
    return tmp_path


def rendered(name: str, *call: str) -> tuple[np.ndarray, int]:
    assert main(["render", "small.toml", "-o", name, *call]) == 0
    return soundfile.read(name)


def true_peak_db(audio: np.ndarray) -> float:
    """By another hand: eight times the rate, with scipy's filter."""
    return 20.0 * np.log10(np.abs(resample_poly(audio, 8, 1, axis=0)).max())


@pytest.mark.parametrize("lufs", [-30.0, -14.0, -11.0])
@pytest.mark.parametrize("call", [(), ("--rate", "44100", "--subtype", "PCM_16", "--start", "3")])
def test_loudness_is_what_was_asked_and_no_peak_passes(
    small: Path, lufs: float, call: tuple[str, ...]
) -> None:
    audio, rate_hz = rendered("a.wav", "--lufs", str(lufs), *call)
    assert pyloudnorm.Meter(rate_hz).integrated_loudness(audio) == pytest.approx(lufs, abs=0.1)
    assert true_peak_db(audio) <= -1.0
    assert len(audio) == round((24 - (3 if call else 0)) * rate_hz)
    assert [path.name for path in small.iterdir() if "part" in path.name] == []


def test_loudness_changes_neither_stems_nor_shape(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, _ = rendered("a.wav", "--subtype", "FLOAT", "--stems", "a", "--duration", "1m")
    soft, _ = rendered("b.wav", "--subtype", "FLOAT", "--stems", "b", "--duration", "1m", "--lufs", "-40")
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()
    # The start is hushed as ever; after it one gain lies on all.
    ratio = (soft[48_000:] * plain[48_000:]).sum() / (plain[48_000:] ** 2).sum()
    assert np.abs(soft[48_000:] - ratio * plain[48_000:]).max() < 1e-6
    capsys.readouterr()
    rendered("c.wav", "--lufs", "0")
    assert "0 LUFS cannot be reached under -1 dBTP" in capsys.readouterr().err
    assert true_peak_db(soundfile.read("c.wav")[0]) <= -1.0


def test_a_levelled_file_in_any_format_and_through_a_pipe(
    small: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    whole, _ = rendered("a.wav", "--lufs", "-20")
    assert np.array_equal(rendered("a.flac", "--lufs", "-20")[0], whole)
    assert main(["render", "small.toml", "-o", "-", "--lufs", "-20"]) == 0
    Path("piped.wav").write_bytes(capfdbinary.readouterr().out)
    assert np.array_equal(soundfile.read("piped.wav")[0], whole)


def test_a_levelled_render_goes_on_from_its_part(small: Path) -> None:
    rendered("a.wav", "--lufs", "-20", "--loop")
    rendered("b.wav", "--subtype", "FLOAT")
    whole = Path("a.wav").read_bytes()
    assert main(["render", "small.toml", "-o", "c.wav", "--lufs", "-20", "--loop", "--resume"]) == 0
    assert Path("c.wav").read_bytes() == whole


def smpl(path: str) -> tuple[int, int]:
    data = Path(path).read_bytes()
    return struct.unpack_from("<II", data, data.index(b"smpl") + 8 + 36 + 8)


def seam(audio: np.ndarray, rate_hz: int) -> None:
    """Nothing stands out where the end meets the beginning: no click, no step in level, none in timbre."""
    found = clicks(np.concatenate([audio[-rate_hz:], audio[:rate_hz]]), rate_hz)
    assert not np.any(np.abs(found - 1.0) < 0.02)
    turned = np.roll(audio, len(audio) // 2, axis=0)
    middle_s = len(audio) // 2 / rate_hz
    power = 10.0 ** (envelope_db(turned, rate_hz, 0.05) / 10.0)
    for steps in (8, 20, 60):
        mean = 10.0 * np.log10(np.convolve(power, np.ones(steps) / steps, "valid"))
        jumps = np.abs(mean[steps:] - mean[:-steps])
        at_s = (np.arange(len(jumps)) + steps) * 0.05
        assert jumps[np.abs(at_s - middle_s) < 0.3].max() <= jumps[np.abs(at_s - middle_s) > 1.0].max()
    timbre = np.array(
        [
            np.maximum(third_octave_levels(turned[k * rate_hz // 2 :][:rate_hz], rate_hz)[1], -80.0)
            for k in range(int(2 * len(turned) / rate_hz) - 2)
        ]
    )
    moved = np.sqrt(((timbre[2:] - timbre[:-2]) ** 2).mean(axis=1))
    at_s = np.arange(len(moved)) * 0.5 + 1.0
    assert moved[np.abs(at_s - middle_s) <= 0.5].max() <= moved[np.abs(at_s - middle_s) > 1.5].max()


def test_a_loop_has_no_seam_and_rings_round(small: Path) -> None:
    audio, rate_hz = rendered("a.wav", "--loop", "--stems", "a")
    assert len(audio) == 24 * rate_hz
    assert smpl("a.wav") == (0, len(audio) - 1)
    seam(audio, rate_hz)
    stems = {path.stem: soundfile.read(path)[0] for path in Path("a").iterdir()}
    total = sum(stem for name, stem in stems.items() if name != "premaster")
    assert np.abs(total - stems["premaster"]).max() < 10.0 ** (-90 / 20)
    # What rang out in the plain piece rings at the loop's beginning.
    plain, _ = rendered("b.wav", "--stems", "b")
    begins = [
        np.sqrt(np.mean(x[: rate_hz // 100] ** 2)) for x in (stems["space"], soundfile.read("b/space.wav")[0])
    ]
    assert begins[0] > 10.0 * begins[1]
    assert not np.array_equal(plain, audio)


def test_a_seam_would_be_found(small: Path) -> None:
    """The plain piece, looped, has one."""
    audio, rate_hz = rendered("a.wav")
    with pytest.raises(AssertionError):
        seam(audio, rate_hz)


def test_a_loop_beats_on(small: Path) -> None:
    """Heart beats across the seam are as far apart as elsewhere."""
    text = SCORE.replace("crystals = { touch_hz = 3 }", "heartbeat = {}").replace(
        "heartbeat = {}\nheartbeat", "heartbeat"
    )
    Path("small.toml").write_text(text)
    for length in ("1m", "1m1.3s"):
        assert (
            main(
                [
                    "render",
                    "small.toml",
                    "-o",
                    f"{length}.wav",
                    "--loop",
                    "--duration",
                    length,
                    "--events",
                    "e",
                    "--force",
                ]
            )
            == 0
        )
        lubs = [line for line in Path("e").read_text().splitlines() if '"lub"' in line]
        times_s = [float(line.split('"time": ')[1].split(",")[0]) for line in lubs]
        seconds = soundfile.info(f"{length}.wav").duration
        gaps = np.diff([*times_s, times_s[0] + seconds])
        assert gaps.max() < 1.2 * np.median(gaps)
        assert gaps.min() > 0.8 * np.median(gaps)


def test_hits_mark_the_file_where_they_were_asked(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rendered("a.wav", "--hit", "two=5.25", "--rate", "44100")
    data = Path("a.wav").read_bytes()
    cue = data.index(b"cue ")
    assert struct.unpack_from("<I", data, cue + 12 + 24 + 20)[0] == round(5.25 * 44_100)
    assert soundfile.info("a.wav").frames == 24 * 44_100
    assert main(["render", "small.toml", "-o", "b.wav", "--hit", "two=30"]) == 2
    assert "the nearest possible is --hit two=0:23" in capsys.readouterr().err
    assert main(["render", "small.toml", "-o", "b.wav", "--loop", "--start", "2"]) == 2
    assert main(["render", "small.toml", "-o", "b.wav", "--lufs", "5"]) == 2
    assert not Path("b.wav.part").exists()
