"""The output of attention: values of int8, added up with weights of int16.

Each output has the same bits whatever the size of the tile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import loop, splat
from pythia_cli.kernels.tiles.pairs import (
    FLOATS,
    ZEROS,
    added_in_pairs,
    fetch_ahead,
    pointers,
    splat_pair,
    store_floats,
    widened,
)

_I64 = ir.IntType(64)


def _mix_tile(n_queries: int, n_vectors: int) -> Any:
    """An intrinsic: weighted sums of values for n_queries, n_vectors * LANES dimensions each."""

    @intrinsic
    def mix_tile(
        typingctx: Any, weights: Any, stride: Any, scales: Any, values: Any, values_at: Any,
        width: Any, n_pairs: Any, out: Any, out_at: Any, out_stride: Any,
    ) -> Any:  # fmt: skip
        """out.flat[out_at + j * out_stride + d] = scales[j] sum_t w_jt v_td.

        For queries j < n_queries, positions t < 2 * n_pairs, dimensions d < n_vectors * LANES.
        w_jt is weights.flat[j * stride + t].
        v_td is values.flat[values_at + t // 2 * width + 2 * d + t % 2].
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            weights, scales, values, out = (
                data_of(context, builder, signature, args, i) for i in (0, 2, 3, 7)
            )
            stride, values_at, width, n_pairs, out_at, out_stride = (
                args[i] for i in (1, 4, 5, 6, 8, 9)
            )
            w_rows = pointers(builder, weights, _I64(0), stride, n_queries)

            def pairs(i: Any, sums: list[Any]) -> list[Any]:
                row = builder.add(values_at, builder.mul(i, width))
                if n_queries == 1:
                    fetch_ahead(builder, builder.gep(values, [row]), n_vectors * 2 * LANES)
                vs = [
                    widened(builder, values, builder.add(row, _I64(v * 2 * LANES)))
                    for v in range(n_vectors)
                ]
                ws = [splat_pair(builder, w_row, i) for w_row in w_rows]
                products = ((w, v) for w in ws for v in vs)
                return [
                    added_in_pairs(builder, s, *wv) for s, wv in zip(sums, products, strict=True)
                ]

            totals = loop(builder, n_pairs, [ZEROS] * (n_queries * n_vectors), pairs)
            for j, row in enumerate(pointers(builder, out, out_at, out_stride, n_queries)):
                scale = splat(builder, builder.load(builder.gep(scales, [_I64(j)])), LANES)
                own = totals[j * n_vectors : (j + 1) * n_vectors]
                floats = [builder.fmul(builder.sitofp(total, FLOATS), scale) for total in own]
                store_floats(builder, row, floats)
            return context.get_dummy_value()

        n = types.intp
        return types.void(weights, n, scales, values, n, n, n, out, n, n), codegen

    return mix_tile


mix_tile = _mix_tile(TIER.n_queries, TIER.n_vectors)
mix_tile_narrow = _mix_tile(TIER.n_queries, 1)
mix_tile_1x4 = _mix_tile(1, 4)
mix_tile_1x1 = _mix_tile(1, 1)
