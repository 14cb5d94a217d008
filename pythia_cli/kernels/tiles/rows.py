"""A Numba intrinsic: dot products of several rows of weights, anywhere, with one input."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.sizes import ROWS_TOGETHER
from pythia_cli.kernels.tiles.dot import emit_dots, emit_sums, load
from pythia_cli.kernels.tiles.products import byte_dots

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def dots_of_rows(
    typingctx: Any, w: Any, rows: Any, at: Any, x: Any, x_at: Any, d_in: Any, k: Any, sums: Any
) -> Any:
    """sums[at : at + ROWS_TOGETHER] = those of w[row, i] * (x.flat[x_at + i] - BYTE_OFFSET).

    Over i < k, for the row of rows [.] int32 at the same place; int8 w [., d_in], uint8 x. k is a
    positive multiple of BYTE_VECTOR.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, at, _, x_at, d_in, k, _ = args
        w_data, rows_data, x_data, sums_data = (
            data_of(context, builder, signature, args, i) for i in (0, 1, 3, 7)
        )
        w_rows = []
        for i in range(ROWS_TOGETHER):
            row = load(builder, rows_data, builder.add(at, _I64(i)), _I32, align=4)
            w_rows.append(builder.gep(w_data, [builder.mul(builder.zext(row, _I64), d_in)]))
        dots = byte_dots(builder, TIER)
        found = emit_dots(builder, dots, w_rows, [builder.gep(x_data, [x_at])], k)
        totals = emit_sums(builder, [vector for (vector,) in found])
        place = builder.bitcast(builder.gep(sums_data, [at]), totals.type.as_pointer())
        builder.store(totals, place, align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(w, rows, index, x, index, index, index, sums), codegen
