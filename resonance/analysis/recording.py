"""Audio files as they are read: block by block, with the markers and tags that their writer left in them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from resonance.dsp import F32

UNKNOWN = 0xFFFFFFFF


def open_audio(path: str | os.PathLike[str]) -> Any:
    """The file as soundfile reads it. Raises FileNotFoundError, or ValueError where it is no audio."""
    import soundfile

    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not Path(path).is_file():
        raise ValueError(f"{path} is no plain file; give the path of an audio file")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is no audio file that can be read: {error.error_string}") from error


def blocks(file: Any, frames: int) -> Iterator[F32]:
    """The rest of an opened file, float32 (frames, channels), `frames` at a time."""
    while len(block := file.read(frames, dtype="float32", always_2d=True)):
        yield block


def read_markers(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """The cue markers of a WAV file in their order: (frame, label). None in a file of another kind."""
    frames: dict[int, int] = {}
    labels: dict[int, str] = {}
    for name, content in _chunks(path):
        if name == b"cue ":
            for start in range(4, len(content) - 23, 24):
                number, _, _, _, _, frame = struct.unpack_from("<II4sIII", content, start)
                frames[number] = frame
        elif name == b"LIST" and content[:4] == b"adtl":
            for entry, text in _entries(content):
                if entry == b"labl" and len(text) > 4:
                    labels[struct.unpack_from("<I", text)[0]] = _text(text[4:])
    return sorted((frame, labels.get(number, "")) for number, frame in frames.items())


def read_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a file says of itself: `title`, `software`, and whatever else its comment lists as `name=text`."""
    with open_audio(path) as file:
        tags = {name: getattr(file, name) for name in ("title", "software") if getattr(file, name)}
        comment = file.comment
    named = dict(part.split("=", 1) for part in comment.split("; ") if "=" in part)
    return {**tags, **named}


def _chunks(path: str | os.PathLike[str]) -> Iterator[tuple[bytes, bytes]]:
    """The small chunks of a RIFF or RF64 file; the sound itself is passed over."""
    with open(path, "rb") as stream:
        head = stream.read(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            return
        data_bytes = 0
        while len(start := stream.read(8)) == 8:
            name, size = start[:4], struct.unpack("<I", start[4:])[0]
            if name == b"data" and size == UNKNOWN and data_bytes == 0:
                return  # written to a pipe: there is only sound up to the end
            if name == b"data":
                _pass_over(stream, data_bytes if size == UNKNOWN else size)
                continue
            content = stream.read(size + size % 2)[:size]
            if name == b"ds64" and len(content) >= 16:
                data_bytes = struct.unpack_from("<Q", content, 8)[0]
            yield name, content


def _pass_over(stream: BinaryIO, size: int) -> None:
    stream.seek(size + size % 2, 1)


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks within a LIST."""
    at = 4
    while at + 8 <= len(content):
        size = struct.unpack_from("<I", content, at + 4)[0]
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _text(content: bytes) -> str:
    return content.split(b"\0")[0].decode("utf-8", "replace")
