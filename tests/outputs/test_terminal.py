"""On a terminal: what is shown says why, keys do what they say, and a score that is saved is followed."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import PROGRAM, Program, small, wait_until
from servers import Servers, need_servers

from resonance.engine.takes import read


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    need_servers()
    pair = Servers(tmp_path_factory.mktemp("servers"))
    pair.start("jack")
    yield pair
    pair.close()


_SEEN_BYTES = 20_000  # some ten pictures


class Terminal:
    """A terminal of 240 by 40 characters with a program in it."""

    def __init__(self, *words: str | Path, env: dict[str, str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 240))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._written = b""
        self.running = subprocess.Popen(
            [*PROGRAM, *map(str, words)],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True,
            # Who runs tests side by side may tell them a width of its own.
            env={**env, "TERM": "xterm-256color", "COLUMNS": "240", "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                written = os.read(self._ours, 65536)
            except OSError:
                return
            self._written = (self._written + written)[-_SEEN_BYTES:]

    @property
    def text(self) -> str:
        """All that was written, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written.decode(errors="replace"))

    def press(self, key: str) -> None:
        assert self.running.poll() is None, f"it has ended: {self.text[-3000:]}"
        self._written = b""
        os.write(self._ours, key.encode())

    def shows(self, pattern: str) -> None:
        wait_until(lambda: re.search(pattern, self.text) is not None, lambda: f"{pattern!r} in {self.text}")

    def restored(self) -> bool:
        return termios.tcgetattr(self._theirs)[3] == self.before[3]

    def end(self) -> None:
        if self.running.poll() is None:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()

    def close(self) -> None:
        self.end()
        os.close(self._theirs)
        # Its reader ends with the other side, and only then may the number be another's.
        self._reader.join(5)
        os.close(self._ours)


@pytest.fixture
def terminal(servers: Servers, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal("play", small(tmp_path), "--device", "jack_thru", env=servers.env, folder=tmp_path)
    yield made
    made.close()


def test_the_view_says_why_and_keys_do_what_they_say(terminal: Terminal) -> None:
    terminal.shows(r"jack_thru")
    terminal.shows(r"valence .*energy .*tension .*54 bpm")
    terminal.shows(r"one .*two")
    terminal.shows(r"drone")
    terminal.shows(r"0:\d\d +crystals +\S+ +[\d.]+ Hz +\S+")
    terminal.press("---")
    terminal.shows(r"volume -3 dB")
    terminal.press("+")
    terminal.shows(r"volume -2 dB")
    terminal.press(" ")
    terminal.shows("paused")
    terminal.press(" ")
    terminal.shows(r"dB(   underruns \d+)?(   late \d+)?\s+one")
    assert "paused" not in terminal.text[-500:]
    terminal.press("\x1b[A")
    terminal.shows(r"volume -2 dB")
    terminal.press("n")
    terminal.shows(r"one +two {5}")
    terminal.press("k")
    terminal.shows(r"kept .*/takes/small-5-\d+-\d+\.take")
    terminal.press("q")
    assert terminal.running.wait(20) == 0
    assert terminal.restored()


def test_a_disk_that_is_full_keeps_nothing_half(terminal: Terminal, tmp_path: Path) -> None:
    """A small disk, filled; the piece goes on, and what is kept after some was freed is whole."""
    takes = tmp_path / "takes"
    takes.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(takes)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a disk small enough")
    try:
        (takes / "full").write_bytes(bytes(16_384))
        terminal.shows(r"jack_thru")
        terminal.press("k")
        terminal.shows(r"not kept: .*No space left on device; the piece goes on")
        assert [path.name for path in takes.iterdir()] == ["full"]
        (takes / "full").unlink()
        terminal.shows(r"night 1 +0:0[2-9]")
        terminal.press("k")
        terminal.shows(r"kept .*\.take")
        (kept,) = takes.iterdir()
        assert read(kept).duration > 0.5
    finally:
        terminal.end()
        subprocess.run(["umount", str(takes)], check=True)


def test_a_score_that_is_saved_is_followed_and_one_with_a_mistake_is_not(
    servers: Servers, tmp_path: Path
) -> None:
    score = small(tmp_path)
    call = ("play", score, "--device", "jack_thru", "--watch")
    with Program(*call, env=servers.env, folder=tmp_path) as playing:
        playing.says("one")
        good = score.read_text()
        score.write_text(good.replace("energy = 0.6", "energy = 6"))
        playing.says(r"error: small.toml:8: .*energy is 6.*plays on")
        score.write_text(good.replace('name = "one"', 'name = "dawn"'))
        playing.says("the sound follows it")
        playing.says("dawn: night 1")
        assert playing.ends(signal.SIGINT) == 130
        assert not [line for line in playing.lines if "underrun" in line]
