"""A heart-rate sensor leads the piece's heart: what a chest strap measures, over Bluetooth.

Source: Bluetooth GATT Specification Supplement, 3.113 "Heart Rate Measurement" (characteristic 0x2A37).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

from resonance.engine.commands import Command, Set

MEASUREMENT = "00002a37-0000-1000-8000-00805f9b34fb"
SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
LEAST_BPM, MOST_BPM = 20.0, 240.0

_WIDE, _CONTACT, _CONTACT_KNOWN, _ENERGY, _INTERVALS = 0x01, 0x02, 0x04, 0x08, 0x10
_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One packet: beats a minute, whether it touches the skin (None: it does not say), and what it adds.

    `energy_kj` is what was spent so far; `intervals_s` are the times from beat to beat, oldest first.
    """

    bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    intervals_s: tuple[float, ...] = ()


def measurement(packet: bytes) -> Measurement | None:
    """What a packet says; None where it is cut short."""
    if len(packet) < 2:
        return None
    flags, place = packet[0], 1

    def taken(size: int) -> int | None:
        nonlocal place
        part = packet[place : place + size]
        place += size
        return int.from_bytes(part, "little") if len(part) == size else None

    bpm = taken(2 if flags & _WIDE else 1)
    energy_kj = taken(2) if flags & _ENERGY else None
    if bpm is None or (flags & _ENERGY and energy_kj is None):
        return None
    intervals = []
    while flags & _INTERVALS and (interval := taken(2)) is not None:
        intervals.append(interval / 1024.0)
    contact = bool(flags & _CONTACT) if flags & _CONTACT_KNOWN else None
    return Measurement(bpm, contact, energy_kj, tuple(intervals))


class Pulse:
    """What measurements ask of the piece's heart: its tempo, without the sensor's jumps."""

    def __init__(self) -> None:
        self._bpm: float | None = None

    def measured(self, packet: bytes) -> list[Command]:
        """The tempo after a packet; nothing where the strap is off the skin or says nothing of use."""
        found = measurement(packet)
        if found is None or found.contact is False or not LEAST_BPM <= found.bpm <= MOST_BPM:
            return []
        # A third of the way at each packet, about a second: as fast as a heart changes, slower than a glitch.
        self._bpm = float(found.bpm) if self._bpm is None else self._bpm + (found.bpm - self._bpm) / 3.0
        return [Set("bpm", self._bpm)]


class Sensor:
    """Looks for a sensor by a part of its name (or any), follows it, and finds it again when it was lost."""

    def __init__(self, name: str, do: Callable[[Command], None], tell: Callable[[str], None]) -> None:
        self._name = name
        self._do = do
        self._tell = tell
        self._pulse = Pulse()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sensor:
        try:
            import bleak  # noqa: F401
        except ImportError:
            raise ValueError(
                "heart-rate sensors need one more package: pip install 'resonance[heart]'"
            ) from None
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                asyncio.run(self._follow())
            except Exception as error:  # Bluetooth stacks raise whatever they like; the piece goes on
                self._tell(f"heart-rate sensor: {error}; looking again")
            self._leaving.wait(_AGAIN_S)

    async def _follow(self) -> None:
        import bleak

        found = await bleak.BleakScanner.find_device_by_filter(
            lambda device, advertised: (
                SERVICE in advertised.service_uuids and self._name.lower() in (device.name or "").lower()
            )
        )
        if found is None:
            return
        gone = asyncio.Event()
        async with bleak.BleakClient(found, disconnected_callback=lambda _: gone.set()) as client:
            self._tell(f"heart-rate sensor: {found.name}")
            await client.start_notify(MEASUREMENT, self._measured)
            while not (gone.is_set() or self._leaving.is_set()):
                await asyncio.sleep(0.2)
        self._tell("heart-rate sensor: gone; the heart goes on")

    def _measured(self, _: object, packet: bytearray) -> None:
        for command in self._pulse.measured(bytes(packet)):
            self._do(command)
