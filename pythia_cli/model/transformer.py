"""GPT-NeoX from embedding to logits, over int8 weights; prefill, decode and scoring share it.

`_forward` is the whole model for a chunk of tokens. A team of threads runs it together: each
step is cut over tokens, rows or heads, and a barrier stands wherever a step needs another's
shares. Every output element is computed whole by one thread and in one order, so that its bits
depend neither on the number of threads nor on how the text was cut into chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import UsageError
from pythia_cli.int8_file import Int8File
from pythia_cli.kernels._jit import jit
from pythia_cli.kernels.attention import append_to_cache, attention
from pythia_cli.kernels.attention_tiles import N_QUERIES
from pythia_cli.kernels.embedding import embed
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.matmul import matmul
from pythia_cli.kernels.quantize_rows import activation_levels, quantize_rows
from pythia_cli.kernels.rotary import rotary_tables
from pythia_cli.kernels.softmax import score_rows
from pythia_cli.kernels.threads import Team, barrier, share
from pythia_cli.model.kv_cache import KVCache
from pythia_cli.model.scores import Scores
from pythia_cli.model.weights import Weights

CHUNK = 128
"""Tokens that go through the layers together: enough to reuse each weight, and soon interrupted."""

_ROW_GRAIN = 48  # whole tiles of every SIMD tier, and whole cache lines of the output


class _Shape(NamedTuple):
    """What `_forward` needs of the configuration, as plain numbers."""

    n_heads: int
    eps: float
    parallel: bool
    levels_model: int
    levels_mlp: int


class _Scratch(NamedTuple):
    """Room for the activations of one chunk; `*_q` int16 with `*_scales`, one a token."""

    x: Any
    normed: Any
    input_q: Any
    input_scales: Any
    post_q: Any
    post_scales: Any
    qkv: Any
    attended: Any
    attended_q: Any
    attended_scales: Any
    mlp: Any
    mlp_q: Any
    mlp_scales: Any
    attention_scores: Any
    no_bias: Any

    def of(self, n_tokens: int) -> _Scratch:
        """The same room, cut to a chunk's tokens."""
        whole = ("attention_scores", "no_bias")
        return _Scratch(
            *(a if name in whole else a[:n_tokens] for name, a in self._asdict().items())
        )


@jit
def _norm_and_quantize(
    s: Any, weight: Any, bias: Any, shape: Any, out_q: Any, out_scales: Any, lo: Any, hi: Any
) -> None:
    layer_norm(s.x, weight, bias, shape.eps, s.normed, lo, hi)
    quantize_rows(s.normed, shape.levels_model, out_q, out_scales, lo, hi)


