"""Scores of attention: queries of int16 against blocks of LANES keys of int8.

Each score has the same bits whatever the size of the tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import function, load, loop, splat
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
_N_SUMS = 4  # of the product of a single query


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
            q_rows = pointers(builder, q, _I64(0), width, n_queries)
            key_rows = pointers(builder, keys, keys_at, builder.mul(width, _I64(LANES)), n_blocks)
            zeros = [ZEROS] * (n_queries * n_blocks)
            totals = loop(builder, n_pairs, zeros, _pair(builder, q_rows, key_rows))
            scales = pointers(builder, key_scales, scales_at, _I64(LANES), n_blocks)
            values = _scaled(builder, totals, q_scales, scales)
            turn_rows = pointers(builder, turns, _I64(0), n_turns, n_queries)
            tables = _tables(builder, rotations, block, n_turns, n_blocks)
            values = _turned(builder, values, turn_rows, tables, n_turns)
            at = builder.mul(block, _I64(LANES))
            for j, row in enumerate(pointers(builder, scores, at, stride, n_queries)):
                store_floats(builder, row, values[j * n_blocks : (j + 1) * n_blocks])
            return context.get_dummy_value()

        n = types.intp
        arguments = (q, q_scales, turns, keys, n, n, key_scales, n, rotations, n, n, scores, n)
        return types.void(*arguments), codegen

    return score_tile


@intrinsic
def product_row(
    typingctx: Any, q: Any, q_scales: Any, keys: Any, keys_at: Any, n_pairs: Any, key_scales: Any,
    scales_at: Any, n_blocks: Any, scores: Any,
) -> Any:  # fmt: skip
    """scores[0] as score_tile makes them, without `turns`: of one query and n_blocks blocks.

    One block after the other is read, and nothing else of that size: otherwise the prefetching, the
    processor's or ours, does not keep up.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        q, q_scales, keys, key_scales, scores = (
            data_of(context, builder, signature, args, i) for i in (0, 1, 2, 5, 8)
        )
        keys_at, n_pairs, scales_at, n_blocks = (args[i] for i in (3, 4, 6, 7))
        per_block = builder.mul(n_pairs, _I64(2 * LANES))
        with cgutils.for_range(builder, n_blocks) as blocks:
            to = builder.mul(blocks.index, _I64(LANES))
            place = builder.add(keys_at, builder.mul(blocks.index, per_block))
            total = _product(builder, q, builder.gep(keys, [place]), n_pairs)
            scale = builder.gep(key_scales, [builder.add(scales_at, to)])
            store_floats(
                builder, builder.gep(scores, [to]), _scaled(builder, [total], q_scales, [scale])
            )
        return context.get_dummy_value()

    n = types.intp
    return types.void(q, q_scales, keys, n, n, key_scales, n, n, scores), codegen


@intrinsic
def turn_row(
    typingctx: Any, turns: Any, rotations: Any, n_turns: Any, n_blocks: Any, scores: Any
) -> Any:
    """scores[0] += the terms of `turns` in score_tile, for one query and n_blocks blocks."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        turns, rotations, scores = (
            data_of(context, builder, signature, args, i) for i in (0, 1, 4)
        )
        n_turns, n_blocks = args[2:4]
        with cgutils.for_range(builder, n_blocks) as blocks:
            row = builder.gep(scores, [builder.mul(blocks.index, _I64(LANES))])
            tables = _tables(builder, rotations, blocks.index, n_turns, 1)
            values = [load(builder, row, _I64(0), FLOATS, align=4)]
            store_floats(builder, row, _turned(builder, values, [turns], tables, n_turns))
        return context.get_dummy_value()

    n = types.intp
    return types.void(turns, rotations, n, n, scores), codegen


def _pair(builder: Any, q_rows: list[Any], key_rows: list[Any]) -> Callable[..., list[Any]]:
    """What adds the products of a pair of dimensions to the sums of each query with each block."""

    def pair(i: Any, sums: list[Any]) -> list[Any]:
        at = builder.mul(i, _I64(2 * LANES))
        ks = [widened(builder, row, at) for row in key_rows]
        qs = [splat_pair(builder, row, i) for row in q_rows]
        products = ((q, k) for q in qs for k in ks)
        return [added_in_pairs(builder, s, *qk) for s, qk in zip(sums, products, strict=True)]

    return pair


def _product(builder: Any, q_row: Any, key_row: Any, n_pairs: Any) -> Any:
    """The integer scores of one query with a block: a single sum would wait for each addition."""
    pair = _pair(builder, [q_row], [key_row])

    def several(i: Any, sums: list[Any]) -> list[Any]:
        place = builder.gep(key_row, [builder.mul(i, _I64(2 * LANES))])
        fetch_ahead(builder, place, _N_SUMS * 2 * LANES)
        return [pair(builder.add(i, _I64(part)), [own])[0] for part, own in enumerate(sums)]

    def left_over(i: Any, first: list[Any]) -> list[Any]:
        return pair(builder.add(whole, i), first)

    whole = builder.and_(n_pairs, _I64(-_N_SUMS))
    first, *others = loop(builder, whole, [ZEROS] * _N_SUMS, several, _N_SUMS)
    (total,) = loop(builder, builder.sub(n_pairs, whole), [first], left_over)
    for other in others:
        total = builder.add(total, other)
    return total


def _scaled(builder: Any, totals: list[Any], q_scales: Any, scales: list[Any]) -> list[Any]:
    """Scores of totals. scales: the addresses of those of keys, by block."""
    by_block = [load(builder, scale, _I64(0), FLOATS, align=4) for scale in scales]
    values = []
    for i, total in enumerate(totals):
        j, b = divmod(i, len(scales))
        q_scale = splat(builder, builder.load(builder.gep(q_scales, [_I64(j)])), LANES)
        scale = builder.fmul(q_scale, by_block[b])
        values.append(builder.fmul(builder.sitofp(total, FLOATS), scale))
    return values


def _tables(builder: Any, rotations: Any, block: Any, n_turns: Any, n_blocks: int) -> list[Any]:
    """The addresses of the tables of consecutive blocks."""
    per_block = builder.mul(n_turns, _I64(LANES))
    return pointers(builder, rotations, builder.mul(block, per_block), per_block, n_blocks)


def _turned(
    builder: Any, values: list[Any], turn_rows: list[Any], tables: list[Any], n_turns: Any
) -> list[Any]:
    """Scores plus the terms of the centre of keys: by query, with all tables of blocks."""

    def turn(i: Any, values: list[Any]) -> list[Any]:
        at = builder.mul(i, _I64(LANES))
        cs = [load(builder, table, at, FLOATS, align=4) for table in tables]
        ts = [splat(builder, builder.load(builder.gep(row, [i])), LANES) for row in turn_rows]
        terms = ((t, c) for t in ts for c in cs)
        return [_fma(builder, *tc, v) for v, tc in zip(values, terms, strict=True)]

    return loop(builder, n_turns, values, turn)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    fma = function(builder, f"llvm.fma.v{LANES}f32", FLOATS, [FLOATS] * 3)
    return builder.call(fma, [a, b, c])


score_tile = _score_tile(TIER.n_queries, TIER.n_vectors)
score_tile_narrow = _score_tile(TIER.n_queries, 1)
