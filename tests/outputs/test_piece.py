"""How much the piece renders at once: up to what it plays ahead, and where it is busy, on the hands' grid."""

from __future__ import annotations

import numpy as np
import pytest

from resonance.engine.commands import Command, NoteOn
from resonance.outputs.speakers.moments import Moments
from resonance.outputs.speakers.piece import hand_frame, least_frames, next_frames


@pytest.mark.parametrize("cushion", [512, 1024, 2048, 16_384])
def test_who_is_busy_renders_from_border_to_border_and_never_past_what_is_played_ahead(cushion: int) -> None:
    for at in range(0, 1024, 64):
        for ready in range(0, cushion, 64):
            frames = next_frames(cushion, ready, at)
            assert frames % 64 == 0
            assert ready + frames <= cushion
            if cushion == 512:
                assert frames == next_frames(cushion, ready), "it has no time to wait for a border"
            elif frames:
                assert (at + frames) % 256 == 0
            else:
                assert cushion - ready < max(least_frames(cushion), 256)


def test_a_note_does_not_wait_for_the_device() -> None:
    assert next_frames(1024, 1024) == 0
    assert next_frames(1024, 1000, None, 130) == 192
    assert next_frames(1024, 890, None, 130) == 192
    assert next_frames(1024, 890, None, 1) == 128
    assert next_frames(1024, 1024, None, 0) == next_frames(1024, 1024, None, -500) == 0
    assert next_frames(1024, 1024, None, 2000) == 0, "what lies so far ahead has time"
    assert next_frames(1024, 1024, 0, 130) == 0, "who is busy keeps to the hands' grid"


class Rendered:
    """What a performance has come to: of its notes only their places matter here."""

    rate, rounding_frames, delay_frames = 48_000.0, 63, 127

    def __init__(self) -> None:
        self.frame = 0

    def first_open(self, _: Command) -> int:
        return max(0, self.frame - self.rounding_frames)


@pytest.mark.parametrize("cushion", [512, 1024, 4096])
@pytest.mark.parametrize("apart_s", [0.0003, 0.001, 0.002, 0.005])
def test_keys_that_follow_closely_are_not_driven_apart(cushion: int, apart_s: float) -> None:
    """A run of keys, with a device that takes 128 frames at a time: each as late as it would be alone."""
    performance, moments, taken, awaited = Rendered(), Moments(48_000.0), 0, 0
    notes, later, fullest = [3.0 + apart_s * k for k in range(40)], [], 0
    for now_s in np.arange(0.0, 3.3, 0.0002):
        taken = max(0, int(now_s * 375.0) * 128 - cushion)
        moments.saw(now_s, taken)
        while notes and notes[0] <= now_s:
            frame = hand_frame(performance, moments, NoteOn(60, 0.5), notes[0], cushion)
            awaited = frame + performance.delay_frames + 1
            later.append(frame - 48_000.0 * notes.pop(0))
        ready = performance.frame - taken
        performance.frame += next_frames(cushion, ready, None, awaited - performance.frame)
        fullest = max(fullest, performance.frame - taken)
    assert np.ptp(later) < 128
    assert fullest <= cushion + 3 * least_frames(cushion)
