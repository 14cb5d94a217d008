"""Atomic operations on int64 arrays that threads share, made of LLVM's."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def emit_address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of array.flat[index]."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def atomic_add(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array.flat[index] += value, sequentially consistent. Returns the old value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit_address(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def atomic_load(typingctx: Any, array: Any, index: Any) -> Any:
    """array.flat[index]. What was written before the store that gave it is seen after this."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit_address(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.intp), codegen


@intrinsic
def atomic_store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array.flat[index] = value. What was written before is seen by who loads it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit_address(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen
