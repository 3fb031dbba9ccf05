"""A clock from outside leads the heart: through jitter, through new tempi, and into silence."""

import numpy as np
import pytest

from resonance.engine.commands import LetGo, Pulse
from resonance.inputs.clock import TICKS, ClockOut, Follower, Taps
from resonance.inputs.midi import CLOCK, CONTINUE, POSITION, START, STOP


def ticks(*stretches: tuple[float, int]) -> np.ndarray:
    """The true times of a clock's ticks: so many beats at so many a minute, one after the other."""
    gaps = np.concatenate([np.full(TICKS * beats, 60.0 / bpm / TICKS) for bpm, beats in stretches])
    return np.concatenate(([0.0], np.cumsum(gaps)[:-1]))


def late(times: np.ndarray, seed: int, spread_s: float = 0.005) -> np.ndarray:
    """As they come: each early or late by itself, and never overtaking one another."""
    return np.maximum.accumulate(times + np.random.default_rng(seed).normal(0.0, spread_s, len(times)))


def beaten(times: np.ndarray) -> np.ndarray:
    """When a heart beats that is led by these ticks, as the engine's does."""
    follower, beats = Follower(), []
    next_s, beat_s, last_s = np.inf, 1.0, -np.inf
    for time_s in times:
        while next_s <= time_s:
            beats.append(next_s)
            last_s, next_s = next_s, next_s + beat_s
        for command in follower.play(float(time_s), bytes((CLOCK,))):
            assert isinstance(command, Pulse)
            next_s, beat_s = time_s + command.in_s, command.interval_s
            while next_s - last_s < 0.5 * beat_s:
                next_s += beat_s
    return np.array(beats)


@pytest.mark.parametrize("seed", range(8))
def test_beats_stay_on_the_grid_through_jitter(seed: int) -> None:
    beats = beaten(late(ticks((60.0, 60)), seed))[4:]
    off_s = beats - np.round(beats)
    assert len(beats) > 50
    assert np.sqrt(np.mean(off_s**2)) < 0.003


@pytest.mark.parametrize("seed", range(8))
def test_a_new_tempo_is_reached_within_two_beats_without_a_lurch(seed: int) -> None:
    true = ticks((60.0, 16), (72.0, 12))
    beats = beaten(late(true, seed, 0.0 if seed == 0 else 0.005))
    grid = true[::TICKS]
    off_s = np.array([min(beat - grid, key=abs) for beat in beats])
    assert np.abs(off_s[beats > 18.0]).max() < 0.008
    gaps = np.diff(beats[4:])
    # Never quicker than the new tempo by more than a hair, never slower than the old.
    assert gaps.min() > 0.95 * 60 / 72
    assert gaps.max() < 1.02  # no beat is left out


def test_ticks_that_get_lost_do_not_shift_the_beat() -> None:
    times = np.delete(late(ticks((90.0, 40)), 1, 0.001), [500, 501, 700])
    beats = beaten(times)
    off_s = beats / (60 / 90) - np.round(beats / (60 / 90))
    assert np.abs(off_s[-10:]).max() < 0.02


def test_the_beat_is_where_start_and_song_position_say() -> None:
    follower = Follower()
    times = ticks((120.0, 8))
    for time_s in times[:31]:
        follower.play(float(time_s), bytes((CLOCK,)))
    # Seven ticks past a beat it starts: the next tick is the first beat.
    follower.play(float(times[31]) - 0.001, bytes((START,)))
    told = [(t, c) for t in times[31:80] for c in follower.play(float(t), bytes((CLOCK,)))]
    firsts = {round(t + c.in_s - times[31], 3) % 0.5 for t, c in told}
    assert firsts <= {0.0, 0.5}
    # Stopped, set to one sixteenth before a beat, and continued: a beat six ticks on.
    assert follower.play(float(times[80]), bytes((STOP,))) == [LetGo("pulse")]
    assert not follower.play(float(times[80]), bytes((CLOCK,)))
    follower.play(float(times[80]), bytes((POSITION, 3, 0)))
    follower.play(float(times[80]), bytes((CONTINUE,)))
    told = [(t, c) for t in times[81:120] for c in follower.play(float(t), bytes((CLOCK,)))]
    assert {round((t + c.in_s - times[87]) % 0.5, 3) for t, c in told} <= {0.0, 0.5}


