"""Sizes and tables on which the kernels and those who call them agree. No Numba here."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

KEY_BLOCK = 16
"""Positions that stand side by side in the cache of keys: the lanes of a float vector."""

N_QUERIES = 8
"""The most queries that attention takes together."""

SCORE_PIECE = 512
"""Logits whose exponentials are summed in float32, before the sum goes on in float64."""

LAYER_CLAIMS = 4
"""Counters of each layer, of blocks of rows that ranks have claimed; the unembedding has one."""

MAX_INT32 = 2**31 - 1
MAX_INT16 = 32767

SCALE_CANDIDATES = np.arange(160, 127, -1, dtype=np.float32) / np.float32(160)
"""The weight scales tried, as fractions of absmax / 127: 160/160, 159/160, ... 128/160."""


def aligned_zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """np.zeros on a cache line's boundary: vector loads that cross one take twice as long."""
    n_bytes = prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def activation_levels(d_in: int) -> int:
    """The largest |x_q| for which a dot product of `d_in` int8 weights fits an int32 sum.

    And for which x_q splits into two signed bytes (tiles/dot.py).
    """
    return min(127 * 256 + 127, MAX_INT32 // (127 * d_in))


def rotary_tables(
    n_ctx: int, n_rotary: int, base: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """cos and sin [n_ctx, ceil(n_rotary / 2)] float32 of position * base^(-2i / n_rotary).

    Su et al. 2021, in float32 steps as transformers computes them.
    """
    exponents = np.arange(0, n_rotary, 2, dtype=np.float32) / np.float32(n_rotary)
    inverse_frequencies = np.float32(1.0) / np.float32(base) ** exponents
    angles = np.arange(n_ctx, dtype=np.float32)[:, None] * inverse_frequencies[None, :]
    return np.cos(angles), np.sin(angles)
