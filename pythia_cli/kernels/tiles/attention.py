"""Register tiles of attention: several queries against a block of 8-bit keys or values.

Queries and weights are int16. Products of pairs are added exactly in int32, so their order does not
matter; the rest is float32, in the same order whatever the size of the tile. The code uses LLVM
vectors of LANES numbers, which LLVM splits to the width of the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.jit.prefetch import emit_prefetch
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import joined, load, loop, picked, splat

_I8, _I16, _I32, _I64, _FLOAT = (
    *(ir.IntType(bits) for bits in (8, 16, 32, 64)),
    ir.FloatType(),
)
_FLOATS, _INT32S = ir.VectorType(_FLOAT, LANES), ir.VectorType(_I32, LANES)
_INT16S, _INT8S = ir.VectorType(_I16, 2 * LANES), ir.VectorType(_I8, 2 * LANES)

_AHEAD = 4096  # bytes that are prefetched for a single query


def _score_tile(n_queries: int, n_blocks: int) -> Any:
    """An intrinsic: scores of n_queries with n_blocks consecutive blocks of LANES keys."""

    @intrinsic
    def score_tile(
        typingctx: Any, q: Any, q_scales: Any, turns: Any, keys: Any, keys_at: Any, n_pairs: Any,
        key_scales: Any, scales_at: Any, rotations: Any, n_turns: Any, block: Any, scores: Any,
        stride: Any,
    ) -> Any:  # fmt: skip
        """scores[j, block * LANES + p] for queries j < n_queries and keys p < n_blocks * LANES.

        It is (sum_i q_ji k_pi) q_scales[j] key_scales.flat[scales_at + p] + sum_r turns_jr c_rp.
        q is [n_queries, 2 * n_pairs], turns is [n_queries, n_turns], stride is that of scores.
        k_pi is keys.flat[keys_at + (b * n_pairs + i // 2) * 2 * LANES + 2 * (p % LANES) + i % 2],
        where b is p // LANES.
        c_rp is rotations[block + p // LANES, r, p % LANES].
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            q, q_scales, turns, keys, key_scales, rotations, scores = (
                data_of(context, builder, signature, args, i) for i in (0, 1, 2, 3, 6, 8, 11)
            )
            keys_at, n_pairs, scales_at, n_turns, block, stride = (
                args[i] for i in (4, 5, 7, 9, 10, 12)
            )
            width = builder.mul(n_pairs, _I64(2))
            q_rows = _rows(builder, q, _I64(0), width, n_queries)
            key_rows = _rows(builder, keys, keys_at, builder.mul(width, _I64(LANES)), n_blocks)

            def pairs(i: Any, sums: list[Any]) -> list[Any]:
                at = builder.mul(i, _I64(2 * LANES))
                if n_queries == 1:  # memory is what takes the time
                    for row in key_rows:
                        emit_prefetch(builder, builder.gep(row, [builder.add(at, _I64(_AHEAD))]))
                ks = [_widened(builder, row, at) for row in key_rows]
                qs = [_splat_pair(builder, row, i) for row in q_rows]
                products = ((q, k) for q in qs for k in ks)
                return [_added(builder, s, *qk) for s, qk in zip(sums, products, strict=True)]

            zeros = [ir.Constant(_INT32S, [0] * LANES)] * (n_queries * n_blocks)
            totals = loop(builder, n_pairs, zeros, pairs)
            scales = [
                load(builder, key_scales, builder.add(scales_at, _I64(b * LANES)), _FLOATS, align=4)
                for b in range(n_blocks)
            ]
            values = []
            for j in range(n_queries):
                q_scale = splat(builder, builder.load(builder.gep(q_scales, [_I64(j)])), LANES)
                for b in range(n_blocks):
                    total = builder.sitofp(totals[j * n_blocks + b], _FLOATS)
                    values.append(builder.fmul(total, builder.fmul(q_scale, scales[b])))
            turn_rows = _rows(builder, turns, _I64(0), n_turns, n_queries)
            per_block = builder.mul(n_turns, _I64(LANES))
            first = builder.mul(block, per_block)
            tables = _rows(builder, rotations, first, per_block, n_blocks)

            def turned(i: Any, values: list[Any]) -> list[Any]:
                at = builder.mul(i, _I64(LANES))
                cs = [load(builder, table, at, _FLOATS, align=4) for table in tables]
                ts = [splat(builder, builder.load(builder.gep(r, [i])), LANES) for r in turn_rows]
                terms = ((t, c) for t in ts for c in cs)
                return [_fma(builder, *tc, v) for v, tc in zip(values, terms, strict=True)]

            values = loop(builder, n_turns, values, turned)
            at = builder.mul(block, _I64(LANES))
            for j, row in enumerate(_rows(builder, scores, at, stride, n_queries)):
                _store(builder, row, values[j * n_blocks : (j + 1) * n_blocks])
            return context.get_dummy_value()

        n = types.intp
        arguments = (q, q_scales, turns, keys, n, n, key_scales, n, rotations, n, n, scores, n)
        return types.void(*arguments), codegen

    return score_tile


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
            w_rows = _rows(builder, weights, _I64(0), stride, n_queries)

            def pairs(i: Any, sums: list[Any]) -> list[Any]:
                row = builder.add(values_at, builder.mul(i, width))
                if n_queries == 1:
                    for at in range(0, n_vectors * 2 * LANES, 64):
                        emit_prefetch(
                            builder, builder.gep(values, [builder.add(row, _I64(at + _AHEAD))])
                        )
                vs = [
                    _widened(builder, values, builder.add(row, _I64(v * 2 * LANES)))
                    for v in range(n_vectors)
                ]
                ws = [_splat_pair(builder, w_row, i) for w_row in w_rows]
                products = ((w, v) for w in ws for v in vs)
                return [_added(builder, s, *wv) for s, wv in zip(sums, products, strict=True)]

            zeros = [ir.Constant(_INT32S, [0] * LANES)] * (n_queries * n_vectors)
            totals = loop(builder, n_pairs, zeros, pairs)
            for j, row in enumerate(_rows(builder, out, out_at, out_stride, n_queries)):
                scale = splat(builder, builder.load(builder.gep(scales, [_I64(j)])), LANES)
                own = totals[j * n_vectors : (j + 1) * n_vectors]
                floats = [builder.fmul(builder.sitofp(total, _FLOATS), scale) for total in own]
                _store(builder, row, floats)
            return context.get_dummy_value()

        n = types.intp
        return types.void(weights, n, scales, values, n, n, n, out, n, n), codegen

    return mix_tile


def _rows(builder: Any, data: Any, at: Any, stride: Any, n: int) -> list[Any]:
    """n pointers into an array: to element `at`, then every `stride` elements."""
    return [builder.gep(data, [builder.add(at, builder.mul(stride, _I64(j)))]) for j in range(n)]


def _widened(builder: Any, row: Any, at: Any) -> Any:
    """Load 2 * LANES int8s as int16s."""
    return builder.sext(load(builder, row, at, _INT8S, align=1), _INT16S)


def _splat_pair(builder: Any, row: Any, i: Any) -> Any:
    """The int16s 2i and 2i + 1 of a row, LANES times."""
    pair = builder.load(builder.gep(builder.bitcast(row, _I32.as_pointer()), [i]), align=2)
    return builder.bitcast(splat(builder, pair, LANES), _INT16S)


def _added(builder: Any, total: Any, a: Any, b: Any) -> Any:
    """total [LANES] int32 + the products of a and b [2 * LANES] int16, added in pairs."""
    if "pmadd" in TIER.instruction:
        n = TIER.vector
        int16s, int32s = ir.VectorType(_I16, n), ir.VectorType(_I32, n // 2)
        function = ir.FunctionType(int32s, [int16s, int16s])
        madd = cgutils.get_or_insert_function(builder.module, function, TIER.instruction)
        parts = [
            builder.call(madd, [picked(builder, x, x, list(range(at, at + n))) for x in (a, b)])
            for at in range(0, 2 * LANES, n)
        ]
        return builder.add(total, joined(builder, parts))
    for first in (0, 1):
        lanes = list(range(first, 2 * LANES, 2))
        x, y = (builder.sext(picked(builder, v, v, lanes), _INT32S) for v in (a, b))
        total = builder.add(total, builder.mul(x, y))
    return total


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    function = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    name = f"llvm.fma.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [a, b, c])


def _store(builder: Any, row: Any, vectors: list[Any]) -> None:
    for i, vector in enumerate(vectors):
        place = builder.gep(row, [_I64(i * LANES)])
        builder.store(vector, builder.bitcast(place, _FLOATS.as_pointer()), align=4)


score_tile = _score_tile(TIER.n_queries, TIER.n_vectors)
score_tile_narrow = _score_tile(TIER.n_queries, 1)
score_tile_1x4 = _score_tile(1, 4)
score_tile_1x1 = _score_tile(1, 1)
mix_tile = _mix_tile(TIER.n_queries, TIER.n_vectors)
mix_tile_narrow = _mix_tile(TIER.n_queries, 1)
mix_tile_1x4 = _mix_tile(1, 4)
mix_tile_1x1 = _mix_tile(1, 1)
