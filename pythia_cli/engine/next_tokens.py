"""The arrays of a pass that appends one token to each of several texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pythia_cli.engine.forward_pass import WantedRows
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.errors import UsageError


class NextTokens:
    """Room for n tokens, used again by each pass: ids [n], spans [n, 3], and the logits wanted.

    After a pass the processor's caches hold weights, so Python's work is slow: arrays that are used
    again save some of it.
    """

    def __init__(self, n: int, logits: np.ndarray[Any, Any]) -> None:
        self.ids, self.spans = np.empty(n, np.int64), np.ones((n, 3), np.int64)
        self.wanted = WantedRows(np.arange(n), logits)

    def put(self, token_ids: Sequence[int], caches: Sequence[KVCache]) -> None:
        """Set n tokens, and where they go.

        Raises UsageError if there are more or fewer texts, or if one has no room.
        """
        if len(caches) != len(token_ids):
            raise UsageError(f"{len(token_ids)} tokens for {len(caches)} texts")
        for i, (token_id, cache) in enumerate(zip(token_ids, caches, strict=True)):
            if cache.length == cache.capacity:
                raise UsageError(f"a context of {cache.capacity} is full")
            self.ids[i] = token_id
            self.spans[i, 0] = cache.row
            self.spans[i, 1] = cache.length
