"""A player's own recordings: found beside the score, checked when it is read, heard when it is rendered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from resonance.units import level_from_db

if TYPE_CHECKING:
    from resonance.score.piece import Score

LONGEST_S = 600.0
LEAST_RATE_HZ, MOST_RATE_HZ = 8_000, 384_000
MOST_FILES = 64
SILENCE_DB = -80.0
"""A recording whose peak is lower holds nothing but a microphone's noise."""


class RecordingError(ValueError):
    """A file that is no recording to play with; the text says why, without naming it."""


def check(path: Path) -> None:
    """Raises RecordingError unless the file is audio of a length and a form that can be used."""
    import soundfile

    try:
        form = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError):
        raise RecordingError("is no audio that can be read; save it as WAV or FLAC") from None
    if form.channels > 2:
        raise RecordingError(f"has {form.channels} channels; mix it down to stereo")
    if not LEAST_RATE_HZ <= form.samplerate <= MOST_RATE_HZ:
        raise RecordingError(f"is at {form.samplerate} Hz; save it at 48000 Hz")
    if form.frames == 0:
        raise RecordingError("is empty")
    if form.frames > LONGEST_S * form.samplerate:
        minutes = form.frames / form.samplerate / 60.0
        raise RecordingError(f"is {minutes:.1f} minutes long; cut it to 10 at most")


def read(path: Path, rate_hz: float) -> NDArray[np.float32]:
    """A recording in stereo at `rate_hz`, shape (2, frames); raises RecordingError for one of no use."""
    import soundfile
    import soxr

    check(path)
    try:
        audio, own_rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError):
        raise RecordingError("breaks off; save it again as WAV or FLAC") from None
    if not np.isfinite(audio).all():
        raise RecordingError("holds samples that are no numbers; save it again")
    if audio.size == 0 or np.abs(audio).max() < level_from_db(SILENCE_DB):
        raise RecordingError(f"is silent: nothing in it is over {SILENCE_DB:g} dBFS")
    if own_rate_hz != rate_hz:
        audio = soxr.resample(audio, own_rate_hz, rate_hz)
    return np.ascontiguousarray(np.broadcast_to(audio.T, (2, len(audio))), dtype=np.float32)


def recordings(score: Score, sound: str, rate_hz: float) -> list[NDArray[np.float32]]:
    """The recordings that the score's table gives a sound, each float32 (2, frames) at `rate_hz`.

    Raises ScoreError naming the score, the sound and the file.
    """
    from resonance.score.piece import ScoreError

    part = score.sounds[sound]
    found = []
    for key, parameter in part.definition.parameters.items():
        if parameter.kind != "files":
            continue
        for name in part.fields.get(key, ()):
            try:
                found.append(read(score.path.parent / name, rate_hz))
            except RecordingError as error:
                raise ScoreError([f"{score.path}: sounds.{sound}.{key}: {name} {error}"]) from None
    return found
