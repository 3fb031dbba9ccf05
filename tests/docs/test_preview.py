"""The preview: a minute from every scene, joined without a dip or a jump, small enough for a repository."""

import numpy as np
import soundfile
from scripts import REPOSITORY, script

from resonance.analysis.loudness import Meter
from resonance.outputs.file import write
from resonance.score import Timeline, load

RENDERS = REPOSITORY / "renders"
RATE_HZ = 16_000

preview = script("renders/preview.py")


def noise(seconds, level, seed):
    return (level * np.random.default_rng(seed).standard_normal((round(seconds * RATE_HZ), 2))).astype(
        np.float32
    )


def test_every_scene_has_its_seconds_and_they_lie_in_it():
    scenes = {scene.name: scene for scene in Timeline(load("dream")).scenes}
    assert [cut.scene for cut in preview.CUTS] == list(scenes)
    for cut in preview.CUTS:
        scene = scenes[cut.scene]
        assert cut.from_s >= -1.0
        assert scene.start_s + cut.from_s + cut.seconds <= scene.end_s
    seconds = sum(cut.seconds - preview.CROSSFADE_S for cut in preview.CUTS) + preview.CROSSFADE_S
    assert 55.0 <= seconds <= 65.0


def test_crossfades_keep_the_power():
    joined = preview.joined([noise(4.0, 0.1, seed) for seed in range(3)], RATE_HZ)
    assert len(joined) == round((3 * 4.0 - 2 * preview.CROSSFADE_S) * RATE_HZ)
    inside = joined[RATE_HZ : round(-preview.ENDS_S * RATE_HZ)]
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(inside, 30)]
    assert max(levels) / min(levels) < 1.06
    assert np.abs(joined[[0, -1]]).max() < 1e-6


def test_it_is_cut_where_the_scenes_are(tmp_path, monkeypatch):
    """Of a render whose every scene is a tone of its own, the preview has the tones in their order."""
    scenes = Timeline(load("dream")).scenes
    tones = [
        noise(1.0, 0.0, 0) + np.sin(2 * np.pi * 100.0 * (k + 2) * np.arange(RATE_HZ) / RATE_HZ)[:, None]
        for k in range(12)
    ]
    whole = np.concatenate(
        [np.tile(0.05 * tones[k], (round(scene.end_s - scene.start_s), 1)) for k, scene in enumerate(scenes)]
    )
    markers = [(round(scene.start_s * RATE_HZ), scene.name) for scene in scenes]
    write(tmp_path / "dream.wav", whole.astype(np.float32), RATE_HZ, markers=markers, subtype="PCM_16")
    monkeypatch.setattr(preview, "PREVIEW", tmp_path / "preview.ogg")
    assert preview.main([str(tmp_path / "dream.wav")]) == 0
    heard, rate_hz = soundfile.read(tmp_path / "preview.ogg")
    at = 0.0
    for k, cut in enumerate(preview.CUTS):
        middle = heard[round((at + 0.5 * cut.seconds) * rate_hz) :][: rate_hz // 4, 0]
        loudest = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle))))) * 4.0
        assert abs(loudest - 100.0 * (k + 2)) < 5.0, cut.scene
        at += cut.seconds - preview.CROSSFADE_S


def test_the_one_that_is_there_is_a_minute_and_small():
    file = RENDERS / "preview.ogg"
    assert file.stat().st_size < 3_000_000
    audio, rate_hz = soundfile.read(file, dtype="float32")
    assert 55.0 <= len(audio) / rate_hz <= 65.0
    meter = Meter(rate_hz)
    meter.add(audio)
    assert meter.true_peak_dbtp <= -0.5
    # Sound all along, and a soft end.
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(audio[: -4 * rate_hz], 56)]
    assert min(levels) > 1e-4
    assert np.sqrt(np.mean(audio[-rate_hz // 4 :] ** 2)) < 0.1 * max(levels)
