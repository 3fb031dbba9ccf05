"""A hand that plays evenly is heard evenly, though the device takes its frames in handfuls."""

import numpy as np

from resonance.outputs.speakers.moments import Moments

RATE = 48_000.0


def heard(period: int, jitter_s: float, gap: int = 0) -> np.ndarray:
    """How many frames later than its moment each of an even stream of notes is placed."""
    chance = np.random.default_rng(1)
    moments, later, note_s, cushion = Moments(RATE), [], 0.5, 1024
    for now_s in np.arange(0.0, 6.0, 0.0013):
        lost = gap if now_s > 2.0 else 0
        taken = int((now_s * RATE - lost) // period * period)
        moments.saw(float(now_s), taken)
        if now_s >= note_s:
            # The word of it comes some time after it happened.
            came_s = now_s - chance.uniform(0.0, jitter_s)
            frame = moments.frame(came_s, cushion + 192, taken + cushion)
            later.append(frame - (came_s * RATE - lost))
            note_s += 0.0317
    return np.array(later)


def test_the_delay_is_the_same_for_all() -> None:
    for period in (64, 128, 256):
        later = heard(period, 0.0015)
        assert np.ptp(later[20:]) < 0.001 * RATE, period


def test_after_a_gap_it_finds_the_line_again() -> None:
    later = heard(128, 0.001, gap=4800)
    assert np.ptp(later[-40:]) < 0.001 * RATE
    assert later.max() < 0.2 * RATE


def test_nothing_is_placed_in_the_past_nor_overtakes() -> None:
    moments = Moments(RATE)
    assert moments.frame(100.0, 1000, 500) == 500  # no device yet
    moments.saw(10.0, 480_000)
    assert moments.frame(10.0, 1000, 480_500) == 481_000
    assert moments.frame(9.0, 1000, 480_500) == 481_000
    assert moments.frame(99.0, 1000, 480_500) == 482_500
