"""Tags and chapters of MP3 files, in the one encoding that holds every title.

The project writes its own because libsndfile's (by LAME 3.100) declare Latin-1 and hold UTF-8.
Source: ID3 tag version 2.4.0, 2000 (structure, frames); ID3v2 Chapter Frame Addendum, 2005.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO

_UTF8 = b"\x03"
_NOWHERE = b"\xff" * 8
_HEAD_BYTES = 10
_MORE_BYTES = 8192  # a hundred chapters
_FRAMES = {"INAM": b"TIT2", "ISFT": b"TSSE"}


def tag(
    info: Mapping[str, str], chapters: Sequence[tuple[float, str]], end_s: float, room: int | None = None
) -> bytes:
    """A tag of texts by their RIFF names and of chapters, (where they begin in s, title), up to `end_s`.

    It has room for more chapters, so that it can be written again, just as long, when all are known: then
    `room` is how long it was, and the last chapters are left out where there is none.
    """
    frames = _frames(info, chapters, end_s)
    if room is None:
        room = _HEAD_BYTES + len(frames) + _MORE_BYTES
    if _HEAD_BYTES + len(frames) > room:

        def length(count: int) -> int:
            return _HEAD_BYTES + len(_frames(info, chapters[:count], end_s))

        fitting = bisect.bisect_right(range(len(chapters)), room, key=length) - 1
        frames = _frames(info, chapters[:fitting], chapters[fitting][0])
    left = room - _HEAD_BYTES - len(frames)
    return b"ID3\x04\0\0" + _size(len(frames) + left) + frames + bytes(left)


def _frames(info: Mapping[str, str], chapters: Sequence[tuple[float, str]], end_s: float) -> bytes:
    frames = b"".join(_frame(_FRAMES[name], _text(text)) for name, text in info.items() if name in _FRAMES)
    if "ICMT" in info:
        frames += _frame(b"COMM", _UTF8 + b"eng\0" + info["ICMT"].encode())
    ends_s = [*(begin_s for begin_s, _ in chapters), end_s][1:]
    for number, ((begin_s, title), until_s) in enumerate(zip(chapters, ends_s, strict=True)):
        span = struct.pack(">II", round(begin_s * 1000.0), round(max(begin_s, until_s) * 1000.0))
        frames += _frame(b"CHAP", b"scene%d\0" % number + span + _NOWHERE + _frame(b"TIT2", _text(title)))
    if chapters:
        entries = b"".join(b"scene%d\0" % number for number in range(min(len(chapters), 255)))
        frames += _frame(b"CTOC", b"scenes\0" + struct.pack(">BB", 3, min(len(chapters), 255)) + entries)
    return frames


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _size(len(content)) + b"\0\0" + content


def _text(text: str) -> bytes:
    return _UTF8 + text.encode()


def _size(length: int) -> bytes:
    """A length with seven bits a byte, so that nothing in it looks like sound."""
    return bytes((length >> shift) & 0x7F for shift in (21, 14, 7, 0))


class Behind:
    """A file from where it stands now on, for a library that takes it for the beginning.

    A library in C hears of no exception: what the disk refuses is kept in `refused`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.refused: OSError | None = None
        self._file = file
        self._start = file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset + (self._start if whence == 0 else 0), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.refused = error
            return 0
