"""Prefetches of what is read or written soon."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.atomics import emit_address

CACHE_LINE = 64  # bytes; of Apple's processors, half a line

_I64 = ir.IntType(64)


def emit_prefetch(builder: Any, place: Any, *, writes: bool = False) -> None:
    """Emit a prefetch of a cache line: into the L2 cache for reading, or for writing.

    An invalid address does no harm.
    """
    i8_pointer, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    arguments = [i8_pointer, i32, i32, i32]
    function_type = ir.FunctionType(ir.VoidType(), arguments)
    prefetch = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0i8")
    builder.call(prefetch, [builder.bitcast(place, i8_pointer), i32(int(writes)), i32(2), i32(1)])


def _prefetch(*, writes: bool) -> Any:
    @intrinsic
    def prefetch(typingctx: Any, x: Any, at: Any, n: Any) -> Any:
        """Prefetch n bytes of a contiguous array from x.flat[at] on. They may go beyond its end."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            first = emit_address(context, builder, signature.args[0], args[0], args[1])
            first = builder.bitcast(first, ir.IntType(8).as_pointer())
            with cgutils.for_range_slice(builder, _I64(0), args[2], _I64(CACHE_LINE)) as (i, _):
                emit_prefetch(builder, builder.gep(first, [i]), writes=writes)
            return context.get_dummy_value()

        return types.void(x, types.intp, types.intp), codegen

    return prefetch


prefetch_to_read = _prefetch(writes=False)
prefetch_to_write = _prefetch(writes=True)
"""`prefetch_to_write` also takes the lines from other processors, for which a store would wait."""
