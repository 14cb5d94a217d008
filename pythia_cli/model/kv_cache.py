"""Keys and values of the positions seen so far."""

from __future__ import annotations

import numpy as np

from pythia_cli.errors import UsageError
from pythia_cli.kernels.attention import KEY_BLOCK
from pythia_cli.suite import ModelConfig


class KVCache:
    """A cache of fixed capacity, in 16 bits; memory is touched only as positions fill.

    Layers are the first axis of keys, key_scales, values and value_scales; for the rest see
    kernels/attention.py.
    """

    def __init__(self, config: ModelConfig, capacity: int) -> None:
        n_positions, heads = self.padded(capacity), (config.n_layers, config.n_heads)
        blocks = (n_positions // KEY_BLOCK, config.d_head, KEY_BLOCK)
        self.capacity = capacity
        self.length = 0
        self.keys = np.zeros((*heads, *blocks), np.int16)
        self.key_scales = np.zeros((*heads, n_positions), np.float32)
        self.values = np.zeros((*heads, n_positions, config.d_head), np.int16)
        self.value_scales = np.zeros((*heads, n_positions), np.float32)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """keys, key_scales, values, value_scales."""
        return self.keys, self.key_scales, self.values, self.value_scales

    @staticmethod
    def padded(n_positions: int) -> int:
        """n_positions, rounded up to whole blocks."""
        return -(-n_positions // KEY_BLOCK) * KEY_BLOCK

    def reserve(self, n_tokens: int) -> int:
        """Make room for n_tokens more and return the first one's position.

        Raises UsageError, and changes nothing, where they do not fit.
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
        """Forget the positions from `length` on."""
        if not 0 <= length <= self.length:
            raise UsageError(f"cannot cut a cache of {self.length} positions at {length}")
        self.length = length
