"""The scores of attention as a result of their own, as `attention` computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.barrier import share
from pythia_cli.jit.declare import jit, kernel
from pythia_cli.jit.signature import Floats3
from pythia_cli.kernels.attention import QUERIES, prepare_query, tile_scores
from pythia_cli.kernels.sizes import KEY_BLOCK
from pythia_cli.kernels.softmax import softmax

_MASKED = np.float32(-np.inf)


@jit
def attention_scores(
    qkv: Any, start: Any, rotary: Any, centre: Any, kv: Any, tile: Any, out: Any, lo: Any, hi: Any
) -> None:
    """out [n_heads, n_positions, n_positions] = q k / sqrt(d_head); heads lo..hi.

    Written for the queries from `start` on, with -inf for keys behind the query. The arguments are
    those of `attention`, whose append_to_cache has rotated q.
    """
    n_tokens = qkv.shape[0]
    d_head, half = kv[2].shape[2] // 2, rotary.cos.shape[1]
    for head in range(lo, hi):
        first = head * 3 * d_head
        key_centre = centre[first + d_head : first + 2 * d_head]
        t = 0
        while t < n_tokens:
            n_queries = QUERIES if t + QUERIES <= n_tokens else 1
            n_blocks = (start + t + n_queries + KEY_BLOCK - 1) // KEY_BLOCK
            for j in range(n_queries):
                prepare_query(qkv[t + j, first : first + d_head], key_centre, half, j, tile)
            tile_scores(n_queries, kv, head, n_blocks, rotary, tile)
            for j in range(n_queries):
                query = start + t + j
                for p in range(query + 1):
                    out[head, query, p] = tile.scores[j, p]
                for p in range(query + 1, out.shape[2]):
                    out[head, query, p] = _MASKED
            t += n_queries


@kernel
def causal_softmax(rank: Any, n_ranks: Any, x: Floats3) -> None:
    """x [n_heads, n, n] = softmax of each row over its first positions, up to its own; 0 behind."""
    lo, hi = share(x.shape[0], 1, rank, n_ranks)
    for head in range(lo, hi):
        for query in range(x.shape[1]):
            softmax(x[head, query], query + 1)
            for p in range(query + 1, x.shape[2]):
                x[head, query, p] = np.float32(0.0)
