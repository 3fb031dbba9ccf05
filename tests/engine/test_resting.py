"""The clock: what is known of a control for a while is what the score draws."""

import numpy as np
import pytest

from resonance.engine.clock import RIDE_STEPS, Clock
from resonance.score import Timeline, load

RATE_HZ = 48_000.0


def dream_clock() -> Clock:
    clock = Clock(Timeline(load("dream"), 60.0), RATE_HZ, 1)
    for sound in clock.timeline.score.sounds:
        clock.track(f"{sound}.presence", clock.timeline.presence(sound))
        clock.track(f"{sound}.gain_db", clock.timeline.field(sound, "gain_db"))
    return clock


@pytest.mark.parametrize("spans", [[256], [1, 3, 100, 7]])
def test_a_control_is_what_the_score_draws_however_it_is_asked(spans: list[int]) -> None:
    clock, drawn = dream_clock(), dream_clock()._tracks
    turn = rested = asked = 0
    while clock.time_s < 60.0:
        steps = spans[turn % len(spans)]
        times_s = clock.course.times_s(np.arange(clock.step, clock.step + steps + 1.0))
        for name in clock.names:
            assert np.array_equal(clock.values(name, steps), drawn[name](times_s))
            rested += clock.resting(name, steps) is not None
            asked += 1
        clock.step += steps
        turn += 1
    assert rested > 0.5 * asked, "most controls rest, most of the time"


def test_a_hand_is_felt_at_once_and_let_go_of_softly() -> None:
    clock = dream_clock()
    clock.step = 1000
    assert clock.resting("drone.presence", 2) == 1.0
    clock.ride("drone.presence", 0.25)
    assert clock.resting("drone.presence", 2) is None
    assert clock.values("drone.presence", 2)[1] == pytest.approx(1.0 - 0.75 / RIDE_STEPS)
    clock.step += RIDE_STEPS
    assert clock.resting("drone.presence", 256) == 0.25
    clock.let_go("drone.presence")
    assert clock.values("drone.presence", RIDE_STEPS).tolist()[::RIDE_STEPS] == [0.25, 1.0]
    clock.step += RIDE_STEPS
    assert clock.resting("drone.presence", 2) == 1.0
