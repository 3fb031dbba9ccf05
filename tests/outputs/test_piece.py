"""How much the piece renders at once: up to what it plays ahead, and where it is busy, on the hands' grid."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from resonance.engine.commands import Command, NoteOn, Set
from resonance.outputs.speakers.moments import Moments
from resonance.outputs.speakers.piece import (
    Asked,
    Piece,
    Sound,
    hand_frame,
    least_frames,
    next_frames,
    within_ring,
)
from resonance.outputs.speakers.ring import RING_FRAMES, Ring


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


STILL = """format = 1
[[scene]]
name = "one"
length = 60
sounds = [{sounds}]
"""


def test_a_score_that_is_saved_again_knows_what_hands_did_meanwhile(tmp_path: Path) -> None:
    score = tmp_path / "a.toml"
    score.write_text(STILL.format(sounds='"drone", "crystals"'))
    pipe = os.pipe()
    sound = Sound(Piece(str(score), cushion_frames=1024), Ring(), Asked(pipe[0]))
    sound._render(4096)
    sound._do(None, Set("tension", 0.2))
    sound._do(None, Set("drone.glow", 0.9))
    score.write_text(STILL.format(sounds='"crystals"'))
    before = sound._performance
    sound._answer("follow", str(score))
    sound._do(None, Set("tension", 0.7))
    sound._take_over(*sound._coming.get(timeout=60.0))
    assert sound._performance is not before
    assert sound._performance.score.sounds.keys() == {"crystals"}
    sound._render(4096)
    assert sound._performance.view().tension == pytest.approx(0.7, abs=0.02)
    assert sound._following == 0
    score.write_text("nonsense")
    sound._answer("follow", str(score))
    after = sound._performance
    sound._take_over(*sound._coming.get(timeout=60.0))
    assert sound._performance is after
    os.close(pipe[1])


def test_where_there_is_hardly_time_it_plays_twice_as_far_ahead_for_a_while(tmp_path: Path) -> None:
    score = tmp_path / "a.toml"
    score.write_text(STILL.format(sounds='"drone"'))
    pipe = os.pipe()
    sound = Sound(Piece(str(score), cushion_frames=1024), Ring(), Asked(pipe[0]))
    reaches = []
    for busy, seconds in (
        (0.1, 0.1),
        (0.69, 0.1),
        (0.71, 0.1),
        (0.6, 3),
        (0.49, 1.8),
        (0.1, 0.3),
        (0.1, 0.1),
    ):
        for _ in range(round(seconds * 100)):
            sound._performance.render(480)
            sound._busy = busy
            sound._mind_flood(480)
        reaches.append(sound._reach)
    assert reaches[:5] == [1024, 1024, 2048, 2048, 2048]
    assert 1024 < reaches[5] < 2048
    assert reaches[6] == 1024
    os.close(pipe[1])


def test_a_long_cushion_leaves_room_in_the_ring() -> None:
    assert within_ring(192_000) + 4096 <= RING_FRAMES
    assert within_ring(16_384) == 16_384


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
