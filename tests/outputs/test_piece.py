"""How much the piece renders at once: up to what it plays ahead, and where it is busy, on the hands' grid."""

from __future__ import annotations

import pytest

from resonance.outputs.speakers.piece import least_frames, next_frames


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
