"""Whatever a card, its server or a process of ours does, the piece goes on; each fault is caused for real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live import PROGRAM, Program, small
from servers import Servers, heard, need_servers

import resonance

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


def test_the_server_dies_and_freezes_and_the_device_is_pulled(servers: Servers, tmp_path: Path) -> None:
    """The sound is back within three seconds of either."""
    servers.start("pulse")
    with Program("play", small(tmp_path), "--device", "virt", env=servers.env, folder=tmp_path) as playing:
        playing.says("one")
        servers.kill("pulse")
        playing.says("went away.*goes on meanwhile")
        servers.start("pulse")
        with playing.within(BACK_S):
            playing.says("playing on virt")
        assert sounds_on(servers, "virt")
        servers.send("pulse", signal.SIGSTOP)
        playing.says("stopped taking sound")
        servers.send("pulse", signal.SIGCONT)
        with playing.within(BACK_S):
            playing.says("playing on virt", 2)
        assert sounds_on(servers, "virt")
        servers.pull()
        playing.says("goes on meanwhile", 3)
        servers.plug()
        with playing.within(BACK_S):
            playing.says("playing on virt", 3)
        assert playing.ends(signal.SIGTERM) == 143


def test_the_default_device_stands_in_until_the_chosen_one_is_back(servers: Servers, tmp_path: Path) -> None:
    """JACK takes PortAudio down with it; PulseAudio takes over, and gives back."""
    servers.start("pulse")
    servers.start("jack")
    call = ("play", small(tmp_path), "--device", "jack_thru")
    with Program(*call, env=servers.env, folder=tmp_path) as playing:
        playing.says("one")
        servers.kill("jack")
        playing.says("goes on meanwhile")
        with playing.within(BACK_S):
            playing.says("playing on default")
        playing.says("'jack_thru' is not there")
        assert sounds_on(servers, "virt")
        servers.start("jack")
        with playing.within(BACK_S):
            playing.says("playing on jack_thru.*again")
        assert sounds_on(servers, "jack_thru")
        assert playing.ends(signal.SIGINT) == 130


def test_what_the_piece_suffers(servers: Servers, tmp_path: Path) -> None:
    """Its process held up, killed and hung; then everything stopped at once, as a machine sleeps."""
    servers.start("jack")
    call = ("play", small(tmp_path), "--device", "jack_thru")
    with Program(*call, env=servers.env, folder=tmp_path) as playing:
        playing.says("one")
        (piece,) = playing.children("import piece")
        os.kill(piece, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(piece, signal.SIGCONT)
        playing.says("underrun 1: .* plays 683 ms ahead")
        os.kill(piece, signal.SIGKILL)
        playing.says("ended from outside: it goes on from where it was")
        playing.says("piece is back")
        assert sounds_on(servers, "jack_thru")
        (piece,) = playing.children("import piece")
        os.kill(piece, signal.SIGSTOP)
        playing.says("has hung")
        playing.says("piece is back", 2)
        (piece,) = playing.children("import piece")
        os.killpg(playing.running.pid, signal.SIGSTOP)
        os.kill(piece, signal.SIGSTOP)
        time.sleep(4.0)
        os.kill(piece, signal.SIGCONT)
        os.killpg(playing.running.pid, signal.SIGCONT)
        playing.says("stood still for [345] s")
        assert sounds_on(servers, "jack_thru")
        assert not [line for line in playing.lines if "hung" in line][1:]
        assert playing.ends(signal.SIGTERM) == 143


def test_a_rate_that_the_device_refuses(servers: Servers, tmp_path: Path) -> None:
    """A card at 44.1 kHz: the sound is resampled, at the right pitch and speed."""
    servers.start("jack", rate_hz=44_100)
    score = tmp_path / "tone.toml"
    score.write_text(
        'format = 1\n[[scene]]\nname = "one"\nlength = 60\nenergy = 0.5\n[scene.sounds]\ndrone = {}\n'
    )
    call = ("play", score, "--device", "jack_thru")
    with (
        servers.recording("jack_thru", 44_100) as recorded,
        Program(*call, env=servers.env, folder=tmp_path) as playing,
    ):
        playing.says("refuses 48000 Hz: resampled to its 44100 Hz")
        playing.says("one")
        time.sleep(2.5)
        assert playing.ends(signal.SIGINT) == 130
    audio = heard(recorded)
    engine = resonance.Engine(resonance.load(score), 44_100)
    whole = engine.render(44_100 * 4)
    begin, length = 44_100, 32_768
    spectra = [
        np.abs(np.fft.rfft(part[begin : begin + length, 0] * np.hanning(length))) for part in (audio, whole)
    ]
    loudest = [int(np.argmax(spectrum)) for spectrum in spectra]
    assert abs(loudest[0] - loudest[1]) <= 1


def test_nothing_to_play_on(servers: Servers, tmp_path: Path) -> None:
    """No server runs: one line, and what can be done; rendering goes on working."""
    with Program("play", small(tmp_path), env=servers.env, folder=tmp_path) as playing:
        assert playing.ends() == 1
        assert [line for line in playing.lines if line.startswith("error: ")] == playing.lines
    call = [*PROGRAM, "render", "small.toml", "-o", "a.wav", "--end", "1"]
    subprocess.run(call, env=servers.env, cwd=tmp_path, check=True, capture_output=True)


def test_no_libportaudio(servers: Servers, tmp_path: Path) -> None:
    """The library is hidden from a program of this test's own, which says what to install."""
    library = next(Path("/usr/lib").glob("*/libportaudio.so.2"))
    hidden = f"mount --bind /dev/null {library} && exec {sys.executable} -c '{PROGRAM[2]}' "
    for command in ("play", "devices"):
        call = ["unshare", "--mount", "sh", "-c", hidden + command]
        done = subprocess.run(
            call, env=servers.env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if "unshare" in done.stderr:
            pytest.skip("only root can hide a library from a program")
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "apt install libportaudio2" in line
        assert "render" in line
