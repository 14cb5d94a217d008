"""What attention is given: the cache, the rotary tables, and buffers."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.signature import Floats2, Floats3, Floats4, Int8s5, Int8s6, Int16s3


class CachedTexts(NamedTuple):
    """Keys and values. The first two axes of each array are layers and texts."""

    keys: Int8s6
    key_scales: Floats4
    values: Int8s5
    value_scales: Floats4


class CachedLayer(NamedTuple):
    """Keys and values of one layer and text, without the first two axes."""

    keys: Any
    key_scales: Any
    values: Any
    value_scales: Any


class Rotary(NamedTuple):
    """Rotary tables: cos and sin [n_ctx, half], and both by blocks of positions.

    blocks [n_blocks, 2 * half, KEY_BLOCK] has the cosines of a block's positions, then the sines.
    """

    cos: Floats2
    sin: Floats2
    blocks: Floats3


class AttentionScratch(NamedTuple):
    """Buffers of each rank for a tile of N_QUERIES queries.

    scores and weights [n_ranks, N_QUERIES, n_positions], q [n_ranks, N_QUERIES, padded d_head],
    turns [n_ranks, N_QUERIES, 2 * half], sums [n_ranks, N_QUERIES, 3], q_scales and out_scales
    [n_ranks, N_QUERIES], rotated [n_ranks, N_QUERIES, d_head].
    """

    scores: Floats3
    weights: Int16s3
    q: Int16s3
    turns: Floats3
    q_scales: Floats2
    sums: Floats3
    out_scales: Floats2
    rotated: Floats3


class Tile(NamedTuple):
    """The AttentionScratch of one rank."""

    scores: Any
    weights: Any
    q: Any
    turns: Any
    q_scales: Any
    sums: Any
    out_scales: Any
    rotated: Any