def test_a_clock_that_falls_silent_lets_the_heart_go_once() -> None:
    follower = Follower()
    times = ticks((60.0, 4))
    for time_s in times:
        follower.play(float(time_s), bytes((CLOCK,)))
    assert follower.bpm == pytest.approx(60.0)
    assert follower.rest(times[-1] + 0.1) == []
    assert follower.rest(times[-1] + 0.4) == [LetGo("pulse")]
    assert follower.rest(times[-1] + 0.5) == []
    assert follower.bpm is None


def test_a_clock_beyond_any_heart_is_not_followed() -> None:
    for bpm in (10.0, 400.0):
        follower = Follower()
        assert not [c for t in ticks((bpm, 6)) for c in follower.play(float(t), bytes((CLOCK,)))]


def test_times_that_stand_still_or_go_back_do_no_harm() -> None:
    follower = Follower()
    for time_s in (0.0, 0.0, 0.0, -1.0, 5.0, 5.0, 4.0, *[6.0] * 60, 7.0, -900.0, *[-899.9] * 60):
        for command in follower.play(time_s, bytes((CLOCK,))):
            assert isinstance(command, Pulse)


def test_taps_make_a_tempo() -> None:
    taps = Taps()
    assert taps.tap(10.0) == []
    assert taps.tap(10.5) == [Pulse(0.5, 0.5), LetGo("pulse")]
    taps.tap(11.0)
    # One tap that is late moves the tempo little.
    command = taps.tap(11.6)[0]
    assert isinstance(command, Pulse)
    assert command.interval_s == pytest.approx(0.5)
    assert taps.tap(20.0) == []  # long after, it is a first tap again
    assert taps.tap(20.05) == []  # too fast for a heart


def test_the_heart_is_a_clock_for_others() -> None:
    clock, ahead_s = ClockOut(), 0.15
    assert list(clock.due(5.0)) == []
    beats = np.cumsum([1.0, 1.03, 0.98, 1.05, 0.95, 0.9, 0.85, 0.8, 0.8, 0.8])
    sent: list[tuple[float, bytes]] = []
    told_s = 0.0
    for now_s in np.arange(0.0, beats[-2], 0.001):
        if now_s >= told_s:
            told_s += 0.1
            # What plays is ahead of what is heard: the beat after the next is known in time.
            place = int(np.searchsorted(beats, now_s + ahead_s, "right"))
            clock.follow(float(beats[place]), float(beats[place] - beats[max(place - 1, 0)]))
        sent += [(float(now_s), message) for message in clock.due(float(now_s))]
    assert sent[0][1] == bytes((START,))
    ticks_s = np.array([at for at, message in sent if message == bytes((CLOCK,))])
    # Every beat has its tick, and the ticks between two lie evenly.
    for number, beat in enumerate(beats[:-2]):
        assert ticks_s[TICKS * number] == pytest.approx(beat, abs=0.002)
        gaps = np.diff(ticks_s[TICKS * number : TICKS * (number + 1)])
        assert np.ptp(gaps) <= 0.003


def test_a_beat_that_is_moved_before_it_is_heard_is_one_beat() -> None:
    clock = ClockOut()
    for next_s in (1.0, 1.02, 0.98):
        clock.follow(next_s, 1.0)
    clock.follow(2.0, 1.0)
    told = [message for now_s in np.arange(0.9, 1.97, 0.001) for message in clock.due(float(now_s))]
    assert told == [bytes((START,)), *[bytes((CLOCK,))] * TICKS]


def test_a_clock_that_is_late_sends_a_beat_at_a_time() -> None:
    clock = ClockOut()
    for next_s in (1.0, 2.0, 3.0, 4.0):
        clock.follow(next_s, 1.0)
    assert len(list(clock.due(3.9))) == 1 + TICKS
