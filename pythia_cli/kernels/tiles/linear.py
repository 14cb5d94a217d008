"""Numba intrinsics over products.py: a dot product, and tiles of `matmul` with scale and bias."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.jit.prefetch import CACHE_LINE
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles.dot import (
    emit_dot,
    emit_dots,
    emit_sums,
    joined,
    lane_sum_of,
    picked,
    splat,
)
from pythia_cli.kernels.tiles.operands import Operands
from pythia_cli.kernels.tiles.products import (
    WEIGHT_OFFSET,
    byte_dots,
    byte_offset,
    exact_dots,
    half_dots,
)

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FLOAT = ir.FloatType()
TILE_ROWS = 4
VECTOR = TIER.vector
BYTE_VECTOR = TIER.byte_vector
BYTE_OFFSET = byte_offset(TIER)
"""`dot` and the tiles take this off each uint8."""


@intrinsic
def dot(typingctx: Any, w: Any, w_at: Any, x: Any, x_at: Any, k: Any) -> Any:
    """The sum of w.flat[w_at + i] * x.flat[x_at + i] over i < k, int32; int8 w.

    x is int16, or uint8, of which BYTE_OFFSET is taken off. Both are contiguous. k is a positive
    multiple of VECTOR, or BYTE_VECTOR; |x| must be small enough that the sum fits in int32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, w_at, _, x_at, k = args
        w_row = builder.gep(data_of(context, builder, signature, args, 0), [w_at])
        x_row = builder.gep(data_of(context, builder, signature, args, 2), [x_at])
        return lane_sum_of(builder, _streamed_dot(builder, _dots(builder, x), w_row, x_row, k))

    return types.int32(w, types.intp, x, types.intp, types.intp), codegen


def _streamed_dot(builder: Any, dots: Any, w_row: Any, x_row: Any, k: Any) -> Any:
    """A vector whose lanes add up to the dot of two rows, of which w_row comes from memory."""
    if dots.vector < CACHE_LINE:
        return emit_dot(builder, dots, w_row, x_row, k, TIER.weights_ahead)
    ((vector,),) = emit_dots(builder, dots, [w_row], [x_row], k, _I64(TIER.weights_ahead))
    return vector


def _dots(builder: Any, x: Any) -> Any:
    """How to multiply with an array of this Numba type."""
    return (byte_dots if x.dtype == types.uint8 else exact_dots)(builder, TIER)


def linear_tile(n_tokens: int, *, streams: bool) -> Any:
    """An intrinsic: `matmul` for TILE_ROWS rows of a linear and n_tokens rows of x.

    streams: the weights come from memory. One token takes no longer than reading them, so its rows
    are read one after the other; with more tokens, together, and the next tile is prefetched.
    """

    @intrinsic
    def tile(
        typingctx: Any, linear: Any, row: Any, x: Any, token: Any, d_in: Any, adds: Any, out: Any,
        d_out: Any,
    ) -> Any:  # fmt: skip
        """From row `row` of the linear and `token` of x on. d_in is a multiple of the vector."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            operands = Operands(context, builder, signature, args)
            w_rows, x_rows = operands.weight_rows(TILE_ROWS), operands.input_rows(n_tokens)
            dots = _dots(builder, x.types[x.fields.index("q")])
            if streams and n_tokens == 1:
                sums = _row_after_row(operands, dots, w_rows[0], x_rows[0])
            else:
                ahead = builder.mul(operands.d_in, _I64(TILE_ROWS)) if streams else None
                sums = emit_dots(builder, dots, w_rows, x_rows, operands.d_in, ahead)
            _finish(operands, [[sums[r][t] for r in range(TILE_ROWS)] for t in range(n_tokens)])
            return context.get_dummy_value()

        index = types.intp
        return types.void(linear, index, x, index, index, types.boolean, out, index), codegen

    return tile


@intrinsic
def half_tile(
    typingctx: Any, linear: Any, row: Any, x: Any, token: Any, d_in: Any, adds: Any, out: Any,
    d_out: Any,
) -> Any:  # fmt: skip
    """As linear_tile(1, streams=True), for the halves of a single token: `token` is 0.

    Only if TIER.has_halves; d_in is a multiple of BYTE_VECTOR.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        operands = Operands(context, builder, signature, args)
        high = operands.field(2, "halves")
        halves = (high, builder.gep(high, [operands.d_in]))
        (w_row,) = operands.weight_rows(1)
        dots = half_dots(builder, TIER)
        sums = _row_after_row(operands, dots, w_row, halves)
        # To each row of weights, WEIGHT_OFFSET has added as much: that times the sum of x.q.
        added = builder.mul(operands.load(2, "totals", operands.token), _I32(-WEIGHT_OFFSET))
        zeros = ir.Constant(dots.sums, [0] * dots.sums.count)
        offset = builder.insert_element(zeros, added, _I64(0))
        _finish(operands, [[builder.add(vector, offset) for (vector,) in sums]])
        return context.get_dummy_value()

    index = types.intp
    return types.void(linear, index, x, index, index, types.boolean, out, index), codegen


