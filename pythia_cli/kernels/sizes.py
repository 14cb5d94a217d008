"""Sizes and tables shared by the kernels and their callers. Does not import Numba."""

from __future__ import annotations

from enum import IntEnum
from math import prod
from typing import Any

import numpy as np

LANES = 16
"""The numbers of 32 bits that are handled together, and the tokens in a group."""

KEY_BLOCK = LANES
"""Positions per block in the cache of keys."""

N_QUERIES = 8
"""The largest number of queries in a tile of attention."""

LOGITS_PIECE = 512
"""Logits per piece: exponentials are summed in float32 within a piece, then in float64.

The likely ones of a piece are refined together (likely.py).
"""

ROWS_TOGETHER = 4
"""Rows of weights whose products with one input are summed together."""

WIDENED_WEIGHTS = 1 << 17
"""Weights that are widened to 16 bits at a time: they stay in the L2 cache while tokens use them.

But a tile of rows is, however long they are.
"""

SCORE_TOKENS = 64
"""Tokens whose logits of a piece are kept at a time."""

WHOLE = -1
"""In place of a Part: all of a layer."""


class Part(IntEnum):
    """The steps of a layer that can be run one at a time, from one buffer of Scratch to another.

    The linears, and the norms, by the last part of their published names.
    """

    INPUT_LAYERNORM = 0  # x to normed
    QUERY_KEY_VALUE = 1  # normed to qkv
    ATTEND = 2  # qkv to the cache and attended
    DENSE = 3  # attended to normed
    POST_ATTENTION_LAYERNORM = 4  # x to normed
    DENSE_H_TO_4H = 5  # normed to mlp
    GELU = 6  # mlp in place
    DENSE_4H_TO_H = 7  # mlp to normed
    FINAL_LAYER_NORM = 8  # x to normed
    UNEMBED = 9  # normed to the outputs


LAYER_CLAIMS = 5
"""Counters per layer of the rows and heads claimed by ranks. The unembedding has one more."""

LEAST_EXPONENT = -87.0
"""float32 exponentials of this and below are 0."""

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2 in two parts. The first has few bits, so that its product with a small integer is exact."""

EXP_POLYNOMIAL = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
    5.0000001201e-1,
)  # fmt: skip
"""exp(r) ~ 1 + r + r^2 P(r) for |r| <= ln 2 / 2, highest power first, as in Cephes' expf."""

MAX_INT32 = 2**31 - 1
MAX_INT16 = 32767

ELIMINATED_TOGETHER = 4
"""Columns of a Cholesky factor that are taken from the others together: fewer passes over them."""

FEEDBACK_ROWS = LANES
"""Rows of weights that are rounded together."""

COLUMNS_TOGETHER = 16
"""Columns of weights whose errors are added to the others together."""

SCALE_CANDIDATES = np.arange(160, 127, -1, dtype=np.float32) / np.float32(160)
"""The weight scales tried, as fractions of absmax / 127: 160/160, 159/160, ... 128/160."""


def aligned_zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """np.zeros, aligned to a cache line: vector loads across two lines take twice as long."""
    n_bytes = prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def activation_levels(d_in: int) -> int:
    """The largest |x_q| for which a dot product with `d_in` int8 weights fits in int32.

    At most 32639, so that x_q also splits into two signed bytes (tiles/products.py).
    """
    return min(127 * 256 + 127, MAX_INT32 // (127 * d_in))


def rotary_blocks(cos: np.ndarray[Any, Any], sin: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """cos and sin [n_ctx, half] by blocks: [n_blocks, 2 * half, KEY_BLOCK] float32."""
    both = np.concatenate([cos, sin], axis=1)
    n_blocks = -(-len(both) // KEY_BLOCK)
    blocks = aligned_zeros((n_blocks, both.shape[1], KEY_BLOCK), np.float32)
    padding = ((0, n_blocks * KEY_BLOCK - len(both)), (0, 0))
    blocks[:] = np.pad(both, padding).reshape(n_blocks, KEY_BLOCK, -1).transpose(0, 2, 1)
    return blocks


def rotary_tables(
    n_ctx: int, n_rotary: int, base: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """cos and sin [n_ctx, ceil(n_rotary / 2)] float32 of position * base^(-2i / n_rotary).

    Su et al. 2021. Each step is in float32, as in transformers.
    """
    exponents = np.arange(0, n_rotary, 2, dtype=np.float32) / np.float32(n_rotary)
    inverse_frequencies = np.float32(1.0) / np.float32(base) ** exponents
    angles = np.arange(n_ctx, dtype=np.float32)[:, None] * inverse_frequencies[None, :]
    return np.cos(angles), np.sin(angles)
