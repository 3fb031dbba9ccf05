"""A player's own recordings: found beside the score, checked when it is read, heard when it is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from resonance.units import Parameter, level_from_db, parameters

if TYPE_CHECKING:
    from resonance.score.piece import Score

LEAST_RATE_HZ, MOST_RATE_HZ = 8_000, 384_000
MOST_FILES = 64
SILENCE_DB = -80.0
"""A recording whose peak is lower holds nothing but a microphone's noise."""


class RecordingError(ValueError):
    """A file that is no recording to play with; the text says why, without naming it."""


def check(path: Path, longest_s: float) -> None:
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
    if form.frames > longest_s * form.samplerate:
        own_s = form.frames / form.samplerate
        raise RecordingError(f"lasts {own_s:.0f} s; cut it to {longest_s:g} s at most")


def read(path: Path, longest_s: float, rate_hz: float) -> NDArray[np.float32]:
    """A recording in stereo at `rate_hz`, shape (2, frames); raises RecordingError for one of no use."""
    import soundfile
    import soxr

    check(path, longest_s)
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
    part = score.sounds[sound]
    return _named(score.path, f"sounds.{sound}", part.definition.parameters, part.fields, rate_hz)


def effect_recordings(score: Score, effect: str, rate_hz: float) -> list[NDArray[np.float32]]:
    """The recordings that the score's table gives an effect, as `recordings` does."""
    part = score.effects[effect]
    return _named(score.path, effect, parameters(part.definition), part.fields, rate_hz)


def _named(
    score: Path, table: str, declared: Mapping[str, Parameter], fields: Mapping[str, Any], rate_hz: float
) -> list[NDArray[np.float32]]:
    from resonance.score.piece import ScoreError

    found = []
    for key, parameter in declared.items():
        if parameter.kind not in ("file", "files"):
            continue
        value = fields.get(key, ())
        for name in (value,) if isinstance(value, str) else value:
            try:
                found.append(read(score.parent / name, parameter.high, rate_hz))
            except RecordingError as error:
                raise ScoreError([f"{score}: {table}.{key}: {name} {error}"]) from None
    return found
