"""A standard MIDI file, as if it were played: its messages with their seconds."""

from __future__ import annotations

import stat
from pathlib import Path

MOST_BYTES = 20_000_000
MOST_S = 86_400.0


class MidiFileError(ValueError):
    """A file that is no MIDI file; the text is one line, with the file and what is wrong with it."""


def read(path: Path) -> list[tuple[float, bytes]]:
    """All messages of all tracks, in order, with their times in seconds; raises MidiFileError."""
    import mido

    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise MidiFileError(f"{path} is no plain file; give the path of a MIDI file")
        if about.st_size > MOST_BYTES:
            raise MidiFileError(f"{path} has more than {MOST_BYTES // 1_000_000} MB: it is no MIDI file")
        file = mido.MidiFile(path, clip=True)
        if file.type == 2:
            raise MidiFileError(
                f"{path}: its tracks are pieces of their own (format 2); export format 0 or 1"
            )
        found: list[tuple[float, bytes]] = []
        now_s = 0.0
        for message in file:
            now_s += message.time
            if now_s > MOST_S:
                raise MidiFileError(f"{path} is longer than a day")
            if not message.is_meta:
                found.append((now_s, bytes(message.bytes())))
    except MidiFileError:
        raise
    except OSError as error:
        said = error.strerror or "it is no MIDI file, or it is cut short"
        raise MidiFileError(f"{path}: {said}") from None
    except Exception as error:  # mido lets out whatever a damaged file makes of it
        said = " ".join(str(error).split()) or "it breaks off"
        raise MidiFileError(f"{path} is no MIDI file, or it is damaged: {said[:100]}") from None
    return found