@jit
def _forward(
    rank: Any, n_ranks: Any, shared: Any, shape: Any, w: Any, s: Any, cache: Any,
    cos: Any, sin: Any, start: Any, token_ids: Any, logits: Any,
) -> None:  # fmt: skip
    """Append token_ids [n] at position `start`; logits [m, d_vocab] of the last m of them.

    cache: a KVCache's arrays; s is the scratch cut to n tokens.
    """
    keys, key_scales, values, value_scales = cache
    n_tokens = token_ids.shape[0]
    t_lo, t_hi = share(n_tokens, 1, rank, n_ranks)
    head_lo, head_hi = share(shape.n_heads, 1, rank, n_ranks)
    qkv_lo, qkv_hi = share(w.qkv_q8.shape[1], _ROW_GRAIN, rank, n_ranks)
    up_lo, up_hi = share(w.up_q8.shape[1], _ROW_GRAIN, rank, n_ranks)
    d_lo, d_hi = share(w.dense_q8.shape[1], _ROW_GRAIN, rank, n_ranks)

    embed(token_ids, w.embed_in_q8, w.embed_in_scales, s.x, t_lo, t_hi)
    for i in range(w.qkv_q8.shape[0]):
        _norm_and_quantize(
            s, w.input_norm_weight[i], w.input_norm_bias[i], shape,
            s.input_q, s.input_scales, t_lo, t_hi,
        )  # fmt: skip
        if shape.parallel:
            _norm_and_quantize(
                s, w.post_attention_norm_weight[i], w.post_attention_norm_bias[i], shape,
                s.post_q, s.post_scales, t_lo, t_hi,
            )  # fmt: skip
        if not barrier(shared, n_ranks):
            return

        matmul(w.qkv_q8[i], w.qkv_scales[i], s.input_q, s.input_scales, w.qkv_bias[i],
               False, s.qkv, qkv_lo, qkv_hi)  # fmt: skip
        if shape.parallel:
            matmul(w.up_q8[i], w.up_scales[i], s.post_q, s.post_scales, w.up_bias[i],
                   False, s.mlp, up_lo, up_hi)  # fmt: skip
            gelu(s.mlp, up_lo, up_hi)
        if not barrier(shared, n_ranks):
            return

        kv = (keys[i], key_scales[i], values[i], value_scales[i])
        append_to_cache(s.qkv, start, cos, sin, kv, head_lo, head_hi)
        attention(s.qkv, start, kv, s.attention_scores[rank], s.attended, head_lo, head_hi)
        if shape.parallel:
            quantize_rows(s.mlp, shape.levels_mlp, s.mlp_q, s.mlp_scales, t_lo, t_hi)
        if not barrier(shared, n_ranks):
            return

        quantize_rows(s.attended, shape.levels_model, s.attended_q, s.attended_scales, t_lo, t_hi)
        if not barrier(shared, n_ranks):
            return

        matmul(w.dense_q8[i], w.dense_scales[i], s.attended_q, s.attended_scales, w.dense_bias[i],
               True, s.x, d_lo, d_hi)  # fmt: skip
        if not shape.parallel:
            if not barrier(shared, n_ranks):
                return
            _norm_and_quantize(
                s, w.post_attention_norm_weight[i], w.post_attention_norm_bias[i], shape,
                s.post_q, s.post_scales, t_lo, t_hi,
            )  # fmt: skip
            if not barrier(shared, n_ranks):
                return
            matmul(w.up_q8[i], w.up_scales[i], s.post_q, s.post_scales, w.up_bias[i],
                   False, s.mlp, up_lo, up_hi)  # fmt: skip
            gelu(s.mlp, up_lo, up_hi)
            if not barrier(shared, n_ranks):
                return
            quantize_rows(s.mlp, shape.levels_mlp, s.mlp_q, s.mlp_scales, t_lo, t_hi)
            if not barrier(shared, n_ranks):
                return
        matmul(w.down_q8[i], w.down_scales[i], s.mlp_q, s.mlp_scales, w.down_bias[i],
               True, s.x, d_lo, d_hi)  # fmt: skip
        if not barrier(shared, n_ranks):
            return

    first = n_tokens - logits.shape[0]
    if first < n_tokens:
        _norm_and_quantize(
            s, w.final_norm_weight, w.final_norm_bias, shape,
            s.input_q, s.input_scales, max(t_lo, first), t_hi,
        )  # fmt: skip
        if not barrier(shared, n_ranks):
            return
        lo, hi = share(w.embed_out_q8.shape[0], _ROW_GRAIN, rank, n_ranks)
        matmul(w.embed_out_q8, w.embed_out_scales, s.input_q[first:], s.input_scales[first:],
               s.no_bias, False, logits, lo, hi)  # fmt: skip


@jit
def _score(
    rank: Any, n_ranks: Any, shared: Any, logits: Any, targets: Any, nll: Any, entropy: Any,
    ranks: Any,
) -> None:  # fmt: skip
    lo, hi = share(logits.shape[0], 1, rank, n_ranks)
    score_rows(logits, targets, nll, entropy, ranks, lo, hi)


