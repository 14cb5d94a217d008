"""Causal attention of new tokens over an 8-bit KV cache, head by head.

engine/kv_cache.py describes the layout of the cache. Keys are kept less their centre c, the same
for all positions before they are rotated: rotated constants would take most of the 8 bits. With the
rotation R(p) of position p, a score is q R(p) k = q R(p) (k - c) + q R(p) c. The last term is added
in float32, as cosines and sines of p, but for dimensions that are not rotated: there it is the same
for all p, and softmax does not change. docs/numerics.md has the errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.jit.prefetch import prefetch_to_read, prefetch_to_write
from pythia_cli.kernels.quantize_rows import quantize_row
from pythia_cli.kernels.rotary import rotate_half
from pythia_cli.kernels.sizes import KEY_BLOCK, MAX_INT16, MAX_INT32, activation_levels
from pythia_cli.kernels.tiles.append import store_every_other, store_pairs
from pythia_cli.kernels.tiles.mix import mix_tile, mix_tile_1x1, mix_tile_1x4, mix_tile_narrow
from pythia_cli.kernels.tiles.scores import product_row, score_tile, score_tile_narrow, turn_row
from pythia_cli.kernels.tiles.weights import to_levels, weighted_exponentials

_QUERIES, _VECTORS = TIER.n_queries, TIER.n_vectors
_LEVELS = 127
_AHEAD = 8  # tokens; so far ahead qkv is prefetched, as rows are too far apart for the processor
_weighted_4, _weighted_1 = weighted_exponentials(4), weighted_exponentials(1)
_query_levels = jit(activation_levels)


@jit
def append_to_cache(
    qkv: Any,
    start: Any,
    rotary: Any,
    centre: Any,
    kv: Any,
    rotated: Any,
    row: Any,
    lo: Any,
    hi: Any,
) -> None:
    """Store k and v of qkv [n_tokens, n_heads * 3 * d_head] in a CachedLayer kv; heads lo..hi.

    Token t has position start + t. rotary: a Rotary. centre [n_heads * 3 * d_head]: its parts for k
    are taken off the keys. rotated [d_head] float32, and row int16 of d_head or more, are scratch.
    """
    keys, key_scales, values, value_scales = kv
    d_head = values.shape[2] // 2
    for t in range(qkv.shape[0]):
        position = start + t
        block, column = position // KEY_BLOCK, 2 * (position % KEY_BLOCK)
        cos, sin = rotary.cos[position], rotary.sin[position]
        for head in range(lo, hi):
            first = head * 3 * d_head
            if t + _AHEAD < qkv.shape[0]:
                prefetch_to_read(qkv, (t + _AHEAD) * qkv.shape[1] + first, 4 * 3 * d_head)
            k = qkv[t, first + d_head : first + 2 * d_head]
            v = qkv[t, first + 2 * d_head : first + 3 * d_head]
            key_at = (head * keys.shape[1] + block) * keys.shape[2] * 2 * KEY_BLOCK + column
            value_at = (head * values.shape[1] + position // 2) * 2 * d_head
            key_centre = centre[first + d_head : first + 2 * d_head]
            for i in range(d_head):
                rotated[i] = k[i] - key_centre[i]
            rotate_half(rotated, cos, sin)
            # The value first: `rotated` was just written number by number, and loads of whole
            # vectors would wait until that is done.
            value_scales[head, position] = quantize_row(v, _LEVELS, row)
            store_every_other(row, d_head, values, value_at, position % 2)
            key_scales[head, position] = quantize_row(rotated, _LEVELS, row)
            store_pairs(row, d_head // 2, keys, key_at, 2 * KEY_BLOCK)
            if d_head % 2:
                keys[head, block, d_head // 2, column] = np.int8(row[d_head - 1])


@jit
def _rotate(q: Any, cos: Any, sin: Any, rotated: Any) -> None:
    """rotated [d_head] = q, rotated."""
    for i in range(q.shape[0]):
        rotated[i] = q[i]
    rotate_half(rotated, cos, sin)


@jit
def _prepare(rotated: Any, centre: Any, half: Any, j: Any, tile: Any) -> None:
    """Quantize a rotated query [d_head], and find its terms with the centre [d_head] of keys.

    With c rotated by the angle a, q c is the sum of (q_i c_i + q_(i+h) c_(i+h)) cos a +
    (q_(i+h) c_i - q_i c_(i+h)) sin a.
    """
    d_head = rotated.shape[0]
    scale = np.float32(1.0 / np.sqrt(np.float64(d_head)))
    tile.q_scales[j] = quantize_row(rotated, _query_levels(d_head), tile.q[j]) * scale
    for i in range(half):
        a, b = rotated[i] * scale, rotated[i + half] * scale
        tile.turns[j, i] = a * centre[i] + b * centre[i + half]
        tile.turns[j, i + half] = b * centre[i] - a * centre[i + half]


@jit
def _scores(n_queries: Any, kv: Any, head: Any, n_blocks: Any, rotary: Any, tile: Any) -> None:
    """tile.scores[j, p] = q_j k_p / sqrt(d_head), for n_queries (1 or _QUERIES) and n_blocks."""
    keys, key_scales, tables = kv[0], kv[1], rotary.blocks
    n_pairs, n_turns, stride = keys.shape[2], tables.shape[1], tile.scores.shape[1]
    per_block = n_pairs * 2 * KEY_BLOCK
    at, scale_at = head * keys.shape[1] * per_block, head * key_scales.shape[1]
    if n_queries == 1:
        product_row(
            tile.q, tile.q_scales, keys, at, n_pairs, key_scales, scale_at, n_blocks, tile.scores
        )
        turn_row(tile.turns, tables, n_turns, n_blocks, tile.scores)
        return
    block = 0
    while block + _VECTORS <= n_blocks:
        score_tile(
            tile.q, tile.q_scales, tile.turns, keys, at + block * per_block, n_pairs, key_scales,
            scale_at + block * KEY_BLOCK, tables, n_turns, block, tile.scores, stride,
        )  # fmt: skip
        block += _VECTORS
    for last in range(block, n_blocks):
        score_tile_narrow(
            tile.q, tile.q_scales, tile.turns, keys, at + last * per_block, n_pairs, key_scales,
            scale_at + last * KEY_BLOCK, tables, n_turns, last, tile.scores, stride,
        )  # fmt: skip


@jit
def _weigh(n_queries: Any, value_scales: Any, n_visible: Any, n_blocks: Any, tile: Any) -> None:
    """The weights of values for n_queries, from their scores: softmax times value scale.

    Query j sees n_visible + j values. The weights are int16, with as many levels as int32 sums
    allow; 0 for others in n_blocks. The scale that they lack is in tile.out_scales.
    """
    j = 0
    while j < n_queries:
        if j + 4 <= n_queries:
            _weighted_4(tile.scores, j, n_visible + j, n_blocks, value_scales, tile.sums)
            j += 4
        else:
            _weighted_1(tile.scores, j, n_visible + j, n_blocks, value_scales, tile.sums)
            j += 1
    for j in range(n_queries):
        _round(j, n_visible + j, n_blocks, tile)


@jit
def _round(j: Any, n_visible: Any, n_blocks: Any, tile: Any) -> None:
    """The weights of query j in levels."""
    total, weight, largest = tile.sums[j, 0], tile.sums[j, 1], tile.sums[j, 2]
    # The sum of |weights| must stay below this. Each is rounded up by half a level at most, and the
    # float sum by less than a thousandth.
    most = np.float64(MAX_INT32 // _LEVELS) * 0.999 - np.float64(n_visible)
    levels = most * np.float64(largest) / np.float64(weight)
    if levels > np.float64(MAX_INT16):
        levels = np.float64(MAX_INT16)
    levels = np.floor(levels)
    factor, scale = np.float32(0.0), np.float32(0.0)
    if not largest < np.float32(1e-37):  # also if it is NaN; smaller ones have no inverse
        factor = np.float32(levels) / largest
        scale = np.float32(np.float64(largest) / (levels * np.float64(total)))
    tile.out_scales[j] = scale
    to_levels(tile.scores[j], factor, n_blocks, tile.weights[j])


@jit
def _mix(n_queries: Any, n_pairs: Any, kv: Any, head: Any, tile: Any, out: Any, at: Any) -> None:
    """out.flat[at + j * out.shape[1] + d] = the weighted sum of values; n_pairs of positions."""
    values, weights, scales = kv[2], tile.weights, tile.out_scales
    width, w_stride, stride = values.shape[2], weights.shape[1], out.shape[1]
    d_head = width // 2
    first = head * values.shape[1] * width
    d = 0
    while d + KEY_BLOCK <= d_head:
        v_at, to = first + 2 * d, at + d
        if n_queries > 1 and d + _VECTORS * KEY_BLOCK <= d_head:
            mix_tile(weights, w_stride, scales, values, v_at, width, n_pairs, out, to, stride)
            d += _VECTORS * KEY_BLOCK
        elif n_queries > 1:
            mix_tile_narrow(
                weights, w_stride, scales, values, v_at, width, n_pairs, out, to, stride
            )
            d += KEY_BLOCK
        elif d + 4 * KEY_BLOCK <= d_head:
            mix_tile_1x4(weights, w_stride, scales, values, v_at, width, n_pairs, out, to, stride)
            d += 4 * KEY_BLOCK
        else:
            mix_tile_1x1(weights, w_stride, scales, values, v_at, width, n_pairs, out, to, stride)
            d += KEY_BLOCK
    row, column = at // stride, at % stride
    for j in range(n_queries):
        for i in range(d, d_head):
            total = np.int32(0)
            for t in range(2 * n_pairs):
                value = np.int32(values[head, t // 2, 2 * i + t % 2])
                total = np.int32(total + np.int32(np.int32(weights[j, t]) * value))
            out[row + j, column + i] = np.float32(total) * scales[j]


@jit
def _show(tile: Any, n_queries: Any, n_visible: Any, head: Any, row: Any, shown: Any) -> None:
    """shown[head, row + j] = the scores of query j, and -inf where it sees nothing."""
    for j in range(n_queries):
        for p in range(shown.shape[2]):
            is_seen = p < n_visible + j
            shown[head, row + j, p] = tile.scores[j, p] if is_seen else np.float32(-np.inf)


@jit
def attention(
    qkv: Any,
    start: Any,
    rotary: Any,
    centre: Any,
    kv: Any,
    tile: Any,
    shown: Any,
    row: Any,
    out: Any,
    lo: Any,
    hi: Any,
) -> None:
    """out [n_tokens, n_heads * d_head] = softmax(q k / sqrt(d_head)) v, causal; heads lo..hi.

    kv comes from append_to_cache, which had the same qkv, rotary and centre. tile: a Tile, whose
    n_positions are at least those of kv. shown [n_heads, n_rows, n_positions]: the scores, from
    this row on, but for what is the same for all keys of a query; or empty.
    """
    n_tokens = qkv.shape[0]
    d_head, half = kv[2].shape[2] // 2, rotary.cos.shape[1]
    for head in range(lo, hi):
        first = head * 3 * d_head
        key_centre = centre[first + d_head : first + 2 * d_head]
        t = 0
        while t < n_tokens:
            n_queries = _QUERIES if t + _QUERIES <= n_tokens else 1
            if n_queries > 1:
                for j in range(n_queries):
                    at = (t + j) * out.shape[1] + head * d_head
                    prefetch_to_write(out, at, 4 * d_head)
            # Computed for all positions that the last query of the tile sees. For the other
            # queries, later positions get weight 0.
            n_pairs = (start + t + n_queries + 1) // 2
            n_blocks = (2 * n_pairs + KEY_BLOCK - 1) // KEY_BLOCK
            for j in range(n_queries):
                q, position = qkv[t + j, first : first + d_head], start + t + j
                _rotate(q, rotary.cos[position], rotary.sin[position], tile.rotated[j])
            for j in range(n_queries):  # apart from the above, for the reason in append_to_cache
                _prepare(tile.rotated[j], key_centre, half, j, tile)
            _scores(n_queries, kv, head, n_blocks, rotary, tile)
            if shown.shape[0] > 0:
                _show(tile, n_queries, start + t + 1, head, row + t, shown)
            _weigh(n_queries, kv[3][head], start + t + 1, n_blocks, tile)
            _mix(n_queries, n_pairs, kv, head, tile, out, t * out.shape[1] + head * d_head)
            t += n_queries
