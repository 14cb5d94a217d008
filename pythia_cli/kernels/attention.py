"""Causal attention of new tokens over a 16-bit KV cache, head by head.

engine/kv_cache.py describes the layout of the cache. Scores vectorise over the positions in a block
of keys; the weighted sums of values vectorise over d_head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.jit.signature import Floats4, Int16s5, Int16s6
from pythia_cli.kernels.quantize_rows import quantize_row
from pythia_cli.kernels.rotary import rotate_half
from pythia_cli.kernels.simd import fma
from pythia_cli.kernels.sizes import KEY_BLOCK, MAX_INT16
from pythia_cli.kernels.softmax import softmax
from pythia_cli.kernels.tiles.attention import (
    mix_tile,
    mix_tile_1x1,
    mix_tile_1x4,
    mix_tile_narrow,
    score_tile,
    score_tile_1x1,
    score_tile_1x4,
    score_tile_narrow,
)

_QUERIES, _VECTORS = TIER.n_queries, TIER.n_vectors


class CachedTexts(NamedTuple):
    """Keys and values. The first two axes of each array are layers and texts."""

    keys: Int16s6
    key_scales: Floats4
    values: Int16s5
    value_scales: Floats4


class CachedLayer(NamedTuple):
    """Keys and values of one layer and text, without the first two axes."""

    keys: Any
    key_scales: Any
    values: Any
    value_scales: Any


@jit
def append_to_cache(qkv: Any, start: Any, cos: Any, sin: Any, kv: Any, lo: Any, hi: Any) -> None:
    """Rotate q and k of qkv [n_tokens, n_heads * 3 * d_head] in place; store k and v; heads lo..hi.

    kv: a CachedLayer. Token t has position start + t. cos and sin come from rotary_tables.
    """
    keys, key_scales, values, value_scales = kv
    d_head = values.shape[2]
    for t in range(qkv.shape[0]):
        position = start + t
        block, column = position // KEY_BLOCK, position % KEY_BLOCK
        for head in range(lo, hi):
            first = head * 3 * d_head
            q = qkv[t, first : first + d_head]
            k = qkv[t, first + d_head : first + 2 * d_head]
            v = qkv[t, first + 2 * d_head : first + 3 * d_head]
            rotate_half(q, cos[position], sin[position])
            rotate_half(k, cos[position], sin[position])
            key = keys[head, block, :, column]
            key_scales[head, position] = quantize_row(k, MAX_INT16, key)
            value_scales[head, position] = quantize_row(v, MAX_INT16, values[head, position])


@jit
def _scores(q: Any, q_at: Any, n_queries: Any, kv: Any, head: Any, n_blocks: Any, out: Any) -> None:
    """out[j, p] = q_j k_p / sqrt(d_head), for n_queries (1 or _QUERIES) and n_blocks of keys."""
    keys, key_scales = kv[0], kv[1]
    d_head, q_stride, stride = keys.shape[2], q.shape[1], out.shape[1]
    block_size = d_head * KEY_BLOCK
    first = head * keys.shape[1] * block_size
    block = 0
    while block < n_blocks:
        at, to = first + block * block_size, block * KEY_BLOCK
        if n_queries > 1 and block + _VECTORS <= n_blocks:
            score_tile(q, q_at, q_stride, keys, at, d_head, out, to, stride)
            block += _VECTORS
        elif n_queries > 1:
            score_tile_narrow(q, q_at, q_stride, keys, at, d_head, out, to, stride)
            block += 1
        elif block + 4 <= n_blocks:
            score_tile_1x4(q, q_at, q_stride, keys, at, d_head, out, to, stride)
            block += 4
        else:
            score_tile_1x1(q, q_at, q_stride, keys, at, d_head, out, to, stride)
            block += 1
    scale = np.float32(1.0 / np.sqrt(np.float64(d_head)))
    for j in range(n_queries):
        for p in range(n_blocks * KEY_BLOCK):
            out[j, p] *= key_scales[head, p] * scale


@jit
def _mix(
    p: Any, n_queries: Any, n_positions: Any, kv: Any, head: Any, out: Any, out_at: Any
) -> None:
    """out.flat[out_at + j * out.shape[1] + d] = sum of p[j, t] v_td over t < n_positions."""
    values, value_scales = kv[2], kv[3]
    d_head, p_stride, stride = values.shape[2], p.shape[1], out.shape[1]
    for j in range(n_queries):
        for t in range(n_positions):
            p[j, t] *= value_scales[head, t]
    first = head * values.shape[1] * d_head
    d = 0
    while d + KEY_BLOCK <= d_head:
        at, to = first + d, out_at + d
        if n_queries > 1 and d + _VECTORS * KEY_BLOCK <= d_head:
            mix_tile(p, 0, p_stride, values, at, d_head, n_positions, out, to, stride)
            d += _VECTORS * KEY_BLOCK
        elif n_queries > 1:
            mix_tile_narrow(p, 0, p_stride, values, at, d_head, n_positions, out, to, stride)
            d += KEY_BLOCK
        elif d + 4 * KEY_BLOCK <= d_head:
            mix_tile_1x4(p, 0, p_stride, values, at, d_head, n_positions, out, to, stride)
            d += 4 * KEY_BLOCK
        else:
            mix_tile_1x1(p, 0, p_stride, values, at, d_head, n_positions, out, to, stride)
            d += KEY_BLOCK
    row, column = out_at // stride, out_at % stride
    for j in range(n_queries):
        for i in range(d, d_head):
            total = np.float32(0.0)
            for t in range(n_positions):
                total = fma(p[j, t], np.float32(values[head, t, i]), total)
            out[row + j, column + i] = total


@jit
def attention(qkv: Any, start: Any, kv: Any, scores: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, n_heads * d_head] = softmax(q k / sqrt(d_head)) v, causal; heads lo..hi.

    qkv and kv come from append_to_cache. scores [N_QUERIES, n_positions] float32 is scratch, with
    at least as many positions as kv.
    """
    n_tokens = qkv.shape[0]
    d_head = kv[2].shape[2]
    for head in range(lo, hi):
        t = 0
        while t < n_tokens:
            n_queries = _QUERIES if t + _QUERIES <= n_tokens else 1
            # Computed for all positions that the last query of the tile sees. For the other
            # queries, later positions get weight 0.
            n_positions = start + t + n_queries
            n_blocks = (n_positions + KEY_BLOCK - 1) // KEY_BLOCK
            q_at = t * qkv.shape[1] + head * 3 * d_head
            _scores(qkv, q_at, n_queries, kv, head, n_blocks, scores)
            for j in range(n_queries):
                n_visible = start + t + j + 1
                softmax(scores[j], n_visible)
                scores[j, n_visible:n_positions] = np.float32(0.0)
            _mix(scores, n_queries, n_positions, kv, head, out, t * out.shape[1] + head * d_head)
            t += n_queries
