"""What the sound card is given: the ring's samples, and soft edges wherever they begin or break off."""

import ctypes

import numpy as np
import pytest

from resonance.outputs.speakers.callback import compiled
from resonance.outputs.speakers.ring import RING_FRAMES, Header, Ring, Slot, prepared

RATE_HZ = 48_000.0
MINUS_30_DB = 10.0 ** (-30.0 / 20.0)


class Card:
    """Calls the compiled callback as PortAudio does."""

    def __init__(self, level: float = 1.0, refill: int = 1024) -> None:
        self.ring = Ring()
        self.slot, self.levels = self.ring.slots[0], self.ring.levels[0]
        self.slot[Slot.DATA] = self.ring.data.ctypes.data
        self.slot[Slot.HEADER] = self.ring.header.ctypes.data
        self.ring.header[Header.REFILL] = refill
        prepared(self.slot, self.levels, RATE_HZ, level)
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p,
            ctypes.c_uint64, ctypes.c_void_p,
        )  # fmt: skip
        self._compiled = compiled()
        self._call = kind(self._compiled.address)

    def take(self, frames: int, flags: int = 0) -> np.ndarray:
        out = np.full((frames, 2), 9.0, np.float32)
        assert self._call(None, out.ctypes.data, frames, None, flags, self.slot.ctypes.data) == 0
        return out

    def playing(self, audio: np.ndarray) -> None:
        """Lets it rise and come to rest at full level, ready to take `audio` next."""
        self.ring.write(np.full((30_000, 2), 0.5, np.float32))
        self.slot[Slot.PLAY] = 1
        for _ in range(30_000 // 250):
            self.take(250)
        self.ring.write(audio)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (6000, 2)).astype(np.float32)


def test_what_is_written_comes_out_to_the_bit(noise: np.ndarray) -> None:
    card = Card()
    card.playing(noise)
    blocks = [card.take(frames) for frames in (1, 255, 256, 1488, 4000)]
    assert np.array_equal(np.concatenate(blocks), noise)
    assert card.ring.ready == 0
    assert card.slot[Slot.STARVED] == 0
    assert card.slot[Slot.FRAMES] == 36_000


def test_the_ring_wraps_unheard(noise: np.ndarray) -> None:
    card = Card()
    card.playing(noise[:0])
    for _ in range(2 * RING_FRAMES // len(noise) + 1):
        card.ring.write(noise)
        assert np.array_equal(card.take(len(noise)), noise)


@pytest.mark.parametrize("how", ["start", "pause"])
def test_nothing_begins_louder_than_30_db_below_full_in_50_ms(how: str) -> None:
    card = Card()
    loud = np.ones((60_000, 2), np.float32)
    if how == "start":
        card.slot[Slot.PLAY] = 1
        card.ring.write(loud)
    else:
        card.playing(loud)
        card.slot[Slot.PLAY] = 0
        assert np.abs(card.take(4800)[-1]).max() == 0.0
        card.slot[Slot.PLAY] = 1
    begin = card.take(48_000)
    assert np.abs(begin[: int(0.05 * RATE_HZ)]).max() < MINUS_30_DB
    assert begin[-1, 0] == 1.0
    assert np.abs(np.diff(begin[:, 0])).max() < 0.001


def test_a_pause_takes_nothing_and_goes_on_where_it_was(noise: np.ndarray) -> None:
    card = Card()
    card.playing(noise)
    card.slot[Slot.PLAY] = 0
    card.take(2500)
    left = card.ring.ready
    assert not card.take(5000).any()
    assert card.ring.ready == left
    card.slot[Slot.PLAY] = 1
    out = card.take(1000)
    assert np.abs(out).max() > 0.0
    assert card.ring.ready == left - 1000


def test_an_empty_ring_is_a_short_fade_and_is_counted(noise: np.ndarray) -> None:
    card = Card(refill=512)
    card.playing(np.ones((300, 2), np.float32))
    out = card.take(1000)
    assert card.slot[Slot.STARVED] == 1
    assert np.array_equal(out[:172], np.ones((172, 2), np.float32))
    assert np.abs(np.diff(out[:, 0])).max() < 0.01
    assert not out[300:].any()
    card.ring.write(np.ones((500, 2), np.float32))
    assert not card.take(256).any(), "too little lies ready"
    card.ring.write(np.ones((4000, 2), np.float32))
    out = card.take(2000)
    assert out[-1, 0] == 1.0, "a short gap is closed soon"
    assert np.abs(np.diff(out[:, 0])).max() < 0.005


def test_a_long_gap_ends_softly() -> None:
    card = Card()
    card.playing(np.zeros((0, 2), np.float32))
    for _ in range(100):
        card.take(256)
    card.ring.write(np.ones((10_000, 2), np.float32))
    assert np.abs(card.take(2400)).max() < MINUS_30_DB
    assert card.slot[Slot.STARVED] == 1


def test_the_level_glides() -> None:
    card = Card()
    card.playing(np.ones((30_000, 2), np.float32))
    card.levels[Slot.WANTED] = 0.25
    out = card.take(30_000)[:, 0]
    assert out[-1] == 0.25
    assert np.abs(np.diff(out)).max() < 0.001


def test_late_calls_are_counted() -> None:
    card = Card()
    card.take(64)
    card.take(64, flags=4)
    assert (card.slot[Slot.CALLS], card.slot[Slot.UNDERFLOWS]) == (2, 1)
