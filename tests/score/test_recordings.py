import numpy as np
import pytest
import soundfile
from small_scores import MINIMAL, tone

from resonance.score import ScoreError, load
from resonance.score.recordings import RecordingError, check, effect_recordings, read, recordings


def test_a_recording_comes_in_stereo_at_the_rate_asked_for(tmp_path):
    for channels, rate_hz in ((1, 44_100), (2, 48_000), (2, 96_000)):
        path = tmp_path / f"{channels}-{rate_hz}.wav"
        soundfile.write(path, tone(1.0, rate_hz, channels), rate_hz, subtype="FLOAT")
        audio = read(path, 600.0, 48_000)
        assert audio.shape == (2, 48_000)
        assert audio.dtype == np.float32
        assert audio.flags.c_contiguous
        assert np.array_equal(audio[0], audio[1])
        # Away from its ends it is the same tone, whatever rate it came at.
        assert np.abs(audio[0] - tone(1.0, 48_000, 1)[:, 0])[2000:-2000].max() < 1e-4


def test_left_and_right_stay_where_they_are(tmp_path):
    audio = tone(0.1, 48_000)
    audio[:, 1] *= 0.5
    soundfile.write(tmp_path / "a.wav", audio, 48_000, subtype="FLOAT")
    left, right = read(tmp_path / "a.wav", 600.0, 48_000)
    np.testing.assert_allclose(right, left * 0.5, atol=1e-7)


@pytest.mark.parametrize(
    ("audio", "rate_hz", "said"),
    [
        (np.zeros((4800, 2)), 48_000, "is silent: nothing in it is over -80 dBFS"),
        (np.full((4800, 2), np.nan), 48_000, "holds samples that are no numbers; save it again"),
        (np.full((4800, 2), np.inf), 48_000, "holds samples that are no numbers; save it again"),
        (np.zeros((0, 2)), 48_000, "is empty"),
        (np.ones((4800, 4)), 48_000, "has 4 channels; mix it down to stereo"),
        (np.ones((4800, 1)), 4_000, "is at 4000 Hz; save it at 48000 Hz"),
        (np.ones((660 * 8000, 1), dtype=np.float32), 8_000, "lasts 660 s; cut it to 600 s at most"),
    ],
)
def test_what_is_no_use_is_refused(audio, rate_hz, said, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio, rate_hz, subtype="FLOAT")
    with pytest.raises(RecordingError) as caught:
        read(tmp_path / "a.wav", 600.0, 48_000)
    assert str(caught.value) == said


def test_what_is_no_audio_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio at all")
    with pytest.raises(RecordingError, match="is no audio that can be read"):
        check(tmp_path / "a.wav", 600.0)


def test_a_score_gives_a_sound_its_recordings(written, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(0.5, 24_000, 1), 24_000)
    soundfile.write(tmp_path / "b.flac", tone(0.2, 48_000), 48_000)
    score = load(
        written(MINIMAL + "sounds = ['memories', 'drone']\n[sounds.memories]\nfiles = ['a.wav', 'b.flac']\n")
    )
    assert [audio.shape for audio in recordings(score, "memories", 48_000)] == [(2, 24_000), (2, 9_600)]
    assert recordings(score, "drone", 48_000) == []
    first = score.digest
    soundfile.write(tmp_path / "a.wav", tone(0.6, 24_000, 1), 24_000)
    assert load(score.path).digest != first
    soundfile.write(tmp_path / "a.wav", np.zeros(24_000), 24_000)
    with pytest.raises(ScoreError) as caught:
        recordings(load(score.path), "memories", 48_000)
    assert str(caught.value) == (
        f"{score.path}: sounds.memories.files: a.wav is silent: nothing in it is over -80 dBFS"
    )


SPACE = MINIMAL + "sounds = ['drone']\n[space]\nresponse = 'hall.wav'\n"


def test_a_score_gives_its_space_a_recorded_room(written, tmp_path):
    path = written(SPACE)
    with pytest.raises(ScoreError, match=r"space\.response: there is no file 'hall\.wav' beside the score"):
        load(path)
    soundfile.write(tmp_path / "hall.wav", tone(31.0, 8_000, 1), 8_000)
    with pytest.raises(ScoreError, match=r"space\.response: 'hall\.wav' lasts 31 s; cut it to 30 s at most"):
        load(path)
    soundfile.write(tmp_path / "hall.wav", tone(2.0, 24_000, 1), 24_000)
    score = load(path)
    assert [audio.shape for audio in effect_recordings(score, "space", 48_000)] == [(2, 96_000)]
    soundfile.write(tmp_path / "hall.wav", np.zeros(24_000), 24_000)
    with pytest.raises(ScoreError, match=r"space\.response: hall\.wav is silent"):
        effect_recordings(load(path), "space", 48_000)
    soundfile.write(tmp_path / "hall.wav", tone(2.5, 24_000, 1), 24_000)
    assert load(path).digest != score.digest


@pytest.mark.parametrize("said", ["response = ['hall.wav']", "response = ''", "response = 3"])
def test_a_room_that_is_no_name_of_a_file_is_refused(written, said):
    with pytest.raises(ScoreError, match=r"space\.response"):
        load(written(MINIMAL + f"sounds = ['drone']\n[space]\n{said}\n"))


def test_a_scene_does_not_change_the_recorded_room(written):
    with pytest.raises(ScoreError, match=r"response is fixed while a piece plays; set it in \[space\]"):
        load(written(MINIMAL + "space = { response = 'hall.wav' }\n"))
