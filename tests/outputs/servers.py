"""Sound servers of the tests' own, on a machine without a sound card: what is played can be recorded, and
they can be killed and frozen.

`jack_thru` is a cable through a JACK server whose card waits for a late program, so that every sample
arrives however busy the machine is; `virt` is a PulseAudio sink that plays in real time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

PACKAGES = "libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils jackd2"
_PROGRAMS = ("pulseaudio", "pactl", "jackd", "jack_thru", "jack_lsp")
_RECORDER = """
import sys, sounddevice
out = open(sys.argv[2], "wb")
with sounddevice.RawInputStream(device=sys.argv[1], samplerate=int(sys.argv[3]), channels=2, dtype="float32",
                                latency=0.1, callback=lambda data, *_: out.write(bytes(data))):
    print("up", flush=True)
    sys.stdin.read()
"""
# norewinds: otherwise an idle null sink renders two seconds ahead, and a new stream loses its first frames.
# handle_underrun: otherwise PortAudio is not told of them. disable-shm: with it, 16.1 aborts under load.
_ALSA = """
pcm.virt {
  type asym
  playback.pcm { type pulse device virt handle_underrun 1 }
  capture.pcm { type pulse device virt.monitor }
  hint { show on description "virtual sound card" }
}
"""


_SINK = "module-null-sink sink_name=virt format=float32le rate=48000 channels=2 norewinds=1"


def need_servers() -> None:
    """Skips the test, and says what to install, where there are no servers to be started."""
    lost = [name for name in _PROGRAMS if shutil.which(name) is None]
    libraries = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    if "libportaudio.so.2" not in libraries:
        lost.append("libportaudio")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        lost.append("ALSA's plugin for PulseAudio")
    if lost:
        pytest.skip(f"no {', '.join(lost)}: apt-get install --no-install-recommends {PACKAGES}")


def _free_name() -> tuple[TextIO, str]:
    """A name for a JACK server that nobody uses now, and the lock that says so.

    A server that is killed stays in JACK's list of eight, until another of its name is started.
    """
    for number in range(4):
        place = (Path(tempfile.gettempdir()) / f"resonance-jack-{number}.lock").open("a+")
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            place.close()
        else:
            _end_what_was_left(place)
            return place, f"resonance-{number}"
    raise RuntimeError("four pairs of servers are running already")


def _end_what_was_left(place: TextIO) -> None:
    """Ends the servers of tests that were killed: their names are ours now."""
    place.seek(0)
    for line in place.read().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{line}/comm").read_text().strip() in _PROGRAMS:
                os.kill(int(line), signal.SIGKILL)
    place.truncate(0)


class Servers:
    """A pair of servers in a folder; `env` is what a program needs to find them, and no others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._place, name = _free_name()
        (folder / "asoundrc").write_text(_ALSA)
        self.env = {
            **os.environ,
            "PULSE_SERVER": f"unix:{folder}/pulse.sock",
            "PULSE_COOKIE": f"{folder}/cookie",
            "PULSE_SINK": "virt",
            "PULSE_SOURCE": "virt.monitor",
            "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{folder}/asoundrc",
            "JACK_DEFAULT_SERVER": name,
            "JACK_NO_START_SERVER": "1",
        }

    def start(self, kind: str, rate_hz: int = 48_000) -> None:
        """Starts `pulse` or `jack`, and waits until it answers."""
        if kind == "pulse":
            self._launch(
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                "--disable-shm=yes",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._folder}/pulse.sock",
                "-L", _SINK,
            )  # fmt: skip
            self._answers("pactl", "info")
        else:
            real_time = subprocess.run(["chrt", "-f", "10", "true"], capture_output=True, check=False)
            self._launch(
                "jackd", "--name", self.env["JACK_DEFAULT_SERVER"],
                *(["-R", "-P", "10"] if real_time.returncode == 0 else ["-r"]),
                "--sync", "--timeout", "150", "-d", "dummy", "--rate", str(rate_hz), "--period", "128",
            )  # fmt: skip
            self._answers("jack_lsp")
            self._launch("jack_thru")
            self._answers("jack_lsp", "jack_thru:output_2")

    def kill(self, kind: str) -> None:
        for name in ("pulseaudio",) if kind == "pulse" else ("jack_thru", "jackd"):
            server = self._running.pop(name, None)
            if server is not None:
                server.kill()
                server.wait()

    def send(self, kind: str, number: signal.Signals) -> None:
        self._running["pulseaudio" if kind == "pulse" else "jackd"].send_signal(number)

    def pull(self) -> None:
        """Takes PulseAudio's only device away, as one pulls a headphone."""
        self._pactl("unload-module", "module-null-sink")

    def plug(self) -> None:
        """Puts it back."""
        self._pactl("load-module", "module-null-sink", *_SINK.split()[1:])

    def _pactl(self, *words: str) -> None:
        subprocess.run(["pactl", *words], env=self.env, check=True, capture_output=True, timeout=10)

    def close(self) -> None:
        for server in self._running.values():
            server.send_signal(signal.SIGCONT)
        for server in self._running.values():
            server.terminate()
        for server in self._running.values():
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
        self._place.close()

    @contextmanager
    def recording(self, device: str, rate_hz: int = 48_000) -> Iterator[Path]:
        """Records what is played on a device, in a process of its own, into a file of raw floats."""
        path = self._folder / "heard.raw"
        call = [sys.executable, "-c", _RECORDER, device, str(path), str(rate_hz)]
        with subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.env
        ) as recorder:
            assert recorder.stdin is not None
            assert recorder.stdout is not None
            assert recorder.stdout.readline().strip() == b"up"
            try:
                yield path
            finally:
                recorder.stdin.close()
                try:
                    recorder.wait(5)
                except subprocess.TimeoutExpired:
                    recorder.kill()

    def _launch(self, name: str, *words: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            home = {"HOME": str(self._folder), "XDG_RUNTIME_DIR": str(self._folder)}
            self._running[name] = subprocess.Popen(
                [name, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**self.env, **home},
                start_new_session=True,
            )  # fmt: skip
        self._place.write(f"{self._running[name].pid}\n")
        self._place.flush()

    def _answers(self, *call: str) -> None:
        """Waits until a command succeeds; where more than one word, until it names the last."""
        for _ in range(100):
            try:
                done = subprocess.run(
                    call[:1] if call[0] == "jack_lsp" else call,
                    env=self.env, capture_output=True, text=True, timeout=2, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                continue
            if done.returncode == 0 and (
                call[0] != "jack_lsp" or call[-1] in ("jack_lsp", *done.stdout.split())
            ):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{call[0]}: the server did not come up; see {self._folder}")


def heard(path: Path) -> np.ndarray:
    """What was recorded, (frames, 2), from its first sound to its last."""
    raw = np.fromfile(path, "<f4")
    audio = raw[: len(raw) // 2 * 2].reshape(-1, 2)
    sounding = np.flatnonzero(audio.any(axis=1))
    return audio[sounding[0] : sounding[-1] + 1] if len(sounding) else audio[:0]
