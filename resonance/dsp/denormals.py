"""Denormals: numbers too small for full precision, on which a dying tail costs two to three times its time.

They lie below 1e-37, so nothing is lost by taking them for zero.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from resonance.dsp import kernel

# Bits of the control register MXCSR: flush to zero (results), denormals are zero (operands). Source: AMD64
# Architecture Programmer's Manual, volume 1, 4.2.2.
_FLUSH_TO_ZERO = 1 << 15
_DENORMALS_ARE_ZERO = 1 << 6

_ON_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


def _both_bits(typing_context: Any) -> Any:
    """Sets both bits in the calling thread's register, which moves by way of memory only."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        place = builder.alloca(word)
        at = builder.bitcast(place, pointer)
        builder.call(builder.module.declare_intrinsic("llvm.x86.sse.stmxcsr", (), kind), [at])
        bits = builder.or_(builder.load(place), word(_FLUSH_TO_ZERO | _DENORMALS_ARE_ZERO))
        builder.store(bits, place)
        builder.call(builder.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), kind), [at])
        return context.get_dummy_value()

    return types.void(), code


_set_both_bits: Any = intrinsic(_both_bits)


@kernel
def _flush() -> None:
    _set_both_bits()


def flush_denormals() -> None:
    """Takes denormals for zero from now on, in the calling thread only, numpy's work in it included.

    Does nothing on other machines than x86. Threads begun later by this one inherit it.
    """
    if _ON_X86:
        _flush()
