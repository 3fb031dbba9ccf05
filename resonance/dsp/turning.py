"""Sixteen voices side by side: from rows, a voice each, to frames of sixteen voices, and back.

A recursion waits for its last frame, but not for its neighbours: with a number for each voice beside one
another it is computed many at a time. Turned about number by number, that would cost what a filter does, and
what the compiler makes of loops that turn by fours hangs on the kernel that they become a part of. So squares
of sixteen by sixteen are turned in the compiler's own language, within registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from resonance.dsp import F32, GRID_FRAMES, kernel

LANES = 16
"""How many voices stand side by side."""
BLOCK = LANES * GRID_FRAMES
"""What a step of them takes. A flat array has two: frames of voices side by side, and room to turn them."""


def _square(
    typing_context: Any, flat: Any, source: Any, source_row: Any, target: Any, target_row: Any
) -> Any:
    """Turns a square within a flat array: from where to where, and how far rows are apart here and there.

    A perfect shuffle of an upper and a lower half takes the bits of each number's place around by one; after
    four, those of its row and those of its column have changed places.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, source, source_row, target, target_row = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        vector = ir.VectorType(ir.FloatType(), LANES)

        def place(begin: Any, apart: Any, row: int) -> Any:
            at = builder.add(begin, builder.mul(apart, apart.type(row)))
            return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())

        def shuffle(begin: int) -> Any:
            order = [begin + k // 2 + k % 2 * LANES for k in range(LANES)]
            return ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)

        rows = [builder.load(place(source, source_row, row), align=4) for row in range(LANES)]
        half = LANES // 2
        shuffles = shuffle(0), shuffle(half)
        for _ in range(LANES.bit_length() - 1):
            rows = [
                builder.shuffle_vector(rows[k], rows[half + k], order)
                for k in range(half)
                for order in shuffles
            ]
        for row in range(LANES):
            builder.store(rows[row], place(target, target_row, row), align=4)
        return context.get_dummy_value()

    return types.void(flat, *[types.intp] * 4), code


_turn: Any = intrinsic(_square)


@kernel
def side_by_side(x: F32, first: int, begin: int, turned: F32) -> None:
    """Puts frame i of voice `first` + k of a step of `x` (voices, frames) at `turned[LANES * i + k]`."""
    for k in range(LANES):
        sound = x[first + k, begin : begin + GRID_FRAMES]
        # By its size: a loop that does no more than copy a known number of frames becomes single copies.
        for i in range(sound.size):
            turned[BLOCK + GRID_FRAMES * k + i] = sound[i]
    for i in range(0, GRID_FRAMES, LANES):
        _turn(turned, BLOCK + i, GRID_FRAMES, LANES * i, LANES)


@kernel
def in_rows(turned: F32, first: int, begin: int, out: F32) -> None:
    """Puts a step of voices side by side into the rows of `out` (voices, frames)."""
    for i in range(0, GRID_FRAMES, LANES):
        _turn(turned, LANES * i, LANES, BLOCK + i, GRID_FRAMES)
    for k in range(LANES):
        sound = out[first + k, begin : begin + GRID_FRAMES]
        for i in range(sound.size):
            sound[i] = turned[BLOCK + GRID_FRAMES * k + i]
