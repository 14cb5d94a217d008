"""The KV cache: the keys and values of the positions so far.

Both are int8, with 127 levels and one float32 scale for each head and position. Keys are kept less
a centre that is the same for all positions (docs/numerics.md). kernels/attention.py reads and
writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import UsageError
from pythia_cli.kernels.sizes import KEY_BLOCK, aligned_zeros
from pythia_cli.suite.config import ModelConfig


class KVArrays(NamedTuple):
    """The cache of n_rows texts. n_positions is a multiple of KEY_BLOCK = 16.

    keys [n_layers, n_rows, n_heads, n_blocks, n_pairs, 2 * KEY_BLOCK] int8: dimension i of position
    p is in block p // KEY_BLOCK, pair i // 2, at 2 * (p % KEY_BLOCK) + i % 2. So scores vectorise
    over the positions of a block, and multiply two dimensions at a time. An odd d_head is padded.
    values [n_layers, n_rows, n_heads, n_positions / 2, 2 * d_head] int8: dimension i of position p
    is in row p // 2, at 2 * i + p % 2. So sums over positions vectorise over d_head, two at a time.
    key_scales, value_scales [n_layers, n_rows, n_heads, n_positions] float32.
    """

    keys: np.ndarray[Any, Any]
    key_scales: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    value_scales: np.ndarray[Any, Any]


def cached_values(
    arrays: KVArrays, layer: int, row: int, head: int, n: int
) -> np.ndarray[Any, Any]:
    """The values [n, d_head] float64 that attention reads: of a head, at the first n positions."""
    kept = arrays.values[layer, row, head]
    d_head = kept.shape[1] // 2
    by_position = kept.reshape(-1, d_head, 2).swapaxes(1, 2).reshape(-1, d_head)[:n]
    found: np.ndarray[Any, Any] = by_position.astype(np.float64)
    found *= arrays.value_scales[layer, row, head, :n, None]
    return found


class KVCache:
    """The cache of one text, with fixed capacity. Memory is used only as positions fill.

    `arrays` holds all texts that were created by one call of `together`; this text is at `row`.
    """

    def __init__(self, config: ModelConfig, capacity: int) -> None:
        self._take(_new_arrays(config, capacity, 1), 0, capacity)

    @classmethod
    def together(cls, config: ModelConfig, capacity: int, n_texts: int) -> list[KVCache]:
        """Create the caches of n_texts texts in shared arrays, so that one pass can extend all."""
        arrays = _new_arrays(config, capacity, n_texts)
        caches = [cls.__new__(cls) for _ in range(n_texts)]
        for row, cache in enumerate(caches):
            cache._take(arrays, row, capacity)
        return caches

    def _take(self, arrays: KVArrays, row: int, capacity: int) -> None:
        self.arrays = arrays
        self.row = row
        self.capacity = capacity
        self.length = 0

    @staticmethod
    def padded(n_positions: int) -> int:
        """n_positions, rounded up to a multiple of KEY_BLOCK."""
        return -(-n_positions // KEY_BLOCK) * KEY_BLOCK

    @staticmethod
    def padded_head(d_head: int) -> int:
        """The dimensions of a key as it is kept: an even number."""
        return d_head + d_head % 2

    def reserve(self, n_tokens: int) -> int:
        """Add n_tokens positions, and return the first of them.

        Raises UsageError, and changes nothing, if they do not fit.
        """
        if self.length + n_tokens > self.capacity:
            raise UsageError(
                f"{n_tokens} more tokens do not fit a context of {self.capacity}"
                f" that holds {self.length}"
            )
        start = self.length
        self.length += n_tokens
        return start

    def truncate(self, length: int) -> None:
        """Drop the positions from `length` on. Raises UsageError if there are fewer."""
        if not 0 <= length <= self.length:
            raise UsageError(f"cannot cut a cache of {self.length} positions at {length}")
        self.length = length

    def copy_from(self, other: KVCache, length: int) -> None:
        """Replace the content with the first `length` positions of `other`. Raises UsageError."""
        if not 0 <= length <= min(other.length, self.capacity):
            raise UsageError(f"cannot copy {length} of {other.length} positions")
        n_positions = self.padded(length)
        n_blocks = n_positions // KEY_BLOCK
        for mine, its, n in zip(
            self.arrays,
            other.arrays,
            (n_blocks, n_positions, n_positions // 2, n_positions),
            strict=True,
        ):
            mine[:, self.row, :, :n] = its[:, other.row, :, :n]
        self.length = length


def _new_arrays(config: ModelConfig, capacity: int, n_rows: int) -> KVArrays:
    n_positions = KVCache.padded(capacity)
    heads = (config.n_layers, n_rows, config.n_heads)
    n_pairs = KVCache.padded_head(config.d_head) // 2
    blocks = (n_positions // KEY_BLOCK, n_pairs, 2 * KEY_BLOCK)
    return KVArrays(
        keys=aligned_zeros((*heads, *blocks), np.int8),
        key_scales=aligned_zeros((*heads, n_positions), np.float32),
        values=aligned_zeros((*heads, n_positions // 2, 2 * config.d_head), np.int8),
        value_scales=aligned_zeros((*heads, n_positions), np.float32),
    )


def check_together(caches: Sequence[KVCache]) -> None:
    """Raises UsageError unless the caches are rows of the same arrays."""
    if any(cache.arrays is not caches[0].arrays for cache in caches):
        raise UsageError("these caches were not made together (new_caches)")