def _row_after_row(operands: Operands, dots: Any, first_row: Any, x_row: Any) -> list[list[Any]]:
    """As emit_dots for TILE_ROWS rows and one of x, in the order of memory.

    Read together, the rows would be four streams, each too short for the processor's prefetching.
    It is a loop in LLVM's code, too, which is compiled in less time.
    """
    builder, d_in = operands.builder, operands.d_in
    kept = cgutils.alloca_once(builder, dots.sums, size=TILE_ROWS)
    with cgutils.for_range(builder, _I64(TILE_ROWS)) as loop:
        row = builder.gep(first_row, [builder.mul(loop.index, d_in)])
        vector = _streamed_dot(builder, dots, row, x_row, d_in)
        builder.store(vector, builder.gep(kept, [loop.index]))
    return [[builder.load(builder.gep(kept, [_I64(r)]))] for r in range(TILE_ROWS)]


def _finish(operands: Operands, vectors: list[list[Any]]) -> None:
    """out = or += lane sums * scales + bias. vectors are ordered by token, then row."""
    builder = operands.builder
    floats, ints = ir.VectorType(_FLOAT, TILE_ROWS), ir.VectorType(_I32, TILE_ROWS)
    w_scale, bias = (operands.load(0, name, operands.row, floats) for name in ("scales", "bias"))
    at_once = vectors[0][0].type.count // TILE_ROWS
    t = 0
    while t < len(vectors):
        n = 1 << (min(len(vectors) - t, at_once).bit_length() - 1)
        totals = emit_sums(builder, [vector for row in vectors[t : t + n] for vector in row])
        at = [builder.add(operands.token, _I64(t + i)) for i in range(n)]

        def of_tokens(name: str, at: list[Any] = at) -> Any:
            """What the input has for each token, for each of the rows."""
            values = [operands.load(2, name, a) for a in at]
            return joined(builder, [splat(builder, value, TILE_ROWS) for value in values])

        if operands.is_bytes:
            zeros = builder.sub(
                of_tokens("zeros"), splat(builder, _I32(BYTE_OFFSET), totals.type.count)
            )
            sums = operands.load(0, "row_sums", operands.row, ints)
            totals = builder.sub(totals, builder.mul(joined(builder, [sums] * n), zeros))
        scale = builder.fmul(joined(builder, [w_scale] * n), of_tokens("scales"))
        value = builder.fmul(builder.sitofp(totals, scale.type), scale)
        value = builder.fadd(value, joined(builder, [bias] * n))
        parts = (range(i * TILE_ROWS, (i + 1) * TILE_ROWS) for i in range(n))
        operands.write(at[0], [picked(builder, value, value, list(part)) for part in parts])
        t += n
