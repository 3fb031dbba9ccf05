"""How loud the presets are, and whether they repeat themselves.

    python benchmarks/presets.py [NAME ...] [--hour] [--seed 1] [--processes 1] [--markdown]

Renders the first ten minutes of each preset as it stands and prints, for those: integrated loudness, the
loudest 3 s, the first 50 ms (RMS), the true peak, and times real time by CPU. `--hour` also plays an hour of
it, and looks for repetition: the two most alike of all spans of 4 s.

Two spans are alike by the normalised correlation of their waveforms, 1 where one is the other at any level.
Every fourth second's span is held against every later moment, sample by sample, at 2 kHz; the most alike
pairs are then slid along the hour together. Lows are weighed as the ear does (A-weighting), so that two spans
are not alike merely because one steady low tone holds most of their power. Spans 30 dB under the loudest are
silence, and like nothing. The hour is played at half the preset's rate: nothing over 900 Hz is compared, and
it takes half the time.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import math
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

TARGET_LUFS = -23.0
WITHIN_LU = 1.0
MEASURED_S = 600.0
HOUR_S = 3600.0
ALIKE = 0.9

LOW_RATE_HZ = 2000
SPAN_S = 4.0
QUIET_DB = -30.0
BLOCK = 1 << 16
"""Frames of the hour that are held against a span at a time: a transform of this size stays in the cache."""


@dataclass(frozen=True)
class Figures:
    """What one preset measures; `alike` is -1 where no hour was heard, `at_s` are the two spans' starts."""

    name: str
    lufs: float
    loudest_lufs: float
    start_dbfs: float
    peak_dbtp: float
    times: float
    alike: float = -1.0
    at_s: tuple[float, float] = (0.0, 0.0)


def measured(name: str, seed: int | None, hour: bool) -> Figures:
    """Renders a preset's first ten minutes, and an hour if asked, and measures them."""
    import resonance
    from resonance.analysis.loudness import Meter

    score = resonance.load(name)
    engine = resonance.Engine(score, seed=seed)
    rate_hz = round(engine.rate)
    meter, first = Meter(rate_hz), np.zeros((0, 2), np.float32)
    cpu_s = 0.0
    while engine.frame < min(MEASURED_S * rate_hz, engine.frames):
        began = time.process_time()
        block = engine.render(8192)
        cpu_s += time.process_time() - began
        meter.add(block)
        if len(first) < 0.05 * rate_hz:
            first = np.concatenate((first, block))
    start = math.sqrt(float(np.mean(np.square(first[: round(0.05 * rate_hz)], dtype=np.float64))))
    return Figures(
        name,
        meter.integrated(),
        meter.short_term_max,
        20.0 * math.log10(max(start, 1e-10)),
        meter.true_peak_dbtp,
        engine.frame / rate_hz / cpu_s,
        *(most_alike(lows_of_an_hour(name, seed)) if hour else (-1.0, (0.0, 0.0))),
    )


def lows_of_an_hour(name: str, seed: int | None) -> F32:
    """What most_alike compares: an hour of a preset under 900 Hz, at `LOW_RATE_HZ`."""
    import resonance

    score = resonance.load(name)
    rate_hz = score.rate // 2
    engine, lows, kept = resonance.Engine(score, rate_hz, seed), Lows(rate_hz), []
    while engine.frame < min(HOUR_S * rate_hz, engine.frames):
        kept.append(lows.of(engine.render(8192)))
    return np.concatenate(kept)


class Lows:
    """What lies under 900 Hz, weighed as the ear does, mono, at `LOW_RATE_HZ`; block by block."""

    def __init__(self, rate_hz: int) -> None:
        from scipy.signal import ellip, zpk2sos

        if rate_hz % LOW_RATE_HZ:
            raise ValueError(f"a rate of {rate_hz} Hz is no multiple of {LOW_RATE_HZ} Hz")
        self._every = rate_hz // LOW_RATE_HZ
        self._offset = 0
        self._cut = ellip(10, 0.5, 60.0, 900.0, fs=rate_hz, output="sos")
        self._weigh = zpk2sos(*a_weighting(LOW_RATE_HZ))
        self._states = [np.zeros((len(sos), 2)) for sos in (self._cut, self._weigh)]

    def of(self, block: F32) -> F32:
        """The block's share of it; block is (frames, 2)."""
        from scipy.signal import sosfilt

        mono, self._states[0] = sosfilt(self._cut, block.sum(axis=1), zi=self._states[0])
        low = mono[self._offset :: self._every]
        self._offset = (self._offset - len(mono)) % self._every
        weighed, self._states[1] = sosfilt(self._weigh, low, zi=self._states[1])
        return np.asarray(weighed, np.float32)


def a_weighting(rate_hz: float) -> tuple[F64, F64, float]:
    """The ear's weighting of lows, as zeros, poles and gain. Source: IEC 61672-1, the poles below 1 kHz."""
    from scipy.signal import bilinear_zpk

    corners = 2.0 * np.pi * np.array([20.6, 20.6, 107.7, 737.9])
    zeros, poles, gain = bilinear_zpk(np.zeros(4), -corners, 1.0, rate_hz)
    return zeros, poles, float(gain)


