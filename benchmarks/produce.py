"""What rendering to files must hold, measured on real renders.

    python benchmarks/produce.py formats                   # each rate in each format: length, timing, tuning
    python benchmarks/produce.py loudness [--count 20]     # our meter and limiter against another program's
    python benchmarks/produce.py loops [--count 20]        # the seam against all else in the file
    python benchmarks/produce.py workers [--score dream] [--count 3]   # two workers against one
    python benchmarks/produce.py kills [--count 1000] [--minutes 30]
    python benchmarks/produce.py batch [--count 40]        # over a local cluster, with one worker killed
    python benchmarks/produce.py large                     # a WAV of over 4 GB, read back and removed
    python benchmarks/produce.py day [--count 24]          # so many hours (25 GB): memory, CPU hour by hour

Each prints what it found and ends with 1 where something does not hold. `loudness` asks ffmpeg's ebur128
where it is installed, else pyloudnorm and eight times the rate.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from resonance.analysis.levels import envelope_db, third_octave_levels
from resonance.analysis.rhythm import clicks
from resonance.cli import main as resonance
from resonance.cli.batch import cluster, sha256, spread
from resonance.cli.options import RATES_HZ
from resonance.cli.plan import plan
from resonance.outputs.file import FORMATS
from resonance.score import preset_names

PROGRAM = "import sys; from resonance.cli import main; sys.exit(main())"


def rendered(*call: str) -> dict:
    """Renders in this process; the summary."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()) as wrong:
        if resonance(["render", *call, "--json", "--force"]) != 0:
            raise SystemExit(wrong.getvalue())
    return json.loads(told.getvalue())


def pieces(count: int) -> Iterator[tuple[str, str]]:
    """A row of presets, each time round with other seeds."""
    return itertools.islice(
        ((name, str(seed)) for seed in itertools.count(1) for name in preset_names()), count
    )


def independent(path: str) -> tuple[float, float]:
    """LUFS and dBTP by another program."""
    if shutil.which("ffmpeg"):
        call = [
            "ffmpeg",
            "-hide_banner",
            "-nostats",
            "-i",
            path,
            "-af",
            "ebur128=peak=true",
            "-f",
            "null",
            "-",
        ]
        said = subprocess.run(call, check=True, capture_output=True, text=True).stderr.split("Summary")[1]
        found = [re.search(rf"{name}:\s+(-?[\d.]+|-?inf)", said) for name in ("I", "Peak")]
        return float(found[0][1]), float(found[1][1])  # type: ignore[index]
    import pyloudnorm
    from scipy.signal import resample_poly

    audio, rate_hz = soundfile.read(path)
    peak = np.abs(resample_poly(audio, 8, 1, axis=0)).max()
    return pyloudnorm.Meter(rate_hz).integrated_loudness(audio), 20.0 * np.log10(peak)


def formats() -> bool:
    """Every rate in every format, as another program reads its length, against a WAV at 48 kHz.

    Lossy encoders may pad the end by some frames of theirs.
    """
    import soxr

    Path("small.toml").write_text(
        'format = 1\n[[scene]]\nname = "only"\nlength = 12\nsounds = ["drone", "crystals", "heartbeat"]\n'
    )

    def heard(path: str) -> np.ndarray:
        audio, rate_hz = soundfile.read(path)
        return soxr.resample(audio.mean(axis=1), rate_hz, 8000, quality="VHQ")

    rendered("small.toml", "-o", "first.wav")
    wanted = np.fft.rfft(heard("first.wav"), 2 * 96_000)
    held = True
    for rate_hz, (ending, known) in itertools.product(RATES_HZ, FORMATS.items()):
        for subtype in known.subtypes:
            path = f"a.{ending}"
            asked = ["--subtype", subtype] if not known.is_lossy else []
            if known.rates and rate_hz not in known.rates:
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    held &= resonance(["render", "small.toml", "-o", path, "--rate", str(rate_hz)]) == 2
                print(f"{rate_hz} {ending}: {said.getvalue().strip()}")
                continue
            rendered("small.toml", "-o", path, "--rate", str(rate_hz), *asked)
            probe = subprocess.run(["ffprobe", *TOOLS["ffprobe"], path], check=True, capture_output=True)
            seconds, found = float(probe.stdout), np.fft.rfft(heard(path), 2 * 96_000)
            lag_s, cents = _late_s(found, wanted), 1200.0 * np.log2(_loudest_hz(found) / _loudest_hz(wanted))
            right = abs(seconds - 12.0) < (0.05 if known.is_lossy else 1e-6)
            held &= right and abs(lag_s) < 50e-6 and abs(cents) < 0.5
            told = f"{seconds:.6f} s, {1e6 * lag_s:.1f} us late, {cents:.3f} cents off"
            print(f"{rate_hz} {ending} {subtype}: {told}", flush=True)
    return held


