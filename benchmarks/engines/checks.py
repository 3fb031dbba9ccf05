"""Whether an engine did the work it was asked for, and how well.

`quality` judges a probe, `did` a full run; both take float64 audio of shape (frames, 2) at 48 kHz.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import butter, correlate, sosfiltfilt

from engines import work

RATE_HZ = work.RATE_HZ
PROBE_S = {"W7": 30.0}
"""How long a probe lasts; 6 s where nothing is said."""


def _spectrum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and powers, under a window whose side lobes lie far below float32."""
    power = np.abs(np.fft.rfft(x * np.kaiser(len(x), 22.0))) ** 2
    return np.fft.rfftfreq(len(x), 1.0 / RATE_HZ), power


def _db(ratio: float) -> float:
    return 10.0 * math.log10(max(ratio, 1e-30))


def _beside(hz: np.ndarray, power: np.ndarray, tones_hz: np.ndarray, width_hz: float) -> float:
    """What lies between 20 Hz and 20 kHz outside the tones, against all, in decibels."""
    heard = (hz > 20.0) & (hz < 20_000.0)
    beside = heard.copy()
    for tone_hz in tones_hz:
        beside &= np.abs(hz - tone_hz) > width_hz
    return _db(power[beside].sum() / power[heard].sum())


def _saws(x: np.ndarray) -> tuple[float, str]:
    hz, power = _spectrum(x[RATE_HZ : 5 * RATE_HZ, 0])
    first_hz = float(work.saws(True).hz[0])
    alias_db = _beside(hz, power, first_hz * np.arange(0, 12), 4.0)
    first, sixth = (power[np.abs(hz - n * first_hz) < 4.0].sum() for n in (1, 6))
    return alias_db, f"alias {alias_db:.0f} dB, sixth harmonic {_db(36.0 * sixth / first):+.1f} dB"


def _partials(x: np.ndarray) -> tuple[float, str]:
    hz, power = _spectrum(x[RATE_HZ : 5 * RATE_HZ, 0])
    noise_db = _beside(hz, power, work.partials(True).hz[:1], 8.0)
    return noise_db, f"THD+N {noise_db:.0f} dB"


