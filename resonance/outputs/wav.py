"""WAV files as they grow: valid and playable all along, however large, with scenes as markers.

The project writes its own because libsndfile leaves a header of 0 bytes behind when it is killed, and
rounds without dither. A file of at most 4 GB is plain RIFF; past that the `JUNK` chunk at its start
becomes the `ds64` of an RF64. 24-bit sound is written as plain PCM (format tag 1), not as the
WAVE_FORMAT_EXTENSIBLE that Microsoft asks for above 16 bit: for mono and stereo both mean the same, every
reader knows the former, and Python's own `wave` before 3.12 refuses the latter.

Source: Microsoft & IBM 1991, Multimedia Programming Interface, ch. 3 (chunks, cue, adtl, INFO); Microsoft
1994, New Multimedia Data Types (fact, smpl); EBU Tech 3306, 2009 (RF64).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from resonance.dsp import F32
from resonance.outputs.quantise import Quantiser

SUBTYPES = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
"""Bits a sample of what a WAV file can hold."""

RIFF_BYTES = 2**32 - 1
"""The most that a plain RIFF's 32-bit sizes can say."""

UNKNOWN = 0xFFFFFFFF
"""The size of a chunk that is told elsewhere (RF64), or not known yet (a pipe)."""

BEHIND_S = 1.0
"""The header is brought up to date after this much sound or time: well under the 10 s that are promised."""

_FORM = slice(48, 72)  # where a growing file says its format: after the 48 bytes that hold its sizes


class OtherSound(ValueError):
    """A file that a render cannot go on from; the text says why, and wants the file's name before it."""


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its size, padded to an even length as RIFF asks."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def marker_chunks(markers: Iterable[tuple[int, str]]) -> bytes:
    """The `cue ` chunk and the labels that name its points; nothing where there are none.

    A cue point is a 32-bit frame: markers from frame 2^32 on (12 hours and a half at 96 kHz) are left out.
    """
    points = [(number, frame, label) for number, (frame, label) in enumerate(markers, 1) if frame < 2**32]
    if not points:
        return b""
    cues = b"".join(
        struct.pack("<II4sIII", number, frame, b"data", 0, 0, frame) for number, frame, _ in points
    )
    labels = b"".join(
        chunk(b"labl", struct.pack("<I", number) + label.encode() + b"\0") for number, _, label in points
    )
    return chunk(b"cue ", struct.pack("<I", len(points)) + cues) + chunk(b"LIST", b"adtl" + labels)


def loop_chunk(loop: tuple[int, int] | None, rate_hz: int) -> bytes:
    """The `smpl` chunk of an endless loop from a frame up to, not including, another."""
    if loop is None or loop[1] > UNKNOWN:  # its places are 32 bits long
        return b""
    start, end = loop
    middle_c = 60
    sampler = struct.pack("<9I", 0, 0, round(1e9 / rate_hz), middle_c, 0, 0, 0, 1, 0)
    return chunk(b"smpl", sampler + struct.pack("<6I", 0, 0, start, end - 1, 0, 0))


def info_chunk(info: Mapping[str, str]) -> bytes:
    """The `LIST INFO` chunk of tags by their four letters (`INAM` is the title)."""
    if not info:
        return b""
    entries = b"".join(chunk(name.encode(), text.encode() + b"\0") for name, text in info.items())
    return chunk(b"LIST", b"INFO" + entries)