def _late_s(found: np.ndarray, wanted: np.ndarray) -> float:
    """How late one sound at 8 kHz is against another, from their spectra."""
    likeness = np.fft.irfft(found * np.conj(wanted))
    at = int(np.argmax(likeness))
    before, here, after = likeness[at - 1], likeness[at], likeness[(at + 1) % len(likeness)]
    at -= len(likeness) if at > len(likeness) // 2 else 0
    return float(at + 0.5 * (before - after) / (before - 2.0 * here + after)) / 8000.0


def _loudest_hz(spectrum: np.ndarray) -> float:
    """The frequency of a spectrum's peak, between its bins."""
    levels = np.log(np.abs(spectrum) + 1e-12)
    at = int(np.argmax(levels[1:-1])) + 1
    before, here, after = levels[at - 1 : at + 2]
    return float(at + 0.5 * (before - after) / (before - 2.0 * here + after)) * 4000.0 / (len(spectrum) - 1)


def loudness(count: int) -> bool:
    """Renders, half of them brought to a loudness, as two meters read them."""
    worst_lu, worst_db, highest, missed = 0.0, 0.0, -np.inf, 0.0
    for number, (name, seed) in enumerate(pieces(count)):
        wanted = [None, "-23", "-16", "-12"][number % 4]
        asked = ["--lufs", wanted] if wanted else []
        ours = rendered(name, "--seed", seed, "--duration", "1m", "-o", "a.wav", *asked)
        lufs, peak = independent("a.wav")
        worst_lu = max(worst_lu, abs(ours["integrated_lufs"] - lufs))
        worst_db = max(worst_db, abs(ours["true_peak_dbtp"] - peak))
        highest = max(highest, peak)
        missed = max(missed, abs(float(wanted) - lufs) if wanted else 0.0)
        own = f"{ours['integrated_lufs']} LUFS, {ours['true_peak_dbtp']} dBTP"
        print(f"{name} {seed}: {own}; the other says {lufs}, {peak}", flush=True)
    print(f"{count} renders: apart by at most {worst_lu:.2f} LU and {worst_db:.2f} dB")
    print(f"highest true peak {highest:.1f} dBTP; asked for and found differ by at most {missed:.2f} LU")
    # ffmpeg prints tenths: half of one is rounding.
    return worst_lu <= 0.15 and worst_db <= 0.25 and highest <= -1.0 and missed <= 0.15


