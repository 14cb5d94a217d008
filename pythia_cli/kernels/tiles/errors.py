"""Rounds columns of weights, and adds their errors to columns that are not rounded yet."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of, shape_of
from pythia_cli.kernels.sizes import FEEDBACK_ROWS
from pythia_cli.kernels.tiles.dot import function, load, loop, splat

_I64, _FLOAT = ir.IntType(64), ir.FloatType()
_ROWS = ir.VectorType(_FLOAT, FEEDBACK_ROWS)

_TILE = 4
"""Columns that stay in registers while all errors are added: eight of AVX2's hold them."""


@intrinsic
def add_errors(
    typingctx: Any, moved: Any, errors: Any, feedback: Any, k: Any, n_errors: Any, lo: Any, hi: Any
) -> Any:
    """moved[i] += errors[c] * feedback[k - c, i], for c = 0, 1, .. n_errors - 1 in this order.

    For i in lo..hi. moved [at least hi, FEEDBACK_ROWS], errors [at least n_errors, FEEDBACK_ROWS]
    and feedback [more than k, at least hi] are contiguous float32; n_errors <= k + 1. Each product
    and each sum is rounded. In vectors of FEEDBACK_ROWS: LLVM would not choose them by itself where
    it prefers 256 bits.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        moved, errors, feedback = (data_of(context, builder, signature, args, i) for i in range(3))
        width = shape_of(context, builder, signature, args, 2)[1]
        k, n_errors, lo, hi = args[3:]
        last_row = builder.gep(feedback, [builder.mul(k, width)])

        def add_to(first: Any, n: int) -> None:
            """To n columns from `first` on."""
            columns = [builder.add(first, _I64(j)) for j in range(n)]
            places = [builder.mul(column, _I64(FEEDBACK_ROWS)) for column in columns]
            start = [load(builder, moved, place, _ROWS, align=4) for place in places]

            def add(c: Any, values: list[Any]) -> list[Any]:
                at = builder.mul(c, _I64(FEEDBACK_ROWS))
                vector = load(builder, errors, at, _ROWS, align=4)
                row = builder.gep(last_row, [builder.neg(builder.mul(c, width))])
                added = []
                for value, column in zip(values, columns, strict=True):
                    factor = load(builder, row, column, _FLOAT, align=4)
                    product = builder.fmul(vector, splat(builder, factor, FEEDBACK_ROWS))
                    added.append(builder.fadd(value, product))
                return added

            for place, value in zip(places, loop(builder, n_errors, start, add), strict=True):
                address = builder.bitcast(builder.gep(moved, [place]), _ROWS.as_pointer())
                builder.store(value, address, align=4)

        def all_from(first: Any, n: Any, tile: int) -> None:
            def add(i: Any, _: list[Any]) -> list[Any]:
                add_to(builder.add(first, i), tile)
                return []

            loop(builder, n, [], add, tile)

        n = builder.sub(hi, lo)
        whole = builder.and_(n, _I64(-_TILE))
        all_from(lo, whole, _TILE)
        all_from(builder.add(lo, whole), builder.sub(n, whole), 1)
        return context.get_dummy_value()

    index = types.intp
    return types.void(moved, errors, feedback, index, index, index, index), codegen


@intrinsic
def round_column(
    typingctx: Any, w: Any, moved: Any, k: Any, scales: Any, per_scales: Any, errors: Any, c: Any
) -> Any:
    """moved[k] = its levels: moved[k] / scales, rounded; errors[c] = what they leave of w[k].

    Levels are from -127 to 127. w, moved, errors [.., FEEDBACK_ROWS], scales and per_scales, which
    is 1 / scales, [FEEDBACK_ROWS] are contiguous float32. In whole vectors: add_errors reads one
    at once, and would wait for a part that is stored alone.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w, moved, scales, per_scales, errors = (
            data_of(context, builder, signature, args, i) for i in (0, 1, 3, 4, 5)
        )
        at, to = (builder.mul(args[i], _I64(FEEDBACK_ROWS)) for i in (2, 6))
        zero = _I64(0)
        rint = function(builder, f"llvm.rint.v{FEEDBACK_ROWS}f32", _ROWS, [_ROWS])
        most, least = (ir.Constant(_ROWS, [limit] * FEEDBACK_ROWS) for limit in (127.0, -127.0))
        by = load(builder, per_scales, zero, _ROWS, align=4)
        level = builder.call(rint, [builder.fmul(load(builder, moved, at, _ROWS, align=4), by)])
        level = builder.select(builder.fcmp_ordered(">", level, least), level, least)
        level = builder.select(builder.fcmp_ordered("<", level, most), level, most)
        exact = builder.fmul(level, load(builder, scales, zero, _ROWS, align=4))
        error = builder.fsub(load(builder, w, at, _ROWS, align=4), exact)
        for place, value in ((builder.gep(moved, [at]), level), (builder.gep(errors, [to]), error)):
            builder.store(value, builder.bitcast(place, _ROWS.as_pointer()), align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(w, moved, index, scales, per_scales, errors, index), codegen
