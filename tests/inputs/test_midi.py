"""Bytes to messages: whatever a cable brings, whole messages come out of it, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resonance.inputs.midi import LONGEST_EXCLUSIVE, Stream


def read(*data: int) -> list[list[int]]:
    return [list(message) for message in Stream().messages(data)]


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ([0x90, 60, 100], [[0x90, 60, 100]]),
        ([0x90, 60, 100, 62, 90, 60, 0], [[0x90, 60, 100], [0x90, 62, 90], [0x90, 60, 0]]),  # running status
        ([0x90, 60, 0xF8, 100], [[0xF8], [0x90, 60, 100]]),  # a clock between the bytes of a note
        ([0x90, 60, 0x80, 60, 0], [[0x80, 60, 0]]),  # a note torn off
        ([0xF0, 1, 2, 3, 0xF7], [[0xF0, 1, 2, 3, 0xF7]]),
        ([0xF0, 1, 0xFE, 2, 0xF7], [[0xFE], [0xF0, 1, 2, 0xF7]]),
        ([0xF0, 1, 2, 0x90, 60, 1], [[0x90, 60, 1]]),  # an exclusive message torn off
        ([0xF0, 0xF0, 7, 0xF7], [[0xF0, 7, 0xF7]]),
        ([0x90, 60, 1, 0xF6, 60, 1], [[0x90, 60, 1], [0xF6]]),  # common messages end running status
        ([0xF2, 1, 2, 0xF3, 5, 0xF1, 6], [[0xF2, 1, 2], [0xF3, 5], [0xF1, 6]]),
        ([0xC3, 5, 6, 0xD3, 7], [[0xC3, 5], [0xC3, 6], [0xD3, 7]]),
        ([60, 100, 0xF7, 0xF4, 0xF5, 0xF9, 0xFD, 60], []),
        ([-1, 256, 0x90, 60, 1], [[0x90, 60, 1]]),
    ],
)
def test_what_becomes_of_bytes(data: list[int], messages: list[list[int]]) -> None:
    assert read(*data) == messages


def test_what_is_no_message_is_counted() -> None:
    stream = Stream()
    assert list(stream.messages([60, 0x90, 60, 0x80, 0xF4, float("nan"), 0xF0, 1, 0x90, 60, 1])) == [  # type: ignore[list-item]
        bytes((0x90, 60, 1))
    ]
    assert stream.dropped == 5


def test_an_endless_exclusive_message_does_not_fill_the_memory() -> None:
    stream = Stream()
    for _ in range(40):
        assert not list(stream.messages([0xF0, *bytes(LONGEST_EXCLUSIVE // 16)] if _ == 0 else bytes(8192)))
    assert list(stream.messages([0x90, 60, 1])) == [bytes((0x90, 60, 1))]


@given(st.lists(st.integers(0, 255), max_size=200), st.data())
def test_pieces_make_no_difference_and_messages_are_whole(data: list[int], draw: st.DataObject) -> None:
    whole = list(Stream().messages(data))
    stream, pieces = Stream(), []
    while data:
        cut = draw.draw(st.integers(1, len(data)))
        pieces += list(stream.messages(data[:cut]))
        data = data[cut:]
    assert pieces == whole
    for message in whole:
        assert message[0] >= 0x80
        rest = message[1:-1] if message[0] == 0xF0 else message[1:]
        assert all(byte < 0x80 for byte in rest)
        if message[0] < 0xF0:
            assert len(message) == (2 if message[0] & 0xF0 in (0xC0, 0xD0) else 3)