class Transformer:
    """A model ready to run: `prefill`, `decode` and `score` extend a KVCache made by `new_cache`.

    Not to be shared between threads: it has one scratch and one team of `n_threads`.
    """

    def __init__(self, file: Int8File, n_threads: int) -> None:
        self.config = config = file.config
        self.d_vocab = config.d_vocab
        self._weights = Weights.from_file(file)
        self._team = Team(n_threads)
        self._shape = _Shape(
            n_heads=config.n_heads,
            eps=config.layer_norm_eps,
            parallel=config.use_parallel_residual,
            levels_model=activation_levels(config.d_model),
            levels_mlp=activation_levels(config.d_mlp),
        )
        self._cos, self._sin = rotary_tables(config.n_ctx, config.n_rotary, config.rotary_base)
        self._scratch = self._new_scratch()
        self._logits = np.empty((1, self.d_vocab), np.float32)
        self._load_kernels()

    def new_cache(self, capacity: int | None = None) -> KVCache:
        """An empty cache for `capacity` positions: the model's context where None."""
        n_ctx = self.config.n_ctx
        if capacity is not None and not 0 < capacity <= n_ctx:
            raise UsageError(f"a context of {capacity} is not within 1 to {n_ctx}, the model's own")
        return KVCache(self.config, capacity or n_ctx)

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
        return self.prefill(np.array([token_id], np.int64), cache)

    def score(
        self,
        token_ids: np.ndarray[Any, Any],
        targets: np.ndarray[Any, Any],
        cache: KVCache,
    ) -> Scores:
        """Append token_ids [n]; how the model rates targets [m] as successors of the last m."""
        m = len(targets)
        if m and (targets.min() < 0 or targets.max() >= self.d_vocab):
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")
        scores = Scores(np.empty(m), np.empty(m), np.empty(m, np.int64))
        first = len(token_ids) - m
        for at, logits in self.chunks(token_ids, cache, first):
            part = slice(at - first, at - first + len(logits))
            self._team.run(_score, logits, targets[part], *(array[part] for array in scores))
        return scores

    def chunks(
        self, token_ids: np.ndarray[Any, Any], cache: KVCache, first: int = 0
    ) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Append token_ids [n] by chunks; (i, logits [m, d_vocab]) of tokens i .. i+m, i >= first.

        Chunks before `first` yield nothing. The logits are valid until the next step.
        """
        token_ids = np.ascontiguousarray(token_ids, np.int64)
        if len(token_ids) == 0:
            raise UsageError("there are no tokens to run")
        if token_ids.min() < 0 or token_ids.max() >= self.d_vocab:
            raise UsageError(f"token ids must be within 0 to {self.d_vocab - 1}")
        start = cache.reserve(len(token_ids))
        finished = 0
        try:
            for at in range(0, len(token_ids), CHUNK):
                chunk = token_ids[at : at + CHUNK]
                logits_from = min(max(first, at), at + len(chunk))
                logits = self._logits_room(at + len(chunk) - logits_from)
                self._team.run(
                    _forward, self._shape, self._weights, self._scratch.of(len(chunk)),
                    cache.arrays, self._cos, self._sin, start + at, chunk, logits,
                )  # fmt: skip
                finished = at + len(chunk)
                if len(logits):
                    yield logits_from, logits
        finally:
            cache.truncate(start + finished)

    def close(self) -> None:
        """Let the team's threads end."""
        self._team.close()

    def _load_kernels(self) -> None:
        """Compile, or load from the cache, before anything is timed: a model of no layers runs."""
        nothing = np.empty((0, self.d_vocab), np.float32)
        self._team.run(
            _forward, self._shape, self._weights.without_layers(), self._scratch.of(1),
            self.new_cache(1).arrays, self._cos, self._sin, 0, np.zeros(1, np.int64), nothing,
        )  # fmt: skip
        none = np.empty(0)
        ids = np.empty(0, np.int64)
        self._team.run(_score, nothing, ids, none, none, ids)

    def _logits_room(self, n_rows: int) -> np.ndarray[Any, Any]:
        if len(self._logits) < n_rows:
            self._logits = np.empty((n_rows, self.d_vocab), np.float32)
        return self._logits[:n_rows]

    def _new_scratch(self) -> _Scratch:
        config, n = self.config, CHUNK

        def real(*shape: int) -> np.ndarray[Any, Any]:
            return np.zeros(shape, np.float32)

        def short(*shape: int) -> np.ndarray[Any, Any]:
            return np.zeros(shape, np.int16)

        d, d_mlp = config.d_model, config.d_mlp
        n_positions = KVCache.padded(config.n_ctx)
        return _Scratch(
            x=real(n, d), normed=real(n, d),
            input_q=short(n, d), input_scales=real(n), post_q=short(n, d), post_scales=real(n),
            qkv=real(n, 3 * d), attended=real(n, d),
            attended_q=short(n, d), attended_scales=real(n),
            mlp=real(n, d_mlp), mlp_q=short(n, d_mlp), mlp_scales=real(n),
            attention_scores=real(self._team.n_ranks, N_QUERIES, n_positions),
            no_bias=real(config.d_vocab),
        )  # fmt: skip