class WavStream:
    """Writes a WAV file into a binary stream while the music is made.

    A stream that `grows` is a file of its own, open for writing at its start: its header is kept up to
    date, never more than a second of sound or time behind what was written. One that does not (a pipe)
    begins with a header that says how long it will be where that is `known`, in frames and in bytes of chunks
    after them, and else "to the end". Blocks are float32 (frames, channels).

    One that is `resumed` is such a file as it was left: what it holds is not written again but compared, and
    from its end on it grows. Raises OtherSound where it is no such file, or holds other samples.
    """

    def __init__(
        self,
        stream: BinaryIO,
        rate_hz: int,
        channels: int,
        subtype: str,
        *,
        grows: bool = True,
        resumed: bool = False,
        dither_seed: int = 0,
        riff_bytes: int = RIFF_BYTES,
        known: tuple[int, int] | None = None,
    ) -> None:
        self.frames = 0
        self._stream = stream
        self._rate_hz = rate_hz
        self._channels = channels
        self._subtype = subtype
        self._grows = grows
        self._riff_bytes = riff_bytes
        self._frame_bytes = channels * SUBTYPES[subtype] // 8
        self._quantiser = None if subtype == "FLOAT" else Quantiser(SUBTYPES[subtype], dither_seed)
        self._told_frames = 0
        self._told_at = time.monotonic()
        self._kept_frames = self._kept() if resumed else 0
        if not grows:
            stream.write(self._open_header() if known is None else self._header(known[1], known[0]))
        elif not resumed:
            stream.write(self._header(0))

    @property
    def clipped(self) -> int:
        """How many samples lay outside full scale, and were held at it."""
        return self._quantiser.clipped if self._quantiser else 0

    def write(self, block: F32) -> None:
        data = self._encoded(block)
        known = max(0, min(self._kept_frames - self.frames, len(block))) * self._frame_bytes
        if known:
            self._compare(data[:known])
        self._stream.write(data[known:])
        self.frames += len(block)
        now = time.monotonic()
        behind = max(now - self._told_at, (self.frames - self._told_frames) / self._rate_hz)
        if self._grows and self.frames >= self._kept_frames and behind >= BEHIND_S:
            self._tell_sizes()

    def finish(self, chunks: bytes = b"") -> None:
        """Ends the file, with `chunks` (markers, tags) after the sound. The stream stays open."""
        if self._grows:
            if self._kept_frames:
                self._stream.truncate()
            self._stream.write(b"\0" * (self._data_bytes % 2) + chunks)
            self._tell_sizes(len(chunks))
        else:
            self._stream.write(b"\0" * (self._data_bytes % 2) + chunks)
            self._stream.flush()

    def leave(self) -> None:
        """Ends the file where it is; what it held before, and has not been reached again, stays in it."""
        if self._grows and self.frames >= self._kept_frames:
            self.finish()

    @property
    def _data_bytes(self) -> int:
        return self.frames * self._frame_bytes

    def _kept(self) -> int:
        """How many frames the file holds; the stream is left at the first of them."""
        header = self._header(0)
        found = self._stream.read(len(header))
        if len(found) < len(header) or found[8:12] != b"WAVE" or found[_FORM] != header[_FORM]:
            raise OtherSound("is no file of this format, rate and number of channels")
        size = self._stream.seek(0, 2)
        self._stream.seek(len(header))
        return (size - len(header)) // self._frame_bytes

    def _compare(self, data: bytes) -> None:
        if self._stream.read(len(data)) != data:
            at_s = self.frames / self._rate_hz
            raise OtherSound(f"holds another render: it differs from {at_s:.1f} s on")
        # Between reading and writing a buffered stream wants to be told where it is.
        self._stream.seek(0, 1)

    def _encoded(self, block: F32) -> bytes:
        if self._quantiser is None:
            return block.astype("<f4").tobytes()
        return self._quantiser.packed(block)

    def _tell_sizes(self, chunks_bytes: int = 0) -> None:
        # The sound first, then the header in one piece: a kill in between finds the older header, still true.
        self._stream.flush()
        self._stream.seek(0)
        self._stream.write(self._header(chunks_bytes))
        self._stream.flush()
        self._stream.seek(0, 2)
        self._told_frames, self._told_at = self.frames, time.monotonic()

    def _header(self, chunks_bytes: int, frames: int | None = None) -> bytes:
        """The file's first bytes, always of one length, for so many frames or what was written so far."""
        frames = self.frames if frames is None else frames
        data_bytes = frames * self._frame_bytes
        length = 12 + 36 + len(self._format_chunks(0)) + 8
        riff_bytes = length - 8 + data_bytes + data_bytes % 2 + chunks_bytes
        if riff_bytes <= self._riff_bytes:
            start = b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + chunk(b"JUNK", bytes(28))
            return start + self._format_chunks(frames) + b"data" + struct.pack("<I", data_bytes)
        sizes = chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, frames, 0))
        start = b"RF64" + struct.pack("<I", UNKNOWN) + b"WAVE" + sizes
        return start + self._format_chunks(UNKNOWN) + b"data" + struct.pack("<I", UNKNOWN)

    def _open_header(self) -> bytes:
        size = struct.pack("<I", UNKNOWN)
        return b"RIFF" + size + b"WAVE" + self._format_chunks(UNKNOWN) + b"data" + size

    def _format_chunks(self, frames: int) -> bytes:
        """`fmt `, and for floats the `fact` that only they need."""
        bits = SUBTYPES[self._subtype]
        is_float = self._quantiser is None
        content = struct.pack(
            "<HHIIHH",
            3 if is_float else 1,
            self._channels,
            self._rate_hz,
            self._rate_hz * self._frame_bytes,
            self._frame_bytes,
            bits,
        )
        if not is_float:
            return chunk(b"fmt ", content)
        return chunk(b"fmt ", content + b"\0\0") + chunk(b"fact", struct.pack("<I", frames))
