"""Numba intrinsics over tiles/dot.py: a dot product, and tiles of `matmul` with scale and bias."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles.dot import (
    byte_dots,
    byte_offset,
    emit_dots,
    emit_sums,
    exact_dots,
    joined,
    lane_sum_of,
    load,
    picked,
    splat,
)

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FLOAT = ir.FloatType()
TILE_ROWS = 4
VECTOR = TIER.vector
BYTE_VECTOR = TIER.byte_vector
BYTE_OFFSET = byte_offset(TIER)
"""`dot` and the tiles take this off each uint8."""
_STREAM_AHEAD = 2048  # bytes; the fastest of 512 to 8192 (docs/log.md)


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
        dots = _dots(builder, x)
        ((vector,),) = emit_dots(builder, dots, [w_row], [x_row], k, _I64(_STREAM_AHEAD))
        return lane_sum_of(builder, vector)

    return types.int32(w, types.intp, x, types.intp, types.intp), codegen


def _dots(builder: Any, x: Any) -> Any:
    """How to multiply with an array of this Numba type."""
    return (byte_dots if x.dtype == types.uint8 else exact_dots)(builder, TIER)


def linear_tile(n_tokens: int, *, streams: bool) -> Any:
    """An intrinsic: `matmul` for TILE_ROWS rows of a linear and n_tokens rows of x.

    streams: the weights come from memory; those of the next tile are prefetched.
    """

    @intrinsic
    def tile(
        typingctx: Any, linear: Any, row: Any, x: Any, token: Any, d_in: Any, adds: Any, out: Any,
        d_out: Any,
    ) -> Any:  # fmt: skip
        """From row `row` of the linear and `token` of x on. d_in is a multiple of the vector."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _Place(context, builder, signature, args, n_tokens)
            dots = _dots(builder, x.types[x.fields.index("q")])
            ahead = builder.mul(place.d_in, _I64(TILE_ROWS)) if streams else None
            sums = emit_dots(builder, dots, place.w_rows, place.x_rows, place.d_in, ahead)
            place.finish([sums[r][t] for t in range(n_tokens) for r in range(TILE_ROWS)])
            return context.get_dummy_value()

        index = types.intp
        return types.void(linear, index, x, index, index, types.boolean, out, index), codegen

    return tile


class _Place:
    """The operands and the output of a tile, from the arguments of linear_tile."""

    def __init__(
        self, context: Any, builder: Any, signature: Any, args: Any, n_tokens: int
    ) -> None:
        self._context, self._builder = context, builder
        self._types, self._args = signature.args, args
        self._n_tokens = n_tokens
        _, self._row, _, self._token, self.d_in, self._adds, _, self._d_out = args
        self._out = data_of(context, builder, signature, args, 6)
        self._is_bytes = "row_sums" in self._types[0].fields
        self.w_rows = self._rows(self._field(0, "weight"), self._row, TILE_ROWS)
        self.x_rows = self._rows(self._field(2, "q"), self._token, n_tokens)

    def _field(self, i: int, name: str) -> Any:
        """The address of an array in argument i, a NamedTuple."""
        at = self._types[i].fields.index(name)
        value = self._builder.extract_value(self._args[i], at)
        return make_array(self._types[i].types[at])(self._context, self._builder, value).data

    def _rows(self, data: Any, first: Any, n: int) -> list[Any]:
        builder = self._builder
        places = [builder.mul(builder.add(first, _I64(j)), self.d_in) for j in range(n)]
        return [builder.gep(data, [place]) for place in places]

    def finish(self, vectors: list[Any]) -> None:
        """out = or += lane sums * scales + bias. vectors are ordered by token, then row."""
        builder = self._builder
        floats = ir.VectorType(_FLOAT, TILE_ROWS)
        w_scale = load(builder, self._field(0, "scales"), self._row, floats, align=4)
        shift = load(builder, self._field(0, "bias"), self._row, floats, align=4)
        scales = self._field(2, "scales")
        t = 0
        while t < self._n_tokens:
            n = 1 << (min(self._n_tokens - t, vectors[0].type.count // TILE_ROWS).bit_length() - 1)
            totals = emit_sums(builder, vectors[t * TILE_ROWS : (t + n) * TILE_ROWS])
            at = [builder.add(self._token, _I64(t + i)) for i in range(n)]
            if self._is_bytes:
                totals = builder.sub(totals, self._zero_parts(at))
            x_scales = [builder.load(builder.gep(scales, [a])) for a in at]
            x_scale = joined(builder, [splat(builder, scale, TILE_ROWS) for scale in x_scales])
            scale = builder.fmul(joined(builder, [w_scale] * n), x_scale)
            value = builder.fmul(builder.sitofp(totals, scale.type), scale)
            value = builder.fadd(value, joined(builder, [shift] * n))
            starts = [builder.add(builder.mul(a, self._d_out), self._row) for a in at]
            places = [
                builder.bitcast(builder.gep(self._out, [start]), floats.as_pointer())
                for start in starts
            ]
            old = joined(builder, [builder.load(place, align=4) for place in places])
            # Adding -0.0 does not change any bit.
            nothing = ir.Constant(old.type, [-0.0] * old.type.count)
            value = builder.fadd(value, builder.select(self._adds, old, nothing))
            for i, place in enumerate(places):
                part = list(range(i * TILE_ROWS, (i + 1) * TILE_ROWS))
                builder.store(picked(builder, value, value, part), place, align=4)
            t += n

    def _zero_parts(self, at: list[Any]) -> Any:
        """What the zero points of these tokens add to the sums: row sums times zero points."""
        builder = self._builder
        ints = ir.VectorType(_I32, TILE_ROWS)
        sums = load(builder, self._field(0, "row_sums"), self._row, ints, align=4)
        zeros = [builder.load(builder.gep(self._field(2, "zeros"), [a])) for a in at]
        zeros = [builder.sub(zero, _I32(BYTE_OFFSET)) for zero in zeros]
        zero = joined(builder, [splat(builder, value, TILE_ROWS) for value in zeros])
        return builder.mul(joined(builder, [sums] * len(at)), zero)
