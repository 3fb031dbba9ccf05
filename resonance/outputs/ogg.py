"""Ogg pages with a stream number of ours: libsndfile rolls one for each file, and no two would be the same.

Source: RFC 3533, 2003, section 6 (the page's header, and its checksum: CRC-32 by 0x04c11db7, from 0).
"""

from __future__ import annotations

import functools
import struct
from typing import BinaryIO

from resonance.outputs.id3 import Behind

_POLYNOMIAL = 0x104C11DB7
_SERIAL, _CHECKSUM, _SEGMENTS = 14, 22, 26
"""Where in a page's header they are; a byte for the length of each segment follows."""


class Pages(Behind):
    """A file for a library that writes Ogg pages, header by header: each gets the number `serial`."""

    def __init__(self, file: BinaryIO, serial: int) -> None:
        super().__init__(file)
        self._number = struct.pack("<I", serial % 2**32)

    def write(self, data: bytes) -> int:
        if bytes(data[:4]) == b"OggS" and len(data) == _SEGMENTS + 1 + data[_SEGMENTS]:
            data = self._renumbered(bytearray(data))
        return super().write(data)

    def _renumbered(self, header: bytearray) -> bytes:
        """The header with our number, and the checksum of the page that it belongs to."""
        length = len(header) + sum(header[_SEGMENTS + 1 :])
        number = header[_SERIAL : _SERIAL + 4]
        change = int.from_bytes(bytes(a ^ b for a, b in zip(number, self._number, strict=True)), "big")
        (checksum,) = struct.unpack_from("<I", header, _CHECKSUM)
        header[_SERIAL : _SERIAL + 4] = self._number
        struct.pack_into("<I", header, _CHECKSUM, checksum ^ _shifted(change, length - _SERIAL))
        return bytes(header)


@functools.lru_cache(maxsize=4096)
def _shifted(change: int, count: int) -> int:
    """What four bytes add to the checksum of a page that ends `count` bytes after the first of them."""
    # The checksum is linear: these four times x to the power of the bits that follow, and of its own 32.
    power, square, left = 1, 0x100, count
    while left:
        power = _product(power, square) if left & 1 else power
        square, left = _product(square, square), left >> 1
    return _product(change, power)


def _product(a: int, b: int) -> int:
    """The product of two polynomials over two elements, modulo the checksum's."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (_POLYNOMIAL if a >> 31 else 0)
        b >>= 1
    return product
