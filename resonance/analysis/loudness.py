"""How loud it is, as broadcasters measure it: momentary, short-term, integrated, range and true peak.

The meter hears a stream of any length in constant memory. Source: ITU-R BS.1770-4, 2015 (filter, gating,
true peak); EBU Tech 3341, 2016 (the three times); EBU Tech 3342, 2016 (loudness range).
"""

from __future__ import annotations

import math
from array import array

import numpy as np

from resonance.dsp import F32, F64, kernel

HOP_S = 0.1
"""Gating blocks of 400 ms overlap by three quarters. Source: BS.1770-4, annex 1."""

MOMENTARY_HOPS = 4
SHORT_TERM_HOPS = 30

GATE_LUFS = -70.0
"""What is softer counts as silence. Source: BS.1770-4, annex 1."""

BIN_LU = 0.01
BINS = 9000
"""Loudness from -70 to +20 LUFS in hundredths: what a stream is remembered by."""

CHANNEL_WEIGHTS = {1: (1.0,), 2: (1.0, 1.0), 5: (1.0, 1.0, 1.0, 1.41, 1.41)}
"""Front channels count once, surrounds (left, right, centre, left and right surround) 1.41 times."""

PEAK_TAPS = 24
PEAK_TILE = 64


def k_weighting(rate_hz: float) -> F64:
    """The ear's weighting: a shelf that lifts what the head does, and a high-pass. Rows b0 b1 b2 a1 a2.

    The standard tabulates 48 kHz only; these are the analogue prototypes behind that table, bilinear at any
    rate. Source: De Man 2018, Evaluation of Implementations of the EBU R128 Loudness Measurement.
    """
    slope = math.tan(math.pi * 1681.974450955533 / rate_hz)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    unit = 1.0 + slope / q + slope * slope
    shelf = (
        (high + band * slope / q + slope * slope) / unit,
        2.0 * (slope * slope - high) / unit,
        (high - band * slope / q + slope * slope) / unit,
        2.0 * (slope * slope - 1.0) / unit,
        (1.0 - slope / q + slope * slope) / unit,
    )
    slope = math.tan(math.pi * 38.13547087602444 / rate_hz)
    q = 0.5003270373238773
    unit = 1.0 + slope / q + slope * slope
    high_pass = (
        1.0,
        -2.0,
        1.0,
        2.0 * (slope * slope - 1.0) / unit,
        (1.0 - slope / q + slope * slope) / unit,
    )
    return np.array([shelf, high_pass])


def peak_filter(factor: int) -> F32:
    """The samples between samples: `factor` - 1 phases of a windowed sine cardinal, one a row.

    A Kaiser window of beta 6 holds 24 taps within 0.05 dB up to 0.43 of the rate (20.6 kHz at 48 kHz).
    """
    place = np.arange(PEAK_TAPS) - (PEAK_TAPS / 2 - 1)
    offsets = np.arange(1, factor) / factor
    distance = place[None, :] - offsets[:, None]
    window = np.i0(6.0 * np.sqrt(np.maximum(0.0, 1.0 - (distance / (PEAK_TAPS / 2)) ** 2))) / np.i0(6.0)
    taps = np.sinc(distance) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


@kernel
def weighted_energy(state: F64, coefficients: F64, block: F32, energy: F64) -> None:
    """Adds the K-weighted squares of a block (frames, channels) to `energy`; state (channels, 4)."""
    b0, b1, b2, a1, a2 = coefficients[0]
    c0, c1, c2, d1, d2 = coefficients[1]
    for channel in range(block.shape[1]):
        s0, s1, s2, s3 = state[channel]
        total = 0.0
        for frame in range(block.shape[0]):
            x = np.float64(block[frame, channel])
            y = b0 * x + s0
            s0 = b1 * x - a1 * y + s1
            s1 = b2 * x - a2 * y
            z = c0 * y + s2
            s2 = c1 * y - d1 * z + s3
            s3 = c2 * y - d2 * z
            total += z * z
        # A tail that nobody can hear would slow the arithmetic down as denormals.
        state[channel, 0] = s0 if abs(s0) > 1e-30 else 0.0
        state[channel, 1] = s1 if abs(s1) > 1e-30 else 0.0
        state[channel, 2] = s2 if abs(s2) > 1e-30 else 0.0
        state[channel, 3] = s3 if abs(s3) > 1e-30 else 0.0
        energy[channel] += total


