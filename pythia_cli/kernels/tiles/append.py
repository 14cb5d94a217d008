"""Stores of quantized keys and values between those of other positions (engine/kv_cache.py)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import load, splat

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_INT16S = ir.VectorType(_I16, LANES)


@intrinsic
def store_pairs(typingctx: Any, row: Any, n: Any, out: Any, at: Any, stride: Any) -> Any:
    """out.flat[at + i * stride + (0, 1)] = row[2 * i + (0, 1)] for i < n; row int16, out int8."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, out = (data_of(context, builder, signature, args, i) for i in (0, 2))
        _, n, _, at, stride = args
        with cgutils.for_range(builder, n) as loop:
            both = load(builder, row, builder.mul(loop.index, _I64(2)), _I32, align=2)
            low = builder.and_(both, _I32(0xFF))
            high = builder.and_(builder.lshr(both, _I32(8)), _I32(0xFF00))
            place = builder.gep(out, [builder.add(at, builder.mul(loop.index, stride))])
            pair = builder.trunc(builder.or_(low, high), _I16)
            builder.store(pair, builder.bitcast(place, _I16.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(row, types.intp, out, types.intp, types.intp), codegen


@intrinsic
def store_every_other(typingctx: Any, row: Any, n: Any, out: Any, at: Any, odd: Any) -> Any:
    """out.flat[at + 2 * i + odd] = row[i] for i < n; row int16, out int8, at even, odd 0 or 1."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, out = (data_of(context, builder, signature, args, i) for i in (0, 2))
        _, n, _, at, odd = args
        start = builder.gep(out, [at])
        shift = builder.trunc(builder.mul(odd, _I64(8)), _I16)
        mask = builder.shl(_I16(0xFF), shift)

        def put(i: Any, kind: Any) -> None:
            """Into the pairs from i on, as one number or a vector of them."""
            place = builder.gep(start, [builder.mul(i, _I64(2))])
            place = builder.bitcast(place, kind.as_pointer())
            new, old = load(builder, row, i, kind, align=2), builder.load(place, align=1)
            shifts, masks = shift, mask
            if kind is not _I16:
                shifts, masks = splat(builder, shift, LANES), splat(builder, mask, LANES)
            new = builder.and_(builder.shl(new, shifts), masks)
            old = builder.and_(old, builder.not_(masks))
            builder.store(builder.or_(old, new), place, align=1)

        whole = builder.sub(n, builder.srem(n, _I64(LANES)))
        with cgutils.for_range_slice(builder, _I64(0), whole, _I64(LANES)) as (i, _):
            put(i, _INT16S)
        with cgutils.for_range_slice(builder, whole, n, _I64(1)) as (i, _):
            put(i, _I16)
        return context.get_dummy_value()

    return types.void(row, types.intp, out, types.intp, types.intp), codegen
