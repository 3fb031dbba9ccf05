"""Audio laid aside until the whole of it is known: how loud it is, or what rings on after its end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resonance.dsp import F32
from resonance.outputs.file import BLOCK_FRAMES, Writer, part_of


class Aside:
    """A float WAV that grows under the `.part` name of a file, plays all along, and is read again when whole.

    `path` is the file's name in the end; None, for what has none, lays it aside in a folder of the system's.
    `resume` goes on from a `.part`. As a context it leaves the `.part` where it is when something goes wrong.
    """

    def __init__(self, path: Path | None, rate_hz: float, *, resume: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="resonance-")) if path is None else None
        name = path if path is not None else Path(str(self._folder)) / "mix"
        self.part = part_of(name)
        self._writer = Writer(
            name.with_name(name.name + ".wav"), rate_hz, 2, "FLOAT", part=self.part, resume=resume, force=True
        )
        self._tail: list[F32] = []

    @property
    def frames(self) -> int:
        return self._writer.frames

    def write(self, block: F32) -> None:
        """Appends float32 audio of shape (frames, 2)."""
        self._writer.write(block)

    def ring(self, block: F32) -> None:
        """Appends what rings on after the end: it will be read laid over the beginning, and round again."""
        self._tail.append(np.array(block, np.float32))

    def close(self) -> None:
        """Ends the writing."""
        self._writer.abort()

    def blocks(self, first: int = 0) -> Iterator[F32]:
        """All of it from a frame on, block by block, each float32 (frames, 2); closes it first."""
        import soundfile

        self.close()
        tail = np.concatenate(self._tail) if self._tail else np.zeros((0, 2), np.float32)
        at = first
        with soundfile.SoundFile(self.part) as file:
            file.seek(first)
            while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                for turn in range(at, len(tail), self.frames):
                    over = tail[turn : min(turn + len(block), len(tail))]
                    block[: len(over)] += over
                yield block
                at += len(block)

    def discard(self) -> None:
        """Removes it."""
        self.close()
        self.part.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except OSError:
            if kind is None:
                raise
        if self._folder is not None:
            self.discard()
