"""Audio to files: the format by the name's ending, the final name only for what is finished.

While a file grows it is called `<name>.part`; a WAV is valid and playable under that name all along, within
a second of what has been written. Integer formats are dithered.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np

import resonance
from resonance.dsp import F32
from resonance.outputs import id3, ogg, wav
from resonance.outputs.id3 import Behind
from resonance.outputs.quantise import Quantiser

BLOCK_FRAMES = 65536
"""No encoder is given more at once: libsndfile 1.2.2 crashes on five minutes of OGG in one call."""

_FULL_BYTES = 65_536
"""A disk with less room than this is full for whoever writes blocks."""

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, slots=True)
class Format:
    """What stands behind a name's ending: libsndfile's format, its subtypes (default first), its rates."""

    container: str
    subtypes: tuple[str, ...]
    rates: tuple[int, ...] = ()

    @property
    def is_lossy(self) -> bool:
        """Whether it has no subtype to choose."""
        return len(self.subtypes) == 1


FORMATS = {
    "wav": Format("WAV", ("PCM_24", "PCM_16", "FLOAT")),
    "flac": Format("FLAC", ("PCM_24", "PCM_16")),
    "ogg": Format("OGG", ("VORBIS",)),
    "opus": Format("OGG", ("OPUS",), OPUS_RATES),
    "mp3": Format("MP3", ("MPEG_LAYER_III",), MP3_RATES),
}


def write(
    path: str | os.PathLike[str],
    audio: F32,
    rate: float,
    *,
    subtype: str | None = None,
    title: str | None = None,
    tags: Mapping[str, str | int] | None = None,
    markers: Iterable[tuple[int, str]] = (),
    loop: tuple[int, int] | None = None,
    dither_seed: int = 0,
    force: bool = True,
) -> None:
    """Writes audio of shape (frames, channels) to a file: wav, flac, ogg, opus or mp3, by the name's ending.

    An existing file is replaced, once the new one is finished, unless `force` is False. The rest is as in
    `Writer`. Raises ValueError for an ending, subtype, rate or shape that cannot be written, OSError where
    the disk refuses.
    """
    audio = np.asarray(audio)
    if audio.ndim == 1:
        audio = audio[:, None]
    if audio.ndim != 2 or not 1 <= audio.shape[1] <= 2:
        raise ValueError(f"audio has shape {audio.shape}: it must be (frames, 1) or (frames, 2)")
    named = {"title": title} if title is not None else {}
    with Writer(
        path,
        rate,
        audio.shape[1],
        subtype,
        tags={**named, **(tags or {})},
        markers=markers,
        loop=loop,
        force=force,
        dither_seed=dither_seed,
    ) as writer:
        writer.write(audio)


class Encoder(Protocol):
    """What turns blocks into bytes on a disk."""

    frames: int

    @property
    def clipped(self) -> int: ...
    def write(self, block: F32) -> None: ...
    def finish(self, chunks: bytes = b"") -> None: ...
    def leave(self) -> None: ...


class Writer:
    """A file that grows while the music is made, and gets its name when it is finished.

        with Writer("dream.wav", 48000, tags={"title": "dream", "seed": 7}) as writer:
            writer.write(block)                # float32 (frames, channels), as often as there is one

    `path` may also be a binary stream, such as `sys.stdout.buffer`: it gets a WAV, and stays open. Where it
    is known beforehand how many `frames` there will be, it is a WAV like any other; else it says no length,
    and has no tags and markers. `markers` are (frame, label), `loop` is (first frame, frame after the
    last). WAV files hold all of that, and it may be changed until `close`; MP3 files have markers as
    chapters, and may get a hundred more, other formats only the tags. `subtype` None means the format's
    default; lossy formats have none to choose and ignore it. `riff_bytes` is where a WAV becomes an RF64.

    An exception in the `with` block leaves the `.part` as it is, valid and playable, and no other file; a
    `.part` in which nothing was written is removed. Missing folders are made. `part` is another name for it.

    With `resume` a WAV goes on from its `.part`, if there is one: what is written first is compared with
    what that holds, so that the file ends in the bytes of an undisturbed one. Other formats begin again.

    Raises FileExistsError where the file is there already and `force` is not given, ValueError for what
    cannot be written and for a `.part` that holds something else, OSError with the path where the disk
    refuses.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        rate: float,
        channels: int = 2,
        subtype: str | None = "PCM_24",
        *,
        tags: Mapping[str, str | int] | None = None,
        markers: Iterable[tuple[int, str]] = (),
        loop: tuple[int, int] | None = None,
        force: bool = False,
        resume: bool = False,
        part: Path | None = None,
        dither_seed: int = 0,
        riff_bytes: int = wav.RIFF_BYTES,
        frames: int | None = None,
    ) -> None:
        self.tags = dict(tags or {})
        self.markers = list(markers)
        self.loop = loop
        self.path = Path(path) if isinstance(path, (str, os.PathLike)) else None
        self.part = (part or part_of(self.path)) if self.path else None
        self._channels = channels
        self._rate_hz = int(rate)
        self._force = force
        self._closed = False
        self._resumed = False
        self._owned: BinaryIO | None = None
        self._alone: _Alone | None = None
        if channels not in (1, 2):
            raise ValueError(f"a file has 1 or 2 channels, not {channels}")
        if self._rate_hz != rate or rate < 1:
            raise ValueError(f"a file's rate is a whole number of Hz, not {rate}")
        ending = self.path.suffix[1:].lower() if self.path else "wav"
        file_format, subtype = form_of(self.path or Path("-.wav"), subtype, self._rate_hz)
        options: dict[str, Any] = {"dither_seed": dither_seed, "riff_bytes": riff_bytes}
        self._encoder: Encoder
        if self.path is None or self.part is None:
            assert not isinstance(path, (str, os.PathLike))
            if frames is not None:
                options["known"] = frames, len(self._chunks())
            self._chunked = frames is not None
            self._encoder = wav.WavStream(path, self._rate_hz, channels, subtype, grows=False, **options)
            return
        self._chunked = True
        _refuse_existing(self.path, force)
        _make_folder(self.path.parent)
        self._alone = _Alone(self.part)
        try:
            self._encoder = self._begun(ending, subtype, file_format, resume, options)
        except BaseException:
            self._alone.let_go()
            raise

    def _begun(
        self, ending: str, subtype: str, file_format: Format, resume: bool, options: Mapping[str, Any]
    ) -> Encoder:
        """What writes the `.part`, or goes on with it."""
        assert self.part is not None
        resumable = ending == "wav" and self.part.exists() and self.part.stat().st_size > 0
        self._resumed = resume and resumable
        with self._disk_errors():
            if ending == "wav":
                self._owned = self.part.open("r+b" if self._resumed else "wb")
                form = (self._rate_hz, self._channels, subtype)
                return wav.WavStream(self._owned, *form, resumed=self._resumed, **options)
            of = (self._rate_hz, self._channels, file_format, subtype, options["dither_seed"], self.tags)
            if ending == "mp3":
                return _Mp3File(self.part, *of, self.markers)
            if ending == "flac":
                return _FlacFile(self.part, *of)
            if file_format.container == "OGG":
                return _OggFile(self.part, *of)
            return _LibraryFile(self.part, *of)

    @property
    def frames(self) -> int:
        """How many frames have been written."""
        return self._encoder.frames

    @property
    def clipped(self) -> int:
        """How many samples lay outside full scale, and were held at it; only integer formats hold them."""
        return self._encoder.clipped

    def write(self, block: F32) -> None:
        """Appends float32 audio of shape (frames, channels). Raises ValueError for NaN and infinities."""
        block = np.asarray(block)
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"audio has shape {block.shape}: it must be (frames, {self._channels})")
        with self._disk_errors():
            self._still_there()
            for start in range(0, len(block), BLOCK_FRAMES):
                piece = np.ascontiguousarray(block[start : start + BLOCK_FRAMES], dtype=np.float32)
                finite = np.isfinite(piece)
                if not finite.all():
                    frame = self.frames + int(np.argmin(finite.all(axis=1)))
                    raise ValueError(f"the audio is not finite at frame {frame}: nothing can play that")
                self._encoder.write(piece)

    def close(self) -> None:
        """Finishes the file and gives it its name. Does nothing where it was closed or aborted before."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._disk_errors():
                self._encoder.finish(self._chunks() if self._chunked else b"")
                if self._owned is not None:
                    self._owned.close()
                if self.path is not None and self.part is not None:
                    _refuse_existing(self.path, self._force)
                    os.replace(self.part, self.path)
        finally:
            if self._alone is not None:
                self._alone.let_go()

    def _chunks(self) -> bytes:
        """What a WAV has after its sound."""
        return (
            wav.marker_chunks(self.markers)
            + wav.loop_chunk(self.loop, self._rate_hz)
            + wav.info_chunk(_info(self.tags))
        )

    def abort(self) -> None:
        """Ends the `.part` where it is, without tags and markers; removes it where nothing was written."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._disk_errors():
                try:
                    self._encoder.leave()
                finally:
                    if self._owned is not None:
                        self._owned.close()
        finally:
            if self.part is not None and self.frames == 0 and not self._resumed:
                self.part.unlink(missing_ok=True)
            if self._alone is not None:
                self._alone.let_go()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.abort()
        except OSError:
            # What broke the `with` block says more than the disk that is still full.
            return

    def _still_there(self) -> None:
        """Notices at once what a rename at the end would notice hours later."""
        if self.part is not None and not self.part.exists():
            gone = "is gone: its folder was removed or renamed while it grew; render again"
            raise FileNotFoundError(errno.ENOENT, gone, str(self.part))

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Whatever the disk refuses becomes an OSError that names the file."""
        try:
            yield
        except wav.OtherSound as error:
            if self._owned is not None:
                self._owned.close()
            said = f"{self.part} {error}: remove it, or render without --resume"
            raise ValueError(said) from error
        except OSError as error:
            if error.filename is None and self.part is not None and error.errno is not None:
                # libsndfile knows that it could not write, and not why.
                if error.errno == errno.EIO and shutil.disk_usage(self.part.parent).free < _FULL_BYTES:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.part)) from error
                raise OSError(error.errno, error.strerror, str(self.part)) from error
            raise


class _LibraryFile:
    """A file written by libsndfile: everything but WAV. What it writes to is a path, or a file."""

    def __init__(
        self,
        part: Path | Behind,
        rate_hz: int,
        channels: int,
        file_format: Format,
        subtype: str,
        dither_seed: int,
        tags: Mapping[str, str | int],
    ) -> None:
        import soundfile

        self.frames = 0
        self._rate_hz = rate_hz
        self._library_errors: type[Exception] = soundfile.LibsndfileError
        bits = wav.SUBTYPES.get(subtype)
        self._quantiser = Quantiser(bits, dither_seed) if bits else None
        self._file = soundfile.SoundFile(
            part, "w", rate_hz, channels, format=file_format.container, subtype=subtype
        )
        info = _info(tags) if tags else {}
        for attribute, name in (("title", "INAM"), ("software", "ISFT"), ("comment", "ICMT")):
            if name in info:
                setattr(self._file, attribute, info[name])

    @property
    def clipped(self) -> int:
        return self._quantiser.clipped if self._quantiser else 0

    def write(self, block: F32) -> None:
        data: np.ndarray = block
        if self._quantiser is not None:
            # libsndfile takes the upper bits of a 32-bit number as they are.
            data = self._quantiser.whole(block) << (32 - self._quantiser.bits)
        try:
            self._file.write(data)
        # soundfile asserts that all was written, where a disk is full.
        except (self._library_errors, AssertionError) as error:
            raise OSError(errno.EIO, f"cannot be written ({error or 'is the disk full?'})") from error
        self.frames += len(block)

    def finish(self, chunks: bytes = b"") -> None:
        self._file.close()

    def leave(self) -> None:
        self._file.close()


class _FlacFile(_LibraryFile):
    """A FLAC whose header says how long it is while it grows: some readers play none that does not."""

    def __init__(self, part: Path, rate_hz: int, *form: Any) -> None:
        super().__init__(part, rate_hz, *form)
        self._part = part
        self._told_frames = 0

    def write(self, block: F32) -> None:
        super().write(block)
        if self.frames - self._told_frames >= _FLAC_LAG:
            self._told_frames = self.frames
            with self._part.open("r+b") as file:
                file.seek(_FLAC_LENGTH)
                (before,) = file.read(1)
                file.seek(_FLAC_LENGTH)
                # The lower four bits of the first byte, and four bytes more.
                length = (before & 0xF0) << 32 | max(0, self.frames - _FLAC_LAG)
                file.write(length.to_bytes(5, "big"))


_FLAC_LENGTH = 21  # Source: RFC 9639, 2024, section 8.2
_FLAC_LAG = 8192
"""Frames that the encoder may still hold: two of its blocks."""


class _Through(_LibraryFile):
    """A file that libsndfile writes through one of ours, which tells what the disk refuses."""

    def __init__(self, behind: Behind, stream: BinaryIO, *form: Any) -> None:
        self._behind = behind
        self._stream = stream
        super().__init__(behind, *form)

    def write(self, block: F32) -> None:
        try:
            super().write(block)
        finally:
            if self._behind.refused is not None:
                raise self._behind.refused

    def finish(self, chunks: bytes = b"") -> None:
        super().finish(chunks)
        self._end()
        self._stream.close()
        if self._behind.refused is not None:
            raise self._behind.refused

    def leave(self) -> None:
        self.finish()

    def _end(self) -> None:
        """What is still to be written when all sound is there."""


class _OggFile(_Through):
    """Ogg Vorbis or Opus whose stream is numbered by the seed: the same sound is the same file."""

    def __init__(
        self,
        part: Path,
        rate_hz: int,
        channels: int,
        file_format: Format,
        subtype: str,
        dither_seed: int,
        tags: Mapping[str, str | int],
    ) -> None:
        stream = part.open("w+b", buffering=0)
        pages = ogg.Pages(stream, dither_seed)
        super().__init__(pages, stream, rate_hz, channels, file_format, subtype, dither_seed, tags)


class _Mp3File(_Through):
    """An MP3 behind a tag of our own, with chapters; they are told once more when all are known."""

    def __init__(
        self,
        part: Path,
        rate_hz: int,
        channels: int,
        file_format: Format,
        subtype: str,
        dither_seed: int,
        tags: Mapping[str, str | int],
        markers: Sequence[tuple[int, str]],
    ) -> None:
        stream = part.open("w+b", buffering=0)
        self._texts, self._markers = _info(tags), markers
        self._rate_hz, self.frames = rate_hz, 0
        self._room: int | None = None
        self._room = stream.write(self._tag())
        super().__init__(Behind(stream), stream, rate_hz, channels, file_format, subtype, dither_seed, {})

    def _end(self) -> None:
        self._stream.seek(0)
        self._stream.write(self._tag())

    def _tag(self) -> bytes:
        chapters = [(frame / self._rate_hz, label) for frame, label in sorted(self._markers)]
        return id3.tag(self._texts, chapters, self.frames / self._rate_hz, self._room)


class _Alone:
    """A `.part` that is one writer's alone, on this machine, until it is let go of.

    All are places in one file that is locked there and never written to: a lock on the part itself would
    keep its own writer out on some network drives, and be held on by processes that were forked meanwhile.
    """

    _held: ClassVar[set[int]] = set()
    _file: ClassVar[BinaryIO | None] = None

    def __init__(self, part: Path) -> None:
        """Raises BlockingIOError where it is another's; where files cannot be locked, only our own are."""
        digest = hashlib.blake2b(os.fsencode(os.path.realpath(part)), digest_size=7).digest()
        self._place = int.from_bytes(digest, "big")
        if self._place in self._held or not self._lock():
            said = "is being written by another render: let it finish, or give another name"
            raise BlockingIOError(errno.EAGAIN, said, str(part))
        self._held.add(self._place)

    def _lock(self) -> bool:
        try:
            import fcntl

            if _Alone._file is None:
                path = Path(tempfile.gettempdir()) / f"resonance-{os.getuid()}.lock"
                _Alone._file = path.open("ab")
        except (ImportError, OSError):
            return True
        try:
            fcntl.lockf(_Alone._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._place)
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def let_go(self) -> None:
        if self._place in self._held and self._file is not None:
            import fcntl

            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place)
        self._held.discard(self._place)


