"""Packets of heart-rate sensors, byte by byte as the standard lays them out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resonance.engine.commands import Set
from resonance.inputs.heart_rate import Measurement, Pulse, measurement


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (bytes((0x00, 72)), Measurement(72)),
        (bytes((0x01, 0x2C, 0x01)), Measurement(300)),
        (bytes((0x06, 60)), Measurement(60, contact=True)),
        (bytes((0x04, 60)), Measurement(60, contact=False)),
        (bytes((0x02, 60)), Measurement(60)),  # contact is said by a sensor that cannot tell
        (bytes((0x08, 60, 0x10, 0x27)), Measurement(60, energy_kj=10_000)),
        (bytes((0x10, 60, 0x00, 0x04, 0x00, 0x02)), Measurement(60, intervals_s=(1.0, 0.5))),
        (bytes((0x1F, 60, 0, 1, 0, 0, 4)), Measurement(60, True, 1, (1.0,))),
        (bytes((0x10, 60, 0x00, 0x04, 0x00)), Measurement(60, intervals_s=(1.0,))),
        (b"", None),
        (b"\x00", None),
        (bytes((0x01, 60)), None),
        (bytes((0x08, 60, 1)), None),
    ],
)
def test_a_packet(packet: bytes, says: Measurement | None) -> None:
    assert measurement(packet) == says


def test_the_tempo_follows_without_the_sensors_jumps() -> None:
    pulse = Pulse()
    assert pulse.measured(bytes((0, 60))) == [Set("bpm", 60.0)]
    assert pulse.measured(bytes((0, 90))) == [Set("bpm", 70.0)]
    assert pulse.measured(bytes((0x04, 200))) == []  # off the skin
    assert pulse.measured(bytes((0, 0))) == []


@given(st.binary(max_size=20))
def test_no_packet_does_harm(packet: bytes) -> None:
    for command in Pulse().measured(packet):
        assert isinstance(command, Set)
        assert 20.0 <= command.value <= 240.0
