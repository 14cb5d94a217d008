"""Causal attention of new tokens over a 16-bit KV cache, head by head.

The cache of one layer: keys [n_heads, n_blocks, d_head, KEY_BLOCK] hold KEY_BLOCK positions side
by side, so that scores vectorise over positions; values [n_heads, n_positions, d_head] vectorise
over the head's width. Both are int16 with one float32 scale for each head and position
(key_scales, value_scales [n_heads, n_positions]): as small as IEEE halves and, the scores of
trained models being large, some 16 times nearer to float32 (docs/numerics.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels._jit import jit
from pythia_cli.kernels.quantize_rows import MAX_INT16, quantize_row
from pythia_cli.kernels.rotary import rotate_half
from pythia_cli.kernels.simd import fma
from pythia_cli.kernels.softmax import softmax

KEY_BLOCK = 32


@jit
def append_to_cache(qkv: Any, start: Any, cos: Any, sin: Any, kv: Any, lo: Any, hi: Any) -> None:
    """Rotate q and k of qkv [n_tokens, n_heads * 3 * d_head] in place; store k and v, heads lo..hi.

    kv: one layer's (keys, key_scales, values, value_scales). Token t stands at position start + t;
    cos and sin as rotary_tables made them.
    """
    keys, key_scales, values, value_scales = kv
    d_head = values.shape[2]
    key = np.empty(d_head, np.int16)
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
            key_scales[head, position] = quantize_row(k, MAX_INT16, key)
            for i in range(d_head):
                keys[head, block, i, column] = key[i]
            value_scales[head, position] = quantize_row(v, MAX_INT16, values[head, position])


@jit
def attention(qkv: Any, start: Any, kv: Any, scores: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, n_heads * d_head] = softmax(q k / sqrt(d_head)) v over positions <= own.

    qkv and kv as append_to_cache left them; scores is scratch [n_positions] float32; heads lo..hi.
    """
    keys, key_scales, values, value_scales = kv
    d_head = values.shape[2]
    scale = np.float32(1.0 / np.sqrt(np.float64(d_head)))
    for head in range(lo, hi):
        for t in range(qkv.shape[0]):
            n_positions = start + t + 1
            n_blocks = (n_positions + KEY_BLOCK - 1) // KEY_BLOCK
            q = qkv[t, head * 3 * d_head : head * 3 * d_head + d_head]
            for block in range(n_blocks):
                first = block * KEY_BLOCK
                block_scores = scores[first : first + KEY_BLOCK]
                block_scores[:] = np.float32(0.0)
                for i in range(d_head):
                    q_i = q[i]
                    for j in range(KEY_BLOCK):
                        block_scores[j] = fma(
                            q_i, np.float32(keys[head, block, i, j]), block_scores[j]
                        )
                for j in range(KEY_BLOCK):
                    block_scores[j] *= key_scales[head, first + j] * scale
            softmax(scores, n_positions)
            row = out[t, head * d_head : (head + 1) * d_head]
            row[:] = np.float32(0.0)
            for position in range(n_positions):
                p = scores[position] * value_scales[head, position]
                for i in range(d_head):
                    row[i] = fma(p, np.float32(values[head, position, i]), row[i])
