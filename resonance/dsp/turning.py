"""Sixteen voices side by side: from rows, a voice each, to frames of sixteen voices, and back.

A recursion waits for its last frame, but not for its neighbours: with a number for each voice beside one
another it is computed many at a time. Turned about number by number, that would cost what a filter does, and
what the compiler makes of loops that turn by fours hangs on the kernel that they become a part of. So squares
of eight by eight are turned in the compiler's own language, within registers.

Source: Eklundh, A fast computer method for matrix transposing, IEEE Transactions on Computers 21, 1972.
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

_SIDE = 8  # of a square: eight float32 are what a register holds almost everywhere


def _square(
    typing_context: Any, flat: Any, source: Any, source_row: Any, target: Any, target_row: Any
) -> Any:
    """Turns a square within a flat array: from where to where, and how far rows are apart here and there."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, source, source_row, target, target_row = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        vector = ir.VectorType(ir.FloatType(), _SIDE)

        def place(begin: Any, apart: Any, row: int) -> Any:
            at = builder.add(begin, builder.mul(apart, apart.type(row)))
            return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())

        def chosen(a: Any, b: Any, order: list[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), _SIDE), order))

        rows = [builder.load(place(source, source_row, row), align=4) for row in range(_SIDE)]
        # Squares of two, of twice that, and so on, change their upper right for their lower left quarter.
        for half in (1, 2, 4):
            upper = [_SIDE + k - half if k & half else k for k in range(_SIDE)]
            lower = [_SIDE + k if k & half else k + half for k in range(_SIDE)]
            for row in range(_SIDE):
                if not row & half:
                    a, b = rows[row], rows[row + half]
                    rows[row], rows[row + half] = chosen(a, b, upper), chosen(a, b, lower)
        for row in range(_SIDE):
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
    for i in range(0, GRID_FRAMES, _SIDE):
        for k in range(0, LANES, _SIDE):
            _turn(turned, BLOCK + GRID_FRAMES * k + i, GRID_FRAMES, LANES * i + k, LANES)


@kernel
def in_rows(turned: F32, first: int, begin: int, out: F32) -> None:
    """Puts a step of voices side by side into the rows of `out` (voices, frames)."""
    for i in range(0, GRID_FRAMES, _SIDE):
        for k in range(0, LANES, _SIDE):
            _turn(turned, LANES * i + k, LANES, BLOCK + GRID_FRAMES * k + i, GRID_FRAMES)
    for k in range(LANES):
        sound = out[first + k, begin : begin + GRID_FRAMES]
        for i in range(sound.size):
            sound[i] = turned[BLOCK + GRID_FRAMES * k + i]
