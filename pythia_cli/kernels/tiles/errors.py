"""Adds the errors of rounded columns of weights to columns that are not rounded yet."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of, shape_of
from pythia_cli.kernels.sizes import COLUMNS_TOGETHER, FEEDBACK_ROWS
from pythia_cli.kernels.tiles.dot import load, loop, splat

_I64, _FLOAT = ir.IntType(64), ir.FloatType()
_ROWS = ir.VectorType(_FLOAT, FEEDBACK_ROWS)


@intrinsic
def add_errors(typingctx: Any, moved: Any, errors: Any, feedback: Any, k: Any, n: Any) -> Any:
    """moved[i] += errors[c] * feedback[k - c, i], for c = 0, 1, .. in this order, and i < n.

    moved [at least n, FEEDBACK_ROWS], errors [COLUMNS_TOGETHER, FEEDBACK_ROWS] and feedback
    [more than k, at least n] are contiguous float32; k >= COLUMNS_TOGETHER - 1. Each product and
    each sum is rounded. In vectors of FEEDBACK_ROWS: LLVM would not choose them by itself where it
    prefers 256 bits.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        moved, errors, feedback = (data_of(context, builder, signature, args, i) for i in range(3))
        width = shape_of(context, builder, signature, args, 2)[1]
        k, n = args[3:]
        vectors, rows = [], []
        for c in range(COLUMNS_TOGETHER):
            vectors.append(load(builder, errors, _I64(c * FEEDBACK_ROWS), _ROWS, align=4))
            row = builder.mul(builder.sub(k, _I64(c)), width)
            rows.append(builder.gep(feedback, [row]))

        def add(i: Any, _: list[Any]) -> list[Any]:
            at = builder.mul(i, _I64(FEEDBACK_ROWS))
            value = load(builder, moved, at, _ROWS, align=4)
            for vector, row in zip(vectors, rows, strict=True):
                factor = splat(builder, load(builder, row, i, _FLOAT, align=4), FEEDBACK_ROWS)
                value = builder.fadd(value, builder.fmul(vector, factor))
            place = builder.bitcast(builder.gep(moved, [at]), _ROWS.as_pointer())
            builder.store(value, place, align=4)
            return []

        loop(builder, n, [], add)
        return context.get_dummy_value()

    return types.void(moved, errors, feedback, types.intp, types.intp), codegen
