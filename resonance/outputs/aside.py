"""Audio laid aside until the whole of it is known: how loud it is, or what rings on after its end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resonance.dsp import F32
from resonance.outputs.file import BLOCK_FRAMES, Writer


class Aside:
    """A float WAV that grows under the name `part`, plays all along, and is read again when it is whole.

    `part` None, for what has no name, lays it aside in a folder of the system's. `resume` goes on from what
    is there. As a context it leaves it where it is when something goes wrong.
    """

    def __init__(self, part: Path | None, rate_hz: float, *, resume: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="resonance-")) if part is None else None
        self.part = part or Path(str(self._folder)) / "mix.part"
        named = self.part.with_name(self.part.name + ".wav")
        self._writer = Writer(named, rate_hz, 2, "FLOAT", part=self.part, resume=resume, force=True)
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
