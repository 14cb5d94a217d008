"""Numba intrinsics over tiles/dot.py: a dot product, and tiles of `matmul` with scale and bias."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles.dot import (
    emit_dots,
    emit_sums,
    joined,
    lane_sum_of,
    load,
    picked,
    splat,
)

_I64 = ir.IntType(64)
_FLOAT = ir.FloatType()
TILE_ROWS = 4
_STREAM_AHEAD = 2048  # bytes; the fastest of 512 to 8192 (docs/log.md)


@intrinsic
def dot(typingctx: Any, w: Any, w_at: Any, x: Any, x_at: Any, k: Any) -> Any:
    """The sum of w.flat[w_at + i] * x.flat[x_at + i] over i < k, int32; int8 w, int16 x.

    Both are contiguous. k is a positive multiple of TIER.vector; |x| must be small enough that the
    sum fits in int32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, w_at, _, x_at, k = args
        w_row = builder.gep(data_of(context, builder, signature, args, 0), [w_at])
        x_row = builder.gep(data_of(context, builder, signature, args, 2), [x_at])
        ((vector,),) = emit_dots(builder, TIER, [w_row], [x_row], k, _STREAM_AHEAD)
        return lane_sum_of(builder, vector)

    return types.int32(w, types.intp, x, types.intp, types.intp), codegen


def linear_tile(n_tokens: int) -> Any:
    """An intrinsic: `matmul` for TILE_ROWS rows of w and n_tokens rows of x."""

    @intrinsic
    def tile(
        typingctx: Any, w: Any, w_scales: Any, row: Any, x: Any, x_scales: Any, token: Any,
        d_in: Any, bias: Any, adds: Any, out: Any, d_out: Any,
    ) -> Any:  # fmt: skip
        """From row `row` of w and bias and `token` of x on. d_in is a multiple of TIER.vector."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _Place(context, builder, signature, args, TILE_ROWS, n_tokens)
            sums = emit_dots(builder, TIER, place.w_rows, place.x_rows, place.d_in)
            place.finish([sums[r][t] for t in range(n_tokens) for r in range(TILE_ROWS)])
            return context.get_dummy_value()

        index = types.intp
        signature = types.void(
            w, w_scales, index, x, x_scales, index, index, bias, types.boolean, out, index
        )
        return signature, codegen

    return tile


class _Place:
    """The operands and the output of a tile, from the arguments of linear_tile."""

    def __init__(
        self, context: Any, builder: Any, signature: Any, args: Any, n_rows: int, n_tokens: int
    ) -> None:
        self._builder = builder
        self._n_rows, self._n_tokens = n_rows, n_tokens
        self._row, self._token, self.d_in = args[2], args[5], args[6]
        self._adds, self._d_out = args[8], args[10]
        self._data = {i: data_of(context, builder, signature, args, i) for i in (0, 1, 3, 4, 7, 9)}
        self.w_rows = self._rows(0, self._row, n_rows)
        self.x_rows = self._rows(3, self._token, n_tokens)

    def _rows(self, i: int, first: Any, n: int) -> list[Any]:
        builder = self._builder
        places = [builder.mul(builder.add(first, _I64(j)), self.d_in) for j in range(n)]
        return [builder.gep(self._data[i], [place]) for place in places]

    def finish(self, vectors: list[Any]) -> None:
        """out = or += lane sums * scales + bias. vectors are ordered by token, then row."""
        builder, n_rows = self._builder, self._n_rows
        floats = ir.VectorType(_FLOAT, n_rows)
        w_scale = load(builder, self._data[1], self._row, floats, align=4)
        shift = load(builder, self._data[7], self._row, floats, align=4)
        t = 0
        while t < self._n_tokens:
            n = 1 << (min(self._n_tokens - t, vectors[0].type.count // n_rows).bit_length() - 1)
            totals = emit_sums(builder, vectors[t * n_rows : (t + n) * n_rows])
            at = [builder.add(self._token, _I64(t + i)) for i in range(n)]
            x_scales = [builder.load(builder.gep(self._data[4], [a])) for a in at]
            x_scale = joined(builder, [splat(builder, scale, n_rows) for scale in x_scales])
            scale = builder.fmul(joined(builder, [w_scale] * n), x_scale)
            value = builder.fmul(builder.sitofp(totals, scale.type), scale)
            value = builder.fadd(value, joined(builder, [shift] * n))
            starts = [builder.add(builder.mul(a, self._d_out), self._row) for a in at]
            places = [
                builder.bitcast(builder.gep(self._data[9], [start]), floats.as_pointer())
                for start in starts
            ]
            old = joined(builder, [builder.load(place, align=4) for place in places])
            # Adding -0.0 does not change any bit.
            nothing = ir.Constant(old.type, [-0.0] * old.type.count)
            value = builder.fadd(value, builder.select(self._adds, old, nothing))
            for i, place in enumerate(places):
                part = list(range(i * n_rows, (i + 1) * n_rows))
                builder.store(picked(builder, value, value, part), place, align=4)
            t += n