def seam(path: str) -> dict[str, tuple[float, float]]:
    """Where the end meets the beginning: each detector's reading there, and its highest elsewhere."""
    audio, rate_hz = soundfile.read(path, dtype="float32")
    turned = np.roll(audio, len(audio) // 2, axis=0)
    middle_s = len(audio) // 2 / rate_hz
    found = clicks(turned, rate_hz)
    readings = {"clicks": (float(np.sum(np.abs(found - middle_s) < 0.02)), float(len(found)))}
    bends = np.abs(np.diff(turned, 2, axis=0)).max(axis=1)
    windows = bends[: len(bends) // 256 * 256].reshape(-1, 256).max(axis=1)
    around = np.array([np.median(windows[max(0, k - 20) : k + 21]) for k in range(len(windows))])
    sharp = windows / np.maximum(around, 1e-9)
    at_s = (np.arange(len(sharp)) + 0.5) * 256 / rate_hz
    readings["bend"] = _there(sharp, at_s, middle_s, 0.01)
    power = 10.0 ** (envelope_db(turned, rate_hz, 0.05) / 10.0)
    for steps in (8, 20, 60):
        mean = 10.0 * np.log10(np.convolve(power, np.ones(steps) / steps, "valid") + 1e-12)
        jumps = np.abs(mean[steps:] - mean[:-steps])
        readings[f"level over {steps * 0.05:.1f} s"] = _there(
            jumps, (np.arange(len(jumps)) + steps) * 0.05, middle_s, 0.3
        )
    timbre = np.array(
        [
            np.maximum(third_octave_levels(turned[k * rate_hz // 2 :][:rate_hz], rate_hz)[1], -80.0)
            for k in range(int(2 * len(turned) / rate_hz) - 2)
        ]
    )
    moved = np.sqrt(((timbre[2:] - timbre[:-2]) ** 2).mean(axis=1))
    readings["timbre"] = _there(moved, np.arange(len(moved)) * 0.5 + 1.0, middle_s, 0.5)
    return readings


def _there(values: np.ndarray, at_s: np.ndarray, middle_s: float, within_s: float) -> tuple[float, float]:
    near = np.abs(at_s - middle_s) <= within_s
    return float(values[near].max()), float(values[np.abs(at_s - middle_s) > max(1.0, 2.0 * within_s)].max())


def loops(count: int) -> bool:
    """Loops of all presets, each detector at the seam against the rest of the file."""
    bad = 0
    for name, seed in pieces(count):
        rendered(name, "--seed", seed, "--duration", "1m30s", "--loop", "-o", "a.wav")
        readings = seam("a.wav")
        wrong = [
            key
            for key, (here, elsewhere) in readings.items()
            if here > (0.0 if key == "clicks" else elsewhere)
        ]
        bad += bool(wrong)
        said = ", ".join(
            f"{key} {here:.1f} of {elsewhere:.1f}" for key, (here, elsewhere) in readings.items()
        )
        print(f"{name} {seed}: {said}{'  ' + ', '.join(wrong).upper() if wrong else ''}", flush=True)
    print(f"{count} loops, {bad} with a seam that a detector finds")
    return bad == 0


def workers(score: str, rounds: int) -> bool:
    """The whole piece to a file by one worker and by two, in turns, and what two cores are worth meanwhile.

    On a machine that others use as well two cores do not do twice the work of one: that is measured with work
    that shares nothing, and 1.6 is asked of what would be 2 on a machine of one's own.
    """
    spent_s: dict[int, list[float]] = {1: [], 2: []}
    free_s: dict[int, list[float]] = {1: [], 2: []}
    digests = set()
    for turn in range(rounds):
        for number in (1, 2) if turn % 2 == 0 else (2, 1):
            free_s[number].append(_freely_s(number))
            call = ["render", score, "-o", "a.wav", "--force", "--json", "--workers", str(number)]
            made = subprocess.run([sys.executable, "-c", PROGRAM, *call], check=True, capture_output=True)
            spent_s[number].append(json.loads(made.stdout)["render_seconds"])
            free_s[number].append(_freely_s(number))
            digests.add(sha256(Path("a.wav")))
            print(f"{number}: {spent_s[number][-1]:.1f} s", flush=True)
    one, two = (float(np.median(spent_s[number])) for number in (1, 2))
    worth = float(np.median(free_s[1]) / np.median(free_s[2]))
    print(f"{score}: one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast")
    same = len(digests) == 1
    print(f"two cores are worth {worth:.2f} just now: {2.0 * one / two / worth:.2f} of 2; same bytes: {same}")
    return same and one / two >= 0.8 * worth


def _freely_s(threads: int) -> float:
    """How long some work takes that shares nothing, on so many threads."""
    wave = np.linspace(0.0, 1.0, 100_000)

    def work() -> None:
        for _ in range(200 // threads):
            np.sin(wave)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for hand in crew:
        hand.start()
    for hand in crew:
        hand.join()
    return time.perf_counter() - began


def kills(count: int, minutes: float) -> bool:
    """Short renders killed anywhere, at random: the .part plays, holds the right sound, and goes on."""
    Path("small.toml").write_text(
        'format = 1\n[[scene]]\nname = "only"\nlength = 12\nsounds = ["crystals", "heartbeat"]\n'
    )
    wholes = {ending: Path(f"whole.{ending}") for ending in ("wav", "flac", "ogg")}
    rendered("small.toml", "-o", "warm.wav")  # which may compile kernels
    took_s = {
        ending: rendered("small.toml", "-o", str(path))["render_seconds"] for ending, path in wholes.items()
    }
    sounds = {ending: soundfile.read(path, dtype="int32")[0] for ending, path in wholes.items()}
    chance, done, empty, wrong, finished = random.Random(1), 0, 0, 0, 0
    until = time.monotonic() + 60.0 * minutes
    while done < count and time.monotonic() < until:
        ending = ("wav", "wav", "flac", "ogg")[done % 4]
        final, part = Path(f"a.{ending}"), Path(f"a.{ending}.part")
        final.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        # A copy of this process renders: what is killed is the render, not the start of Python.
        child = os.fork()
        if child == 0:
            rendered("small.toml", "-o", str(final))
            os._exit(0)
        time.sleep(chance.uniform(0.0, 1.2 * took_s[ending]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        done += 1
        finished += final.exists()
        if final.exists() and sha256(final) != sha256(wholes[ending]):
            wrong += 1
            print(f"kill {done}: a wrong {final}")
        if (
            not part.exists()
            or part.stat().st_size == 0
            or (ending == "flac" and part.read_bytes()[22:26] == bytes(4))
        ):
            # Killed before its first byte, a FLAC before its first sound, or after the last of it.
            empty += not final.exists()
            continue
        try:
            played = played_part(part)
        except soundfile.LibsndfileError as error:
            wrong += 1
            print(f"kill {done}: {part} of {part.stat().st_size} bytes: {error}")
            continue
        if not np.array_equal(played, sounds[ending][: len(played)]):
            wrong += 1
            print(f"kill {done}: {part} holds another sound")
        if done % 20 == 1:
            rendered("small.toml", "-o", str(final), "--resume")
            wrong += sha256(final) != sha256(wholes[ending])
            print(f"{done} kills, {wrong} wrong", flush=True)
    print(f"{done} kills ({empty} before the first sound, {finished} after the last): {wrong} wrong files")
    return wrong == 0 and done == count


def played_part(path: Path) -> np.ndarray:
    """What can be heard of a file that was left; a FLAC that was does not say how long it is."""
    with soundfile.SoundFile(path) as file:
        pieces = [file.read(48_000, dtype="int32")]
        while len(pieces[-1]):
            pieces.append(file.read(48_000, dtype="int32"))
    return np.concatenate(pieces)


def batch(count: int) -> bool:
    """Short renders over a local cluster, one worker killed half-way: all there, and each as by itself."""
    Path("jobs.toml").write_text(
        f'[[job]]\nscore = "hum"\nonly = ["drone"]\nduration = "1m"\noutput = "n.wav"\nseeds = "1..{count}"\n'
    )
    planned = plan(Path("jobs.toml"), False)
    made: dict[str, str] = {}
    with cluster(None, 2) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def kill() -> None:
            while len(made) < count // 2:
                time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            print("killed a worker", flush=True)

        threading.Thread(target=kill, daemon=True).start()
        for each, found in spread(planned, client):
            made[str(each.path)] = "" if isinstance(found, Exception) else found["sha256"][str(each.path)]
    alone = {}
    for each in planned:
        rendered(
            "hum", "--only", "drone", "--duration", "1m", "--seed", str(each.job().seed), "-o", "alone.wav"
        )
        alone[str(each.path)] = sha256(Path("alone.wav"))
    equal = sum(made.get(path) == digest == sha256(Path(path)) for path, digest in alone.items())
    left = len(list(Path().glob("*.part")))
    print(f"{equal} of {count} there and as by themselves; {left} parts left over")
    return equal == count and left == 0


def large() -> bool:
    """Over 4 GB of sound: 48 minutes at 192 kHz, floats."""
    made = rendered(
        "heartbeat",
        "--only",
        "heartbeat",
        "--duration",
        "48m",
        "--rate",
        "192000",
        "--subtype",
        "FLOAT",
        "-o",
        "a.wav",
    )
    size = Path("a.wav").stat().st_size
    with Path("a.wav").open("rb") as file:
        head = file.read(4)
    with soundfile.SoundFile("a.wav") as file:
        frames, heard = file.frames, 0.0
        file.seek(file.frames - 192_000 * 300)
        for _ in range(300):
            heard = max(heard, float(np.abs(file.read(192_000)).max()))
    told = {
        tool: float(subprocess.run([tool, *words, "a.wav"], check=True, capture_output=True).stdout)
        for tool, words in TOOLS.items()
        if shutil.which(tool)
    }
    print(f"{size / 2**30:.2f} GiB, {head.decode()}, {frames / 192_000:.1f} s; others say: {told}")
    print(f"the last five minutes peak at {heard:.4f}; rendered {made['times_real_time']} times real time")
    right = head == b"RF64" and size > 2**32 and frames == 48 * 60 * 192_000 and heard > 0.001
    return right and all(seconds in (2880.0, 2_880_000.0) for seconds in told.values())


def day(score: str, hours: int) -> bool:
    """A render of many hours: what it holds in memory, and whether its last hour costs what its first does.

    A piece that is stretched plays less in some hours than in others, so each is held against the same
    share of two hours of the piece.
    """
    rendered(score, "-o", "warm.wav")  # a process that compiles kernels keeps more than one that finds them
    long, short = (_spent(score, length_s, hours) for length_s in (3600.0 * hours, 7200.0))
    dearer = [a / b * 2.0 / hours for a, b in zip(long.cpu_s, short.cpu_s, strict=True)]
    for hour, (cpu_s, ratio, held_mb) in enumerate(zip(long.cpu_s, dearer, long.held_mb, strict=True), 1):
        told = f"{cpu_s:6.1f} s CPU, {ratio:.2f} times the same share of two hours"
        print(f"hour {hour:2}: {told}; {held_mb:.0f} MB at its end")
    quarter = max(1, hours // 4)
    slope = np.mean(dearer[-quarter:]) / np.mean(dearer[:quarter])
    for length_h, run in ((hours, long), (2, short)):
        speed = 3600.0 * length_h / sum(run.cpu_s)
        print(f"{length_h} h: {speed:.1f} times real time by CPU, peak memory {run.peak_mb:.0f} MB")
    print(f"last hour {dearer[-1] / dearer[0]:.2f} times the first, last quarter {slope:.2f} times the first")
    return long.peak_mb < 400.0 and slope < 1.1


@dataclass(frozen=True)
class _Spent:
    """CPU seconds of each of the equal shares of a render, the memory held at its end, and the most of it."""

    cpu_s: list[float]
    held_mb: list[float]
    peak_mb: float


def _spent(score: str, length_s: float, shares: int) -> _Spent:
    """Renders to WAV in a process of its own, and looks at it all along."""
    call = ["render", score, "--duration", str(length_s), "-o", "a.wav", "--force", "--rate", "48000"]
    seen = []
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, *call], stdout=subprocess.DEVNULL)
    peak_mb = 0.0
    while True:
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            break
        with contextlib.suppress(OSError):
            size = Path("a.wav.part").stat().st_size
            # Not by rusage: a child's begins with what its parent had held.
            status_kb = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{child.pid}/status").read_text())
            peak_mb = max(peak_mb, int(status_kb[1]) / 1024.0 if status_kb else 0.0)
            told = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            cpu_s = (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
            held_mb = int(told[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            if size > 2 * _WAV_SECOND:
                seen.append((size / _WAV_SECOND, cpu_s, held_mb))
        time.sleep(0.2)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"the render ended with {child.returncode}")
    Path("a.wav").unlink()
    sound_s, cpu_s, held_mb = np.array(seen).T
    # Getting ready is no part of any hour.
    sound_s, cpu_s = np.append(sound_s, length_s), np.append(cpu_s, usage.ru_utime + usage.ru_stime)
    borders_s = np.linspace(sound_s[0], length_s, shares + 1)
    spent_s = np.diff(np.interp(borders_s, sound_s, cpu_s))
    held_mb = np.interp(borders_s[1:], sound_s[:-1], held_mb)
    return _Spent(list(spent_s), list(held_mb), peak_mb)


_WAV_SECOND = 48_000 * 2 * 3
"""Bytes of a second in 24 bits."""

TOOLS = {
    "ffprobe": ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"],
    "sox": ["--i", "-D"],
    "mediainfo": ["--Inform=General;%Duration%"],
}
"""How other programs are asked for a file's length; mediainfo tells milliseconds."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks: dict[str, Callable[..., bool]] = {
        task.__name__: task for task in (formats, loudness, loops, workers, kills, batch, large, day)
    }
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--count", type=int)
    parser.add_argument("--score", default="dream")
    parser.add_argument("--minutes", type=float, default=30.0)
    asked = parser.parse_args()
    options: dict[str, tuple] = {
        "loudness": (asked.count or 20,),
        "loops": (asked.count or 20,),
        "workers": (asked.score, asked.count or 3),
        "kills": (asked.count or 1000, asked.minutes),
        "batch": (asked.count or 40,),
        "day": (asked.score, asked.count or 24),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        holds = tasks[asked.task](*options.get(asked.task, ()))
        os.chdir("/")
    print("holds" if holds else "DOES NOT HOLD")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