def most_alike(x: F32) -> tuple[float, tuple[float, float]]:
    """The highest correlation of two spans that do not overlap, and where they begin in seconds."""
    from scipy.fft import irfft, next_fast_len, rfft

    span = round(SPAN_S * LOW_RATE_HZ)
    power = moving_power(x, span)
    quiet = power.max() * 10.0 ** (QUIET_DB / 10.0)
    useful = BLOCK - span + 1
    starts = np.arange(0, len(x) - span + 1, useful)
    padded = np.concatenate((x, np.zeros(BLOCK, np.float32)))
    blocks = np.stack([rfft(padded[start : start + BLOCK]) for start in starts])
    size = next_fast_len(BLOCK)
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(x) - 2 * span + 1, span):
        if power[start] < quiet:
            continue
        first = (start + span) // useful
        template = np.conj(rfft(x[start : start + span], size)).astype(np.complex64)
        met = irfft(blocks[first:] * template, size, axis=1)[:, :useful].reshape(-1)
        begins = starts[first]
        there = slice(max(begins, start + span), len(power))
        likeness = np.abs(met[there.start - begins : there.stop - begins])
        likeness /= np.sqrt(power[start] * np.maximum(power[there], quiet))
        best = int(np.argmax(likeness))
        found.append((float(likeness[best]), start, there.start + best))
    best_pairs = sorted(found, reverse=True)[:20]
    slid = [slide(x, power, quiet, pair, span) for pair in best_pairs]
    alike, one, other = max(slid, default=(0.0, 0, 0))
    return alike, (one / LOW_RATE_HZ, other / LOW_RATE_HZ)


def moving_power(x: F32, span: int) -> F64:
    """The sum of squares of the span that begins at each sample."""
    total = np.concatenate(([0.0], np.cumsum(np.square(x, dtype=np.float64))))
    return np.maximum(total[span:] - total[:-span], 1e-20)


def slide(
    x: F32, power: F64, quiet: float, pair: tuple[float, int, int], span: int
) -> tuple[float, int, int]:
    """The best of a pair of spans moved together by up to a span to either side."""
    _, one, other = pair
    low = max(-span, -one)
    high = min(span, len(x) - span - other)
    product = np.float64(x[one + low : one + high + span]) * x[other + low : other + high + span]
    total = np.concatenate(([0.0], np.cumsum(product)))
    met = np.abs(total[span:] - total[:-span])
    here = power[one + low : one + high + 1]
    there = power[other + low : other + high + 1]
    likeness = met / np.sqrt(np.maximum(here, quiet) * np.maximum(there, quiet))
    best = int(np.argmax(likeness))
    return float(likeness[best]), one + low + best, other + low + best


def table(all_figures: list[Figures], markdown: bool) -> str:
    """The figures as text, or as the table of docs/presets.md."""
    lines = []
    heads = ("preset", "LUFS", "loudest 3 s", "first 50 ms", "true peak", "times real time", "most alike")
    if markdown:
        lines += ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    else:
        lines.append(f"{heads[0]:16}" + "".join(f"{head:>17}" for head in heads[1:]))
    for figures in all_figures:
        cells = [
            f"{figures.lufs:.1f}",
            f"{figures.loudest_lufs:.1f}",
            f"{figures.start_dbfs:.0f}",
            f"{figures.peak_dbtp:.1f}",
            f"{figures.times:.1f}",
            f"{figures.alike:.2f}" if figures.alike >= 0.0 else "",
        ]
        if markdown:
            lines.append(f"| `{figures.name}` | " + " | ".join(cells) + " |")
        else:
            where = " at {:.1f} and {:.1f} s".format(*figures.at_s) if figures.alike >= 0.0 else ""
            lines.append(f"{figures.name:16}" + "".join(f"{cell:>17}" for cell in cells) + where)
    return "\n".join(lines)


def main() -> int:
    from resonance.score import preset_names

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets (default: all but the dream)")
    parser.add_argument("--hour", action="store_true", help="render an hour, and look for repetition")
    parser.add_argument("--seed", type=int, help="another seed than the presets' own")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    names = asked.names or [name for name in preset_names() if name != "dream"]
    with concurrent.futures.ProcessPoolExecutor(asked.processes) as pool:
        runs = [pool.submit(measured, name, asked.seed, asked.hour) for name in names]
        all_figures = []
        for run in runs:
            all_figures.append(run.result())
            print(asdict(all_figures[-1]), file=sys.stderr, flush=True)
    print(table(all_figures, asked.markdown))
    off = [f.name for f in all_figures if abs(f.lufs - TARGET_LUFS) > WITHIN_LU]
    alike = [f.name for f in all_figures if f.alike > ALIKE]
    for said, which in (("not within 1 LU of -23 LUFS", off), ("repeat themselves", alike)):
        if which:
            print(f"{said}: {', '.join(which)}", file=sys.stderr)
    return 1 if off or alike else 0


if __name__ == "__main__":
    sys.exit(main())
