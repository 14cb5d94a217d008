"""Squares of a matrix that are transposed: LANES rows at a time, so that a column is a vector."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of, shape_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import load
from pythia_cli.kernels.tiles.lanes import transposed

_I8, _I32, _I64, _FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS, _INT32S, _INT8S = (ir.VectorType(kind, LANES) for kind in (_FLOAT, _I32, _I8))


@intrinsic
def take_columns(typingctx: Any, w: Any, row: Any, n: Any, start: Any, a: Any, b: Any) -> Any:
    """a[start + j, r] = b[start + j, r] = w[row + min(r, n - 1), start + j] for r, j < LANES.

    w, a and b [at least start + LANES, LANES] are contiguous float32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w, *both = (data_of(context, builder, signature, args, i) for i in (0, 4, 5))
        width = shape_of(context, builder, signature, args, 0)[1]
        _, row, n, start, _, _ = args
        most = builder.sub(n, _I64(1))
        rows = []
        for r in range(LANES):
            within = builder.select(builder.icmp_signed("<", _I64(r), most), _I64(r), most)
            at = builder.add(builder.mul(builder.add(row, within), width), start)
            rows.append(load(builder, w, at, _FLOATS, align=4))
        for j, column in enumerate(transposed(builder, rows)):
            at = builder.mul(builder.add(start, _I64(j)), _I64(LANES))
            for columns in both:
                place = builder.bitcast(builder.gep(columns, [at]), _FLOATS.as_pointer())
                builder.store(column, place, align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(w, index, index, index, a, b), codegen


@intrinsic
def put_rows(typingctx: Any, columns: Any, start: Any, q: Any, row: Any) -> Any:
    """q[row + r, start + j] = int8(columns[start + j, r]) for r, j < LANES.

    columns [at least start + LANES, LANES] are contiguous float32, whole numbers of an int8; q is
    contiguous int8.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns, q = (data_of(context, builder, signature, args, i) for i in (0, 2))
        width = shape_of(context, builder, signature, args, 2)[1]
        _, start, _, row = args
        taken = []
        for j in range(LANES):
            at = builder.mul(builder.add(start, _I64(j)), _I64(LANES))
            taken.append(load(builder, columns, at, _FLOATS, align=4))
        for r, values in enumerate(transposed(builder, taken)):
            at = builder.add(builder.mul(builder.add(row, _I64(r)), width), start)
            place = builder.bitcast(builder.gep(q, [at]), _INT8S.as_pointer())
            numbers = builder.trunc(builder.fptosi(values, _INT32S), _INT8S)
            builder.store(numbers, place, align=1)
        return context.get_dummy_value()

    index = types.intp
    return types.void(columns, index, q, index), codegen
