"""An int8 model ready to run: prefill, decode and scoring over one compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.checkpoints.int8_file import Int8File
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.weights import weights_of
from pythia_cli.errors import UsageError
from pythia_cli.jit.team import Team
from pythia_cli.kernels import compiled, entries
from pythia_cli.kernels.entries import Scratch, Shape
from pythia_cli.kernels.sizes import (
    N_QUERIES,
    SCORE_PIECE,
    activation_levels,
    aligned_zeros,
    rotary_tables,
)

CHUNK = 256
"""Tokens that go through the layers together: enough to reuse each weight, and soon interrupted."""

LOGITS_CHUNK = 128
"""The same where the logits of each token are kept, which take 0.2 MB a token."""


MOST_TOGETHER = 16
"""Texts decoded in one pass: about where arithmetic takes as long as reading the weights."""
_MOST_BYTES = 1 << 30

_NO_TARGETS = np.empty(0, np.int64)


class _Asked(NamedTuple):
    """What is wanted of a chunk: logits [m, d_vocab] or the scores of targets [m]; m may be 0."""

    logits: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]
    scores: entries.Scores


class Transformer:
    """A model ready to run: `prefill`, `decode` and `score` extend a KVCache made by `new_cache`.

    Not to be shared between threads: it has one scratch and one team of `n_threads`.
    """

    def __init__(self, file: Int8File, n_threads: int) -> None:
        self.config = config = file.config
        self.d_vocab = config.d_vocab
        self._team = Team(n_threads)
        shape = Shape(
            n_heads=config.n_heads,
            eps=config.layer_norm_eps,
            parallel=config.use_parallel_residual,
            levels_model=activation_levels(config.d_model),
            levels_mlp=activation_levels(config.d_mlp),
        )
        self._logits = np.empty((1, self.d_vocab), np.float32)
        self._scores = self._score_room(0)
        self._claims = np.zeros(4 * config.n_layers + 1, np.int64)
        self._forward = compiled.function("forward")
        self._arguments = compiled.Arguments(
            "forward", self._team.shared, shape, weights_of(file), self._new_scratch(),
            self.new_cache(1).arrays,
            *rotary_tables(config.n_ctx, config.n_rotary, config.rotary_base),
            self._claims, np.zeros((1, 3), np.int64), np.zeros(1, np.int64), self._logits,
            _NO_TARGETS, self._scores,
        )  # fmt: skip

    def new_cache(self, capacity: int | None = None) -> KVCache:
        """An empty cache for `capacity` positions: the model's context where None."""
        n_ctx = self.config.n_ctx
        if capacity is not None and not 0 < capacity <= n_ctx:
            raise UsageError(f"a context of {capacity} is not within 1 to {n_ctx}, the model's own")
        return KVCache(self.config, capacity or n_ctx)

    def new_caches(self, capacity: int, n_texts: int) -> list[KVCache]:
        """Empty caches of texts to be decoded together: n_texts, or as many as there is room for.

        At most MOST_TOGETHER, and 1 GiB when all are full.
        """
        config = self.config
        n_bytes = capacity * config.n_layers * config.n_heads * (4 * config.d_head + 8)
        n = max(1, min(n_texts, MOST_TOGETHER, _MOST_BYTES // n_bytes))
        return KVCache.together(config, capacity, n)

    def prefill(self, token_ids: np.ndarray[Any, Any], cache: KVCache) -> np.ndarray[Any, Any]:
        """Append at least one token; the logits [d_vocab] after the last.

        The array is valid until the next call. Raises UsageError where the cache is full.
        """
        for _, chunk_logits in self.chunks(token_ids, cache, len(token_ids) - 1):
            logits = chunk_logits
        last: np.ndarray[Any, Any] = logits[-1]
        return last

    def decode(self, token_id: int, cache: KVCache) -> np.ndarray[Any, Any]:
        """Append one token; the logits [d_vocab] after it, valid until the next call."""
        logits: np.ndarray[Any, Any] = self.decode_together([token_id], [cache])[0]
        return logits

    def decode_together(
        self, token_ids: Sequence[int], caches: Sequence[KVCache]
    ) -> np.ndarray[Any, Any]:
        """Append one token to each text; the logits [n, d_vocab], valid until the next call.

        One pass over the weights serves all; each row has the bits that `decode` gives. At most
        CHUNK different texts, of caches that were made together. Raises UsageError where one is
        full.
        """
        ids = np.array(token_ids, np.int64)
        self._check(ids)
        for cache in caches:
            if cache.length == cache.capacity:
                raise UsageError(f"a context of {cache.capacity} is full")
        texts = np.array([[cache.row, cache.length, 1] for cache in caches], np.int64)
        logits = self._logits_room(len(ids))
        self._run(caches[0], texts, ids, _Asked(logits, _NO_TARGETS, self._scores))
        for cache in caches:
            cache.reserve(1)
        return logits

    def score(
        self,
        token_ids: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        cache: KVCache,
    ) -> Scores:
        """Append token_ids [n]; how the model rates targets [m] as successors of the last m."""
        targets = np.ascontiguousarray(targets, np.int64)
        m = len(targets)
        if m and (targets.min() < 0 or targets.max() >= self.d_vocab):
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")
        if len(self._scores.target_logits) == 0:
            self._scores = self._score_room(CHUNK)
        scores = Scores(np.empty(m), np.empty(m), np.empty(m, np.int64))
        first = len(token_ids) - m

        def asked(lo: int, hi: int) -> _Asked:
            part = slice(max(lo - first, 0), max(hi - first, 0))
            room = self._scores._replace(
                nll=scores.nll[part], entropy=scores.entropy[part], ranks=scores.rank[part]
            )
            return _Asked(self._logits[:0], targets[part], room)

        for _ in self._advance(token_ids, cache, CHUNK, asked):
            pass
        return scores

    def chunks(
        self, token_ids: np.ndarray[Any, Any], cache: KVCache, first: int = 0
    ) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Append token_ids [n] by chunks; (i, logits [m, d_vocab]) of tokens i .. i+m, i >= first.

        Chunks before `first` yield nothing. The logits are valid until the next step.
        """

        def asked(lo: int, hi: int) -> _Asked:
            return _Asked(self._logits_room(max(hi - max(lo, first), 0)), _NO_TARGETS, self._scores)

        size = CHUNK if first >= len(token_ids) - 1 else LOGITS_CHUNK
        for lo, hi in self._advance(token_ids, cache, size, asked):
            if hi > first:
                yield max(lo, first), self._logits_room(hi - max(lo, first))

    def close(self) -> None:
        """Let the team's threads end."""
        self._team.close()

    def _advance(
        self,
        token_ids: np.ndarray[Any, Any],
        cache: KVCache,
        size: int,
        asked: Callable[[int, int], _Asked],
    ) -> Iterator[tuple[int, int]]:
        """Append token_ids [n], `size` of them a time, and yield lo, hi behind tokens lo..hi.

        asked(lo, hi) is what is wanted of them.
        """
        token_ids = np.ascontiguousarray(token_ids, np.int64)
        self._check(token_ids)
        start = cache.reserve(len(token_ids))
        finished = 0
        try:
            for lo in range(0, len(token_ids), size):
                hi = min(lo + size, len(token_ids))
                texts = np.array([[cache.row, start + lo, hi - lo]], np.int64)
                self._run(cache, texts, token_ids[lo:hi], asked(lo, hi))
                finished = hi
                yield lo, hi
        finally:
            cache.truncate(start + finished)

    def _run(
        self,
        cache: KVCache,
        texts: np.ndarray[Any, Any],
        token_ids: np.ndarray[Any, Any],
        asked: _Asked,
    ) -> None:
        """One call of `forward`: at most CHUNK tokens."""
        self._arguments.replace(4, cache.arrays)
        for i, value in enumerate((texts, token_ids, *asked), start=8):
            self._arguments.replace(i, value)
        self._claims[:] = 0
        self._team.run(self._forward, self._arguments.address)

    def _check(self, token_ids: np.ndarray[Any, Any]) -> None:
        """Raises UsageError where there are no tokens, or such that the model does not have."""
        if len(token_ids) == 0:
            raise UsageError("there are no tokens to run")
        if token_ids.min() < 0 or token_ids.max() >= self.d_vocab:
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")

    def _logits_room(self, n_rows: int) -> np.ndarray[Any, Any]:
        if len(self._logits) < n_rows:
            self._logits = np.empty((n_rows, self.d_vocab), np.float32)
        return self._logits[:n_rows]

    def _score_room(self, n: int) -> entries.Scores:
        """Room to score n tokens of a chunk; the results' own places are put in later."""
        n_ranks, n_pieces = self._team.n_ranks, -(-self.d_vocab // SCORE_PIECE)
        return entries.Scores(
            target_logits=np.empty((n, 1), np.float32),
            logits=aligned_zeros((n_ranks, n, SCORE_PIECE), np.float32),
            p=np.empty((n_ranks, SCORE_PIECE), np.float32),
            sums=np.empty((n, n_pieces, 4)),
            nll=np.empty(0), entropy=np.empty(0), ranks=_NO_TARGETS,
        )  # fmt: skip

    def _new_scratch(self) -> Scratch:
        config, n = self.config, CHUNK

        def real(*shape: int) -> np.ndarray[Any, Any]:
            return aligned_zeros(shape, np.float32)

        def short(*shape: int) -> np.ndarray[Any, Any]:
            return aligned_zeros(shape, np.int16)

        d, d_mlp = config.d_model, config.d_mlp
        n_positions = KVCache.padded(config.n_ctx)
        return Scratch(
            x=real(n, d), normed=real(n, d),
            input_q=short(n, d), input_scales=real(n), post_q=short(n, d), post_scales=real(n),
            qkv=real(n, 3 * d), attended=real(n, d),
            attended_q=short(n, d), attended_scales=real(n),
            mlp=real(n, d_mlp), mlp_q=short(n, d_mlp), mlp_scales=real(n),
            attention_scores=real(self._team.n_ranks, N_QUERIES, n_positions),
            no_bias=real(config.d_vocab),
        )  # fmt: skip
