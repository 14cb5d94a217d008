"""Register tiles of attention: several queries against a block of 16-bit keys or values.

The code uses LLVM vectors of LANES floats, which LLVM splits to the width of the processor. Each
output is one chain of fused multiply-adds in the order of the inputs, whatever the size of the
tile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import LANES

_I16, _I32, _I64, _FLOAT = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS = ir.VectorType(_FLOAT, LANES)
_INT16S = ir.VectorType(_I16, LANES)
_INT32S = ir.VectorType(_I32, LANES)


def _score_tile(n_queries: int, n_blocks: int) -> Any:
    """An intrinsic: scores of n_queries with n_blocks consecutive blocks of LANES keys."""

    @intrinsic
    def score_tile(
        typingctx: Any, q: Any, q_at: Any, q_stride: Any, keys: Any, keys_at: Any, d_head: Any,
        scores: Any, scores_at: Any, scores_stride: Any,
    ) -> Any:  # fmt: skip
        """scores.flat[scores_at + j * scores_stride + p] = sum_i q_ji k_pi.

        For queries j < n_queries and keys p < n_blocks * LANES.
        q_ji is q.flat[q_at + j * q_stride + i].
        k_pi is keys.flat[keys_at + (p // LANES * d_head + i) * LANES + p % LANES].
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, q_at, q_stride, _, keys_at, d_head, _, scores_at, scores_stride = args
            q_rows = _rows(context, builder, signature, args, 0, q_at, q_stride, n_queries)
            block = builder.mul(d_head, _I64(LANES))
            key_rows = _rows(context, builder, signature, args, 3, keys_at, block, n_blocks)
            out = _rows(context, builder, signature, args, 6, scores_at, scores_stride, n_queries)

            def term(i: Any) -> list[list[tuple[Any, Any]]]:
                at = builder.mul(i, _I64(LANES))
                ks = [_widened(builder, builder.gep(row, [at])) for row in key_rows]
                qs = [_splat(builder, builder.load(builder.gep(row, [i]))) for row in q_rows]
                return [[(q, k) for k in ks] for q in qs]

            start = [[ir.Constant(_FLOATS, [0.0] * LANES)] * n_blocks for _ in range(n_queries)]
            for row, sums in zip(out, _chains(builder, d_head, start, term), strict=True):
                _store(builder, row, sums)
            return context.get_dummy_value()

        index = types.intp
        signature = types.void(q, index, index, keys, index, index, scores, index, index)
        return signature, codegen

    return score_tile


def _mix_tile(n_queries: int, n_vectors: int) -> Any:
    """An intrinsic: weighted sums of values for n_queries, n_vectors * LANES dimensions each."""

    @intrinsic
    def mix_tile(
        typingctx: Any, p: Any, p_at: Any, p_stride: Any, values: Any, values_at: Any,
        values_stride: Any, n_positions: Any, out: Any, out_at: Any, out_stride: Any,
    ) -> Any:  # fmt: skip
        """out.flat[out_at + j * out_stride + d] = sum_t p_jt v_td.

        For queries j < n_queries, positions t < n_positions, dimensions d < n_vectors * LANES.
        p_jt is p.flat[p_at + j * p_stride + t].
        v_td is values.flat[values_at + t * values_stride + d].
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, p_at, p_stride, _, values_at, values_stride, n_positions, _, out_at, out_stride = (
                args
            )
            p_rows = _rows(context, builder, signature, args, 0, p_at, p_stride, n_queries)
            (first,) = _rows(context, builder, signature, args, 3, values_at, p_stride, 1)
            out = _rows(context, builder, signature, args, 7, out_at, out_stride, n_queries)

            def term(t: Any) -> list[list[tuple[Any, Any]]]:
                row = builder.gep(first, [builder.mul(t, values_stride)])
                vs = [
                    _widened(builder, builder.gep(row, [_I64(i * LANES)])) for i in range(n_vectors)
                ]
                ps = [_splat(builder, builder.load(builder.gep(r, [t]))) for r in p_rows]
                return [[(p, v) for v in vs] for p in ps]

            start = [[ir.Constant(_FLOATS, [0.0] * LANES)] * n_vectors for _ in range(n_queries)]
            for row, sums in zip(out, _chains(builder, n_positions, start, term), strict=True):
                _store(builder, row, sums)
            return context.get_dummy_value()

        index = types.intp
        signature = types.void(p, index, index, values, index, index, index, out, index, index)
        return signature, codegen

    return mix_tile


def _rows(
    context: Any, builder: Any, signature: Any, args: Any, i: int, at: Any, stride: Any, n: int
) -> list[Any]:
    """n pointers into the array of argument i: to element `at`, then every `stride` elements."""
    data = make_array(signature.args[i])(context, builder, args[i]).data
    return [builder.gep(data, [builder.add(at, builder.mul(stride, _I64(j)))]) for j in range(n)]


def _widened(builder: Any, place: Any) -> Any:
    """Load LANES int16s, converted to floats."""
    vector = builder.load(builder.bitcast(place, _INT16S.as_pointer()), align=2)
    return builder.sitofp(builder.sext(vector, _INT32S), _FLOATS)


def _splat(builder: Any, value: Any) -> Any:
    vector = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), value, _I64(0))
    return builder.shuffle_vector(vector, vector, ir.Constant(_INT32S, [0] * LANES))


def _store(builder: Any, row: Any, vectors: list[Any]) -> None:
    for i, vector in enumerate(vectors):
        place = builder.gep(row, [_I64(i * LANES)])
        builder.store(vector, builder.bitcast(place, _FLOATS.as_pointer()), align=4)


def _chains(builder: Any, n: Any, start: list[list[Any]], term: Any) -> list[list[Any]]:
    """Emit a loop over i < n, n >= 1: sum = fma(a, b, sum) for each (a, b) of term(i)."""
    before = builder.block
    loop = builder.append_basic_block("chains")
    after = builder.append_basic_block("chains.end")
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(_I64)
    i.add_incoming(_I64(0), before)
    sums = [[builder.phi(_FLOATS) for _ in row] for row in start]
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), f"llvm.fma.v{LANES}f32"
    )
    ended = [
        [builder.call(fma, [a, b, s]) for (a, b), s in zip(pairs, row, strict=True)]
        for pairs, row in zip(term(i), sums, strict=True)
    ]
    for row, first, last in zip(sums, start, ended, strict=True):
        for s, a, b in zip(row, first, last, strict=True):
            s.add_incoming(a, before)
            s.add_incoming(b, loop)
    next_i = builder.add(i, _I64(1))
    i.add_incoming(next_i, loop)
    builder.cbranch(builder.icmp_signed("<", next_i, n), loop, after)
    builder.position_at_end(after)
    return ended


score_tile = _score_tile(TIER.n_queries, TIER.n_vectors)
score_tile_narrow = _score_tile(TIER.n_queries, 1)
score_tile_1x4 = _score_tile(1, 4)
score_tile_1x1 = _score_tile(1, 1)
mix_tile = _mix_tile(TIER.n_queries, TIER.n_vectors)
mix_tile_narrow = _mix_tile(TIER.n_queries, 1)
mix_tile_1x4 = _mix_tile(1, 4)
mix_tile_1x1 = _mix_tile(1, 1)
