"""Texts that run in the same passes, one behind the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.kv_cache import KVArrays, KVCache
from pythia_cli.engine.taps import Tap
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Packed:
    """Several texts of at most CHUNK tokens together, or one text of any length.

    token_ids [n]: those of the first text, then those of the second. bounds [n_texts + 1]: where
    each begins, and n. first: the index of the first text. Text i is in row i of the cache.
    """

    token_ids: _Array
    bounds: list[int]
    first: int
    cache: KVArrays

    @property
    def texts(self) -> list[tuple[int, int, int]]:
        """For each text its index, and where it begins and ends."""
        return [(self.first + i, lo, hi) for i, (lo, hi) in enumerate(pairwise(self.bounds))]

    @property
    def positions(self) -> _Array:
        """The position [n] of each token in its text."""
        return np.concatenate([np.arange(hi - lo) for _, lo, hi in self.texts])

    def see(self, tap: Tap, name: str, values: _Array) -> None:
        """Show a tap the rows of each text, and put in what it returns. values: [n, ...]."""
        for text, lo, hi in self.texts:
            own = values[lo:hi]
            if (seen := tap.see(name, text, own)) is not own:
                own[:] = seen

    def chunks(self) -> Iterator[tuple[int, int, _Array]]:
        """Yield the tokens lo..hi of each pass, and its spans, as in kernels/forward.py."""
        n = self.bounds[-1]
        if len(self.bounds) > 2:
            yield 0, n, np.array([[i, 0, hi - lo] for i, (_, lo, hi) in enumerate(self.texts)])
            return
        for lo in range(0, n, CHUNK):
            hi = min(lo + CHUNK, n)
            yield lo, hi, np.array([[0, lo, hi - lo]])


def packed(config: ModelConfig, texts: Sequence[_Array]) -> Iterator[Packed]:
    """The texts in order, as many together as fit in a pass."""
    first = 0
    while first < len(texts):
        end, n = first + 1, len(texts[first])
        while end < len(texts) and n + len(texts[end]) <= CHUNK:
            n += len(texts[end])
            end += 1
        together = texts[first:end]
        caches = KVCache.together(config, max(map(len, together)), len(together))
        bounds = np.cumsum([0, *map(len, together)]).tolist()
        yield Packed(np.concatenate(together), bounds, first, caches[0].arrays)
        first = end