def _modes(x: np.ndarray) -> tuple[float, str]:
    asked = work.modes(True)
    begin = int(np.abs(x[:, 0]).argmax()) + RATE_HZ // 100
    n = np.arange(2 * RATE_HZ)
    heard = x[begin : begin + len(n), 0]
    spiral = np.exp((2j * np.pi * asked.hz[0] - 3.0 * math.log(10.0) / asked.t60_s[0]) * n / RATE_HZ)
    model = np.stack([spiral.real, spiral.imag], axis=1)
    rest = heard - model @ np.linalg.lstsq(model, heard, rcond=None)[0]
    strays_db = _db(float(np.sum(rest**2) / np.sum(heard**2)))
    turned = heard * np.exp(-2j * np.pi * asked.hz[0] * n / RATE_HZ)
    blocks = np.abs(turned[: len(n) // 4800 * 4800].reshape(-1, 4800).mean(axis=1))
    slope = np.polyfit(np.arange(len(blocks)) * 0.1, np.log10(blocks), 1)[0]
    error = 100.0 * (-3.0 / slope / asked.t60_s[0] - 1.0)
    return abs(error), f"T60 {error:+.2f} %, strays {strays_db:.0f} dB"


def _grains(x: np.ndarray) -> tuple[float, str]:
    hz, power = _spectrum(x[RATE_HZ : 5 * RATE_HZ, 0])
    noise_db = _beside(hz, power, np.array([work.PROBE_TONE_HZ * work.PROBE_RATIO]), 300.0)
    return noise_db, f"THD+N {noise_db:.0f} dB"


def _space(x: np.ndarray) -> tuple[float, str]:
    band = sosfiltfilt(butter(3, [500.0, 2000.0], "band", fs=RATE_HZ, output="sos"), x, axis=0)
    energy = np.sum(band**2, axis=1)[::-1].cumsum()[::-1][RATE_HZ // 4 :]
    level_db = 10.0 * np.log10(energy / energy[0] + 1e-12)
    first, last = int(np.argmax(level_db < -3.0)), int(np.argmax(level_db < -18.0))
    slope = np.polyfit(np.arange(first, last) / RATE_HZ, level_db[first:last], 1)[0]
    # Echo density: how many samples lie outside a standard deviation, against Gaussian noise, 250 ms on.
    part = x[RATE_HZ // 4 : RATE_HZ // 4 + 2048, 0]
    density = float(np.mean(np.abs(part) > part.std())) / math.erfc(1.0 / math.sqrt(2.0))
    likeness = float(np.corrcoef(x[RATE_HZ // 4 : RATE_HZ].T)[0, 1])
    t60_s = -60.0 / slope
    return density, f"T60 {t60_s:.1f} s, echo density {density:.2f}, left and right alike {likeness:+.2f}"


def _convolution(x: np.ndarray, response: np.ndarray) -> tuple[float, str]:
    own = response[:RATE_HZ, 0]
    late = int(np.abs(correlate(x[: 2 * RATE_HZ, 0], own, "valid")).argmax())
    heard = x[late:, 0][: len(response)]
    model = response[: len(heard), 0]
    gain = heard @ model / (model @ model)
    error_db = _db(float(np.sum((heard - gain * model) ** 2) / np.sum((gain * model) ** 2)))
    return error_db, f"{late} frames late, error {error_db:.0f} dB"


def _winds(x: np.ndarray) -> tuple[float, str]:
    asked = work.winds(True)
    frames = 1 << 13
    blocks = x[: len(x) // frames * frames, 0].reshape(-1, frames) * np.hanning(frames)
    power = np.mean(np.abs(np.fft.rfft(blocks)) ** 2, axis=0)
    hz = np.fft.rfftfreq(frames, 1.0 / RATE_HZ)
    ratio = hz[1:] / asked.hz[0]
    ideal = np.concatenate(([0.0], 1.0 / hz[1:] / (1.0 + asked.q**2 * (ratio - 1.0 / ratio) ** 2)))
    bands_hz = asked.hz[0] * 2.0 ** np.arange(-2.0, 2.01, 1.0 / 3.0)
    within = [(hz >= band / 2 ** (1 / 6)) & (hz < band * 2 ** (1 / 6)) for band in bands_hz]
    off_db = np.array([_db(power[band].sum() / ideal[band].sum()) for band in within])
    worst_db = float(np.abs(off_db - np.median(off_db)).max())
    return worst_db, f"bands off by {worst_db:.1f} dB"


def quality(name: str, x: np.ndarray, response: np.ndarray) -> tuple[float, str]:
    """A figure of merit and how to say it. W8 has no probe of its own."""
    if name == "W6":
        return _convolution(x, response)
    judge = {"W1": _saws, "W2": _partials, "W3": _modes, "W4": _grains, "W5": _space, "W7": _winds}
    return judge[name](x)


def good_enough(name: str, merit: float) -> bool:
    """Whether it is the same work: band-limited, a sine, in tune, the response, the band asked for."""
    return {
        "W1": merit < -50.0,
        "W2": merit < -80.0,
        "W3": merit < 5.0,
        "W6": merit < -90.0,
        "W7": merit < 3.0,
    }.get(name, True)


def _standing_out(x: np.ndarray, tones_hz: np.ndarray, apart_hz: float, least_db: float) -> int:
    """How many tones are louder than what lies half way to their neighbours; odd ones are right."""
    sides = [_spectrum(side) for side in x.T]
    bin_hz = RATE_HZ / len(x)

    def mean(power: np.ndarray, centre_hz: float) -> float:
        first, last = ((centre_hz + way * 0.2 * apart_hz) / bin_hz for way in (-1.0, 1.0))
        return float(power[round(first) : round(last) + 1].mean())

    found = 0
    for i, tone_hz in enumerate(tones_hz):
        # Only every second tone is on this side: the next is two places off.
        power = sides[i % 2][1]
        beside = 0.5 * (mean(power, tone_hz - apart_hz) + mean(power, tone_hz + apart_hz))
        found += bool(_db(mean(power, tone_hz) / (beside + 1e-30)) > least_db)
    return found


def _voices(power: float, own: float) -> float:
    return power / own if own > 0.0 else 0.0


def did(name: str, x: np.ndarray, probe: np.ndarray | None) -> tuple[bool, str]:
    """Whether a full run holds what was asked for, and what was found."""
    settled = x[2 * RATE_HZ :]
    sides = settled.std(axis=0)
    if not np.isfinite(x).all() or sides.min() < 1e-5:
        return False, "silent"
    power = float(np.mean(settled**2, axis=0).sum())
    if name == "W1":
        assert probe is not None
        own = float(np.mean(probe[RATE_HZ:] ** 2, axis=0).sum())
        found = _voices(power / work.saws(False).level ** 2, own / work.saws(True).level ** 2)
        # A probe's saw is higher than most, and with some engines duller for it.
        return 45.0 < found < 130.0, f"{found:.0f} saws by power"
    if name == "W2":
        count = _standing_out(settled, work.partials(False).hz, 12.0, 20.0)
        return count >= 990, f"{count} partials"
    if name == "W3":
        count = _standing_out(settled, work.modes(False).hz, 18.0, 6.0)
        return count >= 490, f"{count} modes"
    if name == "W4":
        grains = work.grains(False)
        found = power / (work.SOURCE_RMS**2 * 0.375 * grains.level**2)
        return 100.0 < found < 230.0, f"{found:.0f} grains at once by power"
    if name in ("W5", "W6"):
        return True, f"{_db(power):.0f} dB"
    if name == "W7":
        hz, spectrum = _spectrum(settled[:, 0])
        inside = spectrum[(hz > 200.0) & (hz < 4000.0)].mean()
        outside = spectrum[(hz > 20.0) & (hz < 60.0)].mean()
        return inside > outside, f"{_db(inside / outside):.0f} dB over what lies below"
    peak = float(np.abs(x).max())
    modes = _standing_out(settled, work.modes(False, work.SCENE_MODES).hz, 50.0, 3.0)
    lows = sosfiltfilt(butter(2, [42.0, 66.0], "band", fs=RATE_HZ, output="sos"), settled.sum(axis=1))
    beats = np.abs(lows[: len(lows) // RATE_HZ * RATE_HZ]).reshape(-1, 20, RATE_HZ // 20).max(axis=(0, 2))
    heart = beats[0] + beats[1] > 2.0 * (beats[17] + beats[18])
    good = modes >= 90 and heart and peak < 1.05 * work.CEILING
    return good, f"{modes} modes, {'a' if heart else 'no'} heart, peak {peak:.2f}"
