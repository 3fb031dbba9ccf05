"""Whatever a card, its server or a process of ours does, the piece goes on; each fault is caused for real."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Program, small
from servers import Servers, heard, need_servers

BACK_S = 3.0


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A pair of this test's own: it is going to be killed."""
    need_servers()
    pair = Servers(tmp_path_factory.mktemp("servers"))
    yield pair
    pair.close()


def sounds_on(servers: Servers, device: str) -> bool:
    """Whether something is heard on a device within a second and a half."""
    with servers.recording(device) as recorded:
        time.sleep(1.5)
    return len(heard(recorded)) > 4800


def test_the_server_dies_freezes_and_the_piece_goes_on(servers: Servers, tmp_path: Path) -> None:
    servers.start("pulse")
    score = small(tmp_path)
    with Program("play", score, "--device", "virt", env=servers.env, folder=tmp_path) as playing:
        playing.says("one")
        servers.kill("pulse")
        playing.says(r"looking for it.*goes on meanwhile")
        servers.start("pulse")
        began = time.monotonic()
        playing.says("playing on virt")
        assert time.monotonic() - began < BACK_S + 2.0
        assert sounds_on(servers, "virt")
        servers.send("pulse", signal.SIGSTOP)
        playing.says("stopped taking sound")
        servers.send("pulse", signal.SIGCONT)
        playing.says("playing on virt", 2)
        assert sounds_on(servers, "virt")
        assert playing.ends(signal.SIGTERM) == 143
