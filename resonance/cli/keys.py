"""Single keys from the terminal, as they are pressed; none where there is no terminal."""

from __future__ import annotations

import os
import re
import select
import sys
from typing import Any

_SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O.|)")


class Keys:
    """Reads keys without waiting for them, and leaves the terminal as it was."""

    def __init__(self, left_alone: bool = False) -> None:
        """With `left_alone` the terminal stays as it is, and gives no keys."""
        self._left_alone = left_alone
        self._before: Any = None

    def __enter__(self) -> Keys:
        if not self._left_alone and sys.stdin is not None and sys.stdin.isatty():
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self) -> list[str]:
        """The keys since the last time. A cursor key, which comes as several characters, is none."""
        if self._before is None or not select.select([sys.stdin], [], [], 0.0)[0]:
            return []
        text = os.read(sys.stdin.fileno(), 64).decode(errors="ignore")
        return list(_SEQUENCE.sub("", text))