@kernel
def peak_between(peak: float, signal: F32, phases: F32, tile: F32) -> float:
    """The greatest magnitude at and between the samples of `signal`, or `peak` where that is greater.

    The first taps - 1 samples are its past. No sample between others can rise over their maximum by more
    than the filter's absolute sum, so stretches that cannot reach `peak` are passed over.
    """
    taps = phases.shape[1]
    gain = np.float32(0.0)
    for phase in range(phases.shape[0]):
        gain = max(gain, np.abs(phases[phase]).sum())
    highest = np.float32(peak)
    for start in range(0, signal.shape[0] - taps + 1, tile.shape[0]):
        heard = signal[start : start + tile.shape[0] + taps - 1]
        length = heard.shape[0] - taps + 1
        here = np.float32(0.0)
        for i in range(heard.shape[0]):
            here = max(here, abs(heard[i]))
        if here * gain <= highest:
            continue
        for i in range(length):
            highest = max(highest, abs(heard[taps // 2 - 1 + i]))
        for phase in range(phases.shape[0]):
            tile[:] = np.float32(0.0)
            for tap in range(taps):
                weight = phases[phase, tap]
                shifted = heard[tap : tap + length]
                for i in range(length):
                    tile[i] += weight * shifted[i]
            for i in range(length):
                highest = max(highest, abs(tile[i]))
    return np.float64(highest)


class Meter:
    """A loudness meter that is fed block by block.

    All results are in LUFS, LU or dBTP, and -inf where nothing was heard long enough. `momentary` covers the
    last 400 ms and `short_term` the last 3 s, both renewed every 100 ms. With `remembers` the meter keeps its
    readings for pictures (0.3 MB an hour), otherwise its memory is constant. `channels` is 1, 2 or 5.
    """

    def __init__(self, rate_hz: float, channels: int = 2, remembers: bool = False) -> None:
        if channels not in CHANNEL_WEIGHTS:
            raise ValueError(f"a loudness meter has 1, 2 or 5 channels, not {channels}")
        self.momentary = -math.inf
        self.short_term = -math.inf
        self.momentary_max = -math.inf
        self.short_term_max = -math.inf
        self._channels = channels
        self._hop_frames = round(HOP_S * rate_hz)
        self._coefficients = k_weighting(rate_hz)
        self._weights = np.array(CHANNEL_WEIGHTS[channels]) / self._hop_frames
        self._filters = np.zeros((channels, 4))
        self._energy = np.zeros(channels)
        self._filled = 0
        self._hops = np.zeros(SHORT_TERM_HOPS)
        self._hop_count = 0
        self._blocks = _Histogram()
        self._short_terms = _Histogram()
        self._phases = peak_filter(_peak_factor(rate_hz))
        self._past = np.zeros((channels, PEAK_TAPS - 1), np.float32)
        self._tile = np.zeros(PEAK_TILE, np.float32)
        self._peak = 0.0
        self._readings: tuple[array[float], array[float]] | None = (
            (array("f"), array("f")) if remembers else None
        )

    def add(self, block: F32) -> None:
        """Hears float32 audio of shape (frames, channels), of any length."""
        block = np.ascontiguousarray(block, dtype=np.float32)
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"audio has shape {block.shape}: it must be (frames, {self._channels})")
        start = 0
        while start < len(block):
            piece = block[start : start + self._hop_frames - self._filled]
            weighted_energy(self._filters, self._coefficients, piece, self._energy)
            start += len(piece)
            self._filled += len(piece)
            if self._filled == self._hop_frames:
                self._end_hop()
        for channel in range(self._channels):
            signal = np.concatenate([self._past[channel], block[:, channel]])
            self._peak = peak_between(self._peak, signal, self._phases, self._tile)
            self._past[channel] = signal[-(PEAK_TAPS - 1) :]

    def integrated(self) -> float:
        """The loudness of all that was heard, silence and asides left out, in LUFS."""
        floor = self._blocks.mean_lufs()
        return self._blocks.mean_lufs(floor - 10.0)

    def loudness_range(self) -> float:
        """How far soft and loud passages lie apart, in LU; 0 where there was less than 3 s."""
        floor = self._short_terms.mean_lufs() - 20.0
        return self._short_terms.percentile(0.95, floor) - self._short_terms.percentile(0.10, floor)

    @property
    def true_peak_dbtp(self) -> float:
        """The highest peak, also between samples but the last twelve, in dBTP."""
        peak = max(self._peak, float(np.abs(self._past[:, -PEAK_TAPS // 2 :]).max()))
        return 20.0 * math.log10(peak) if peak > 0.0 else -math.inf

    def curve(self, step_s: float = 1.0) -> tuple[F64, F32, F32]:
        """What it read over time: times in s, momentary and short-term in LUFS. It must remember."""
        if self._readings is None:
            raise ValueError("this meter keeps no readings: build it with remembers=True")
        stride = max(1, round(step_s / HOP_S))
        momentary, short_term = (np.array(kept, np.float32)[stride - 1 :: stride] for kept in self._readings)
        times_s = np.arange(1.0, len(momentary) + 1.0) * (stride * HOP_S)
        return times_s, momentary, short_term

    def _end_hop(self) -> None:
        self._hops[self._hop_count % SHORT_TERM_HOPS] = float(self._energy @ self._weights)
        self._energy[:] = 0.0
        self._filled = 0
        self._hop_count += 1
        if self._hop_count >= MOMENTARY_HOPS:
            latest = np.arange(self._hop_count - MOMENTARY_HOPS, self._hop_count) % SHORT_TERM_HOPS
            power = float(self._hops[latest].mean())
            self.momentary = lufs(power)
            self.momentary_max = max(self.momentary_max, self.momentary)
            self._blocks.add(self.momentary, power)
        if self._hop_count >= SHORT_TERM_HOPS:
            power = float(self._hops.mean())
            self.short_term = lufs(power)
            self.short_term_max = max(self.short_term_max, self.short_term)
            self._short_terms.add(self.short_term, power)
        if self._readings is not None:
            self._readings[0].append(self.momentary)
            self._readings[1].append(self.short_term)


class _Histogram:
    """How often each loudness was read, and the power of those readings, which keeps means exact."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._powers = np.zeros(BINS)

    def add(self, loudness: float, power: float) -> None:
        if loudness >= GATE_LUFS:
            place = min(int((loudness - GATE_LUFS) / BIN_LU), BINS - 1)
            self._counts[place] += 1
            self._powers[place] += power

    def mean_lufs(self, floor: float = GATE_LUFS) -> float:
        """The loudness of the mean power of all readings from `floor` up."""
        first = self._first(floor)
        count = int(self._counts[first:].sum())
        return lufs(float(self._powers[first:].sum()) / count) if count else -math.inf

    def percentile(self, share: float, floor: float) -> float:
        """The reading that `share` of those from `floor` up do not exceed; 0 where there is none."""
        counts = self._counts[self._first(floor) :]
        total = int(counts.sum())
        if total == 0:
            return 0.0
        rank = round((total - 1) * share) + 1
        return (len(self._counts) - len(counts) + int(np.searchsorted(np.cumsum(counts), rank))) * BIN_LU

    @staticmethod
    def _first(floor: float) -> int:
        return max(0, math.ceil((floor - GATE_LUFS) / BIN_LU)) if floor > GATE_LUFS else 0


def lufs(power: float) -> float:
    """The loudness of a K-weighted power. -0.691 makes 997 Hz at full scale read -3.01. Source: BS.1770-4."""
    return -0.691 + 10.0 * math.log10(power) if power > 0.0 else -math.inf


def _peak_factor(rate_hz: float) -> int:
    """How often to oversample for 192 kHz at least. Source: BS.1770-4, annex 2."""
    return max(2, math.ceil(192_000 / rate_hz))
