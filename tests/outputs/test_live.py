"""What is played is what is rendered: through PortAudio and a sound server, recorded and compared."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live import Program, small
from servers import Servers, heard, need_servers

import resonance
from resonance.analysis.loudness import Meter

MINUS_30_DB = 10.0 ** (-30.0 / 20.0)
SOFT = int(0.6 * 48_000)
FADE = int(0.05 * 48_000) + 128


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    need_servers()
    pair = Servers(tmp_path_factory.mktemp("servers"))
    pair.start("jack")
    yield pair
    pair.close()


def place_of(part: np.ndarray, whole: np.ndarray) -> int:
    """Where in the whole a part begins that is in it to the bit."""
    places = np.flatnonzero((whole[: len(whole) - len(part)] == part[0]).all(axis=1))
    found = [int(place) for place in places if np.array_equal(whole[place : place + len(part)], part)]
    assert found, "what was heard is nowhere in what was rendered"
    return found[0]


def test_what_is_heard_is_what_is_rendered(servers: Servers, tmp_path: Path) -> None:
    """Equal to the bit between the soft start and the fade at the end; and Ctrl-C ends it with 130.

    Whatever holds up the program that has the terminal is not heard.
    """
    score = small(tmp_path)
    with servers.recording("jack_thru") as recorded:
        with Program("play", score, "--device", "jack_thru", env=servers.env, folder=tmp_path) as playing:
            playing.says("one")
            time.sleep(1.0)
            playing.running.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            playing.running.send_signal(signal.SIGCONT)
            time.sleep(0.3)
            assert playing.ends(signal.SIGINT) == 130
        time.sleep(0.3)
    audio = heard(recorded)
    whole = resonance.Engine(resonance.load(score)).render(48_000 * 12)
    assert len(audio) > SOFT + FADE + 24_000
    middle = audio[SOFT:-FADE]
    begin = place_of(middle, whole) - SOFT
    assert 0 <= begin < 1000, "it begins at the beginning"
    risen = (begin + 1 + np.arange(SOFT)) / SOFT
    ramp = np.sin(np.pi / 2.0 * np.minimum(risen, 1.0)) ** 2
    expected = whole[begin : begin + SOFT] * ramp[:, None]
    assert np.abs(audio[:SOFT] - expected).max() < 1e-4
    assert np.abs(audio[: int(0.05 * 48_000)]).max() < MINUS_30_DB
    assert np.abs(audio[-1]).max() < 1e-3, "it ends in a fade"


def test_it_comes_to_rest_when_it_is_told_to(servers: Servers, tmp_path: Path) -> None:
    """To the second by what was heard, and the end of the piece is the end of the program."""
    call = ("play", small(tmp_path), "--device", "jack_thru", "--sleep", "5", "--volume", "12")
    with servers.recording("jack_thru") as recorded:
        with Program(*call, env=servers.env, folder=tmp_path) as playing:
            playing.says("one")
            assert playing.ends() == 0
        time.sleep(0.3)
    audio = heard(recorded)
    assert len(audio) / 48_000 == pytest.approx(5.0, abs=1.0)
    loudest = [np.abs(part).max() for part in np.array_split(audio, 10)]
    assert loudest[-1] < 0.1 * max(loudest)
    meter = Meter(48_000)
    meter.add(audio)
    assert meter.true_peak_dbtp <= -1.0
