"""The int8 model: prefill, decode and score, on one compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pythia_cli.engine.byte_parts import Precision
from pythia_cli.engine.forward_pass import (
    CHUNK,
    NO_MEMBERS,
    NO_SPANS,
    NOTHING,
    ForwardPass,
    Steps,
    WantedRows,
)
from pythia_cli.engine.kv_cache import KVCache, check_together
from pythia_cli.engine.next_tokens import NextTokens
from pythia_cli.engine.scores import Scores, empty_scores
from pythia_cli.engine.targets import NO_TARGET
from pythia_cli.errors import UsageError
from pythia_cli.weights.int8_layout import Int8Weights

LOGITS_CHUNK = 128
"""Tokens per pass if all logits are kept, which take 0.2 MB per token."""

MOST_TOGETHER = 16
"""The most texts decoded in one pass. With more, arithmetic takes longer than reading weights."""
_MOST_BYTES = 1 << 30


class Transformer:
    """A model that runs on `n_threads`. `prefill`, `decode` and `score` extend a KVCache.

    `new_cache` makes one. All calls share the same buffers and threads: who calls while another
    thread is in a call, or in a block of `one_thread`, gets UsageError.
    """

    def __init__(
        self, weights: Int8Weights, n_threads: int, precision: Precision = "exact"
    ) -> None:
        self.config = weights.config
        self.d_vocab = weights.config.d_vocab
        self.forward = ForwardPass(weights, n_threads, precision)
        self.one_thread = self.forward.one_thread
        self._logits = np.empty((1, self.d_vocab), np.float32)
        self._next: NextTokens | None = None  # of the last decode, often used again

    def new_cache(self, capacity: int | None = None) -> KVCache:
        """An empty cache for `capacity` positions; None is the model's context."""
        n_ctx = self.config.n_ctx
        if capacity is not None and not 0 < capacity <= n_ctx:
            raise UsageError(f"a context of {capacity} is not within 1 to {n_ctx}, the model's own")
        return KVCache(self.config, capacity or n_ctx)

    def new_caches(self, capacity: int, n_texts: int) -> list[KVCache]:
        """Empty caches for texts that are decoded together: n_texts of them, or fewer.

        At most MOST_TOGETHER, and as many as fit in 1 GiB, but at least one.
        """
        config = self.config
        n_bytes = capacity * config.n_layers * config.n_heads * (2 * config.d_head + 8)
        n = max(1, min(n_texts, MOST_TOGETHER, _MOST_BYTES // n_bytes))
        return KVCache.together(config, capacity, n)

    def prefill(self, token_ids: np.ndarray[Any, Any], cache: KVCache) -> np.ndarray[Any, Any]:
        """Append at least one token. Returns the logits [d_vocab] after the last.

        The array is valid until the next call. Raises UsageError if the tokens do not fit.
        """
        for _, chunk_logits in self.chunks(token_ids, cache, len(token_ids) - 1):
            logits = chunk_logits
        last: np.ndarray[Any, Any] = logits[-1]
        return last

    def decode(self, token_id: int, cache: KVCache) -> np.ndarray[Any, Any]:
        """Append one token. Returns the logits [d_vocab] after it, valid until the next call."""
        logits: np.ndarray[Any, Any] = self.decode_together([token_id], [cache])[0]
        return logits

    def decode_together(
        self, token_ids: Sequence[int], caches: Sequence[KVCache]
    ) -> np.ndarray[Any, Any]:
        """Append one token to each text. Returns the logits [n, d_vocab], until the next call.

        One pass over the weights serves all; each row has the same bits as with `decode`. At most
        CHUNK texts, all different, whose caches were made together. Raises UsageError if not, or if
        one is full.
        """
        n = len(token_ids)
        if n == 0 or not 0 <= min(token_ids) <= max(token_ids) < self.d_vocab:
            self.check_ids(np.array(token_ids, np.int64))
        check_together(caches)
        with self.one_thread:
            if self._next is None or len(self._next.ids) != n:
                self._next = NextTokens(n, self._logits_room(n))
            new = self._next
            new.put(token_ids, caches)
            self.forward.run(new.ids, new.spans, caches[0].arrays, new.wanted)
        for cache in caches:
            cache.reserve(1)
        return new.wanted.logits

    def score(
        self,
        token_ids: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        cache: KVCache,
        members: np.ndarray[Any, Any] = NO_MEMBERS,
    ) -> Scores:
        """Append token_ids [n]. Returns the scores of targets [m], which follow the last m tokens.

        Targets that are NO_TARGET get no score. members [d_vocab] float32: 1 for the tokens of the
        set whose probability is wanted, else 0; or empty.
        """
        first = len(token_ids) - len(targets)
        rows, targets, scores = self._scored(np.asarray(targets, np.int64), first)

        def wanted(lo: int, hi: int) -> WantedRows:
            part = slice(*np.searchsorted(rows, (lo, hi)).tolist())
            views = Scores(*(values[part] for values in scores))
            return WantedRows(rows[part] - lo, NOTHING.logits, targets[part], members, views)

        for _ in self._advance(token_ids, cache, CHUNK, wanted):
            pass
        return scores

    def score_together(
        self,
        token_ids: Sequence[np.ndarray[Any, Any]],
        targets: Sequence[np.ndarray[Any, Any]],
        caches: Sequence[KVCache],
        members: np.ndarray[Any, Any] = NO_MEMBERS,
        logits: np.ndarray[Any, Any] = NOTHING.logits,
    ) -> list[Scores]:
        """Append token_ids[i] [n_i] to caches[i]. Returns the scores of targets[i] [n_i].

        One pass over the weights serves all; each text has the same bits as with `score`. Targets
        that are NO_TARGET get no score. members: as in `score`. logits [m, d_vocab] float32: room
        for those that the m scores are of, or empty. At most CHUNK tokens in all, of different
        texts whose caches were made together. Raises UsageError if a text does not fit its cache.
        """
        ids = np.concatenate(token_ids, dtype=np.int64)
        self.check_ids(ids)
        rows, found, scores = self._scored(np.concatenate(targets, dtype=np.int64), 0)
        if logits.size and logits.shape != (len(rows), self.d_vocab):
            raise UsageError(f"room for {logits.shape} logits, for {len(rows)} targets")
        check_together(caches)
        starts = [cache.length for cache in caches]
        lengths = [len(text) for text in token_ids]
        spans = np.array([[cache.row, cache.length, 0] for cache in caches], np.int64)
        spans[:, 2] = lengths
        try:
            for cache, n in zip(caches, lengths, strict=True):
                cache.reserve(n)
            wanted = WantedRows(rows, logits, found, members, scores)
            self.forward.run(ids, spans, caches[0].arrays, wanted)
        except BaseException:
            for cache, start in zip(caches, starts, strict=True):
                cache.truncate(start)
            raise
        ends = np.searchsorted(rows, np.cumsum(lengths)).tolist()
        return [
            Scores(*(values[lo:hi] for values in scores))
            for lo, hi in zip([0, *ends[:-1]], ends, strict=True)
        ]

    def chunks(
        self, token_ids: np.ndarray[Any, Any], cache: KVCache, first: int = 0
    ) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Append token_ids [n] in chunks. Yields (i, logits [m, d_vocab]) for tokens i .. i+m.

        Only for tokens from `first` on. The logits are valid until the next step.
        """

        def wanted(lo: int, hi: int) -> WantedRows:
            rows = np.arange(max(lo, first) - lo, hi - lo)
            return WantedRows(rows, self._logits_room(len(rows)))

        size = CHUNK if first >= len(token_ids) - 1 else LOGITS_CHUNK
        for lo, hi, outputs in self._advance(token_ids, cache, size, wanted):
            if hi > first:
                yield max(lo, first), outputs.logits

    def embed(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The embeddings [n, d_model] float32 of token_ids [n]: the first residual stream.

        n <= CHUNK. `embed`, `layers` and `unembed` run the parts of a pass separately, with the
        same bits, so that the residual stream between them can be read or changed.
        """
        token_ids = np.ascontiguousarray(token_ids, np.int64)
        self.check_ids(token_ids)
        with self.one_thread:
            self.forward.run(token_ids, NO_SPANS, self.forward.no_cache, steps=Steps(1, 0, 0))
            return self.forward.residual[: len(token_ids)].copy()

    def layers(
        self, residual: np.ndarray[Any, Any], lo: int, hi: int, cache: KVCache
    ) -> np.ndarray[Any, Any]:
        """Run layers lo..hi on the residual stream [n, d_model]. Returns the new one.

        Their keys and values are written to the cache after its content. The length of the cache
        grows by n only when the last layer has run.
        """
        n, n_layers = len(residual), self.config.n_layers
        if not 0 <= lo <= hi <= n_layers:
            raise UsageError(f"layers {lo} to {hi} are not within 0 to {n_layers}")
        spans = np.array([[cache.row, cache.reserve(n), n]], np.int64)
        finished = False
        try:
            with self.one_thread:
                ids = self._put(residual)
                self.forward.run(ids, spans, cache.arrays, steps=Steps(0, lo, hi))
                new = self.forward.residual[:n].copy()
            finished = hi == n_layers
        finally:
            if not finished:
                cache.truncate(int(spans[0, 1]))
        return new

    def linear_input(self, linear: str, n_tokens: int) -> np.ndarray[Any, Any]:
        """What `layers`, of one layer, or `unembed` has just given a linear: see ForwardPass."""
        with self.one_thread:
            return self.forward.linear_input(linear, n_tokens)

    def unembed(self, residual: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The logits [n, d_vocab] of the last residual stream [n, d_model], until the next call."""
        with self.one_thread:
            ids = self._put(residual)
            logits = self._logits_room(len(ids))
            wanted = WantedRows(np.arange(len(ids)), logits)
            self.forward.run(ids, NO_SPANS, self.forward.no_cache, wanted, Steps(0, 0, 0))
        return logits

    def check_ids(self, token_ids: np.ndarray[Any, Any]) -> None:
        """Raises UsageError if there are no tokens, or unknown ones."""
        if len(token_ids) == 0:
            raise UsageError("there are no tokens to run")
        if token_ids.min() < 0 or token_ids.max() >= self.d_vocab:
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")

    def check_targets(self, targets: np.ndarray[Any, Any]) -> None:
        """Raises UsageError if a target is neither a token of the model nor NO_TARGET."""
        if len(targets) and (targets.min() < NO_TARGET or targets.max() >= self.d_vocab):
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")

    def close(self) -> None:
        """End the threads."""
        self.forward.close()

    def _put(self, residual: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Set the residual stream of the next call. Returns n token ids, as placeholders."""
        if not 0 < len(residual) <= CHUNK:
            raise UsageError(f"{len(residual)} tokens; expected 1 to {CHUNK}")
        self.forward.residual[: len(residual)] = residual
        return np.zeros(len(residual), np.int64)

    def _advance(
        self,
        token_ids: np.ndarray[Any, Any],
        cache: KVCache,
        size: int,
        wanted: Callable[[int, int], WantedRows],
    ) -> Iterator[tuple[int, int, WantedRows]]:
        """Append token_ids [n], `size` at a time. Yields (lo, hi, outputs) after tokens lo..hi.

        wanted(lo, hi) gives the outputs to write for them.
        """
        token_ids = np.ascontiguousarray(token_ids, np.int64)
        self.check_ids(token_ids)
        start = cache.reserve(len(token_ids))
        finished = 0
        try:
            for lo in range(0, len(token_ids), size):
                hi = min(lo + size, len(token_ids))
                spans = np.array([[cache.row, start + lo, hi - lo]], np.int64)
                with self.one_thread:
                    outputs = wanted(lo, hi)
                    self.forward.run(token_ids[lo:hi], spans, cache.arrays, outputs)
                finished = hi
                yield lo, hi, outputs
        finally:
            cache.truncate(start + finished)

    def _scored(
        self, targets: np.ndarray[Any, Any], first: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Scores]:
        """The tokens to score, their targets, and empty scores. targets [n] are from `first` on."""
        self.check_targets(targets)
        (at,) = np.nonzero(targets != NO_TARGET)
        return first + at, targets[at], empty_scores(len(at))

    def _logits_room(self, n_rows: int) -> np.ndarray[Any, Any]:
        if len(self._logits) < n_rows:
            self._logits = np.empty((n_rows, self.d_vocab), np.float32)
        return self._logits[:n_rows]