def part_of(path: Path) -> Path:
    """What a file is called while it grows."""
    return path.with_name(path.name + ".part")


def form_of(path: Path, subtype: str | None, rate_hz: int) -> tuple[Format, str]:
    """What a file will be, or a ValueError that says what it could be."""
    ending = path.suffix[1:].lower()
    if ending not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path}: no format is known by the ending '{path.suffix}'; use one of {known}")
    file_format = FORMATS[ending]
    if file_format.rates and rate_hz not in file_format.rates:
        fitting = ", ".join(map(str, file_format.rates))
        raise ValueError(f"{path}: {ending} cannot hold {rate_hz} Hz; it can hold {fitting}")
    if subtype is None or file_format.is_lossy:
        subtype = file_format.subtypes[0]
    if subtype not in file_format.subtypes:
        fitting = ", ".join(file_format.subtypes)
        raise ValueError(f"{path}: {ending} cannot be {subtype}; it can be {fitting}")
    if ending != "wav":
        import soundfile

        if not soundfile.check_format(file_format.container, subtype):
            version = soundfile.__libsndfile_version__
            raise ValueError(
                f"{path}: the libsndfile {version} found here cannot write {ending}; use wav or flac"
            )
    return file_format, subtype


def _info(tags: Mapping[str, str | int]) -> dict[str, str]:
    """Tags by their RIFF names: the title, the program, and all others in one comment, `seed=7; ...`."""
    comment = "; ".join(f"{name}={text}" for name, text in tags.items() if name not in ("title", "version"))
    info = {"INAM": str(tags["title"])} if "title" in tags else {}
    info["ISFT"] = f"resonance {tags.get('version', resonance.__version__)}"
    info |= {"ICMT": comment} if comment else {}
    # A file's name, which a tag may tell, need not be text.
    return {name: text.encode("utf-8", "replace").decode() for name, text in info.items()}


def _refuse_existing(path: Path, force: bool) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder: name a file in it", str(path))
    if path.exists() and not force:
        raise FileExistsError(
            errno.EEXIST, "exists already: choose another name, or overwrite it with --force", str(path)
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "is no folder", str(folder)) from None
