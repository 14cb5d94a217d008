"""The compiled forward pass, with its threads and buffers: up to CHUNK tokens per call."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.byte_parts import Precision, byte_parts, no_byte_parts
from pythia_cli.engine.kv_cache import KVArrays, KVCache
from pythia_cli.engine.scores import Scores, empty_scores
from pythia_cli.engine.weights import key_centre, weights_of
from pythia_cli.errors import UsageError
from pythia_cli.jit.team import Team
from pythia_cli.kernels import compiled
from pythia_cli.kernels.sizes import (
    LANES,
    LAYER_CLAIMS,
    LOGITS_PIECE,
    N_QUERIES,
    SCORE_TOKENS,
    WHOLE,
    WIDENED_WEIGHTS,
    aligned_zeros,
    rotary_blocks,
    rotary_tables,
)
from pythia_cli.suite.config import ModelConfig
from pythia_cli.system.one_thread import OneThread
from pythia_cli.weights.int8_layout import Int8Weights

CHUNK = 256
"""Tokens per pass: enough to reuse each weight, few enough to respond to interrupts."""
_SHORT = 2_000_000_000
"""Weights times tokens of a pass for whose end an interrupt may wait: a tenth of a second."""

_NO_IDS = np.empty(0, np.int64)
_NO_LOGITS = np.empty((0, 0), np.float32)
NO_ATTENTION_SCORES = np.empty((0, 0, 0), np.float32)
NO_MEMBERS = np.empty(0, np.float32)
NO_SCORES = empty_scores(0)


class WantedRows(NamedTuple):
    """The outputs to write for the tokens in rows [m] of a pass; m may be 0.

    Scores [m] if there are targets [m], with the logits [m, d_vocab] too unless these are empty;
    without targets, logits. members [d_vocab] float32: 1 for the tokens of the set whose
    probability is scored too, else 0; or empty.
    """

    rows: np.ndarray[Any, Any] = _NO_IDS
    logits: np.ndarray[Any, Any] = _NO_LOGITS
    targets: np.ndarray[Any, Any] = _NO_IDS
    members: np.ndarray[Any, Any] = NO_MEMBERS
    scores: Scores = NO_SCORES


NOTHING = WantedRows()
NO_SPANS = np.empty((0, 3), np.int64)


class Steps(NamedTuple):
    """What to run of the model: the embedding if `embeds` is 1, then layers lo..hi.

    part: the Part of these layers that runs, or WHOLE; as in kernels/forward.py.
    """

    embeds: int
    lo: int
    hi: int
    part: int = WHOLE


class ForwardPass:
    """Runs kernels/forward.py on an int8 file, with a team of `n_threads`.

    residual [CHUNK, d_model]: the residual stream. It is the output of the last call, and the input
    of the next one if that does not begin with the embedding. buffers: this and the other float
    buffers [CHUNK, d] that a Part reads and writes. one_thread: to be held by who uses
    these buffers, or outputs that the next call reuses, beyond a call.
    """

    def __init__(
        self, weights: Int8Weights, n_threads: int, precision: Precision = "exact"
    ) -> None:
        config = weights.config
        self.precision = precision
        self.one_thread = OneThread()
        self._team = Team(n_threads)
        self._forward = compiled.function("forward")
        self._claims = np.zeros((LAYER_CLAIMS * config.n_layers + 1, n_threads), np.int64)
        x = _wide(config.d_model)
        self.residual = x[:, : config.d_model]
        self._scratch = _scratch(config, n_threads)
        self.buffers = {
            "x": self.residual,
            "normed": self._scratch["normed"],
            "qkv": self._scratch["qkv"][:, : 3 * config.d_model],
            "attended": self._scratch["attended"][:, : config.d_model],
            "mlp": self._scratch["mlp"][:, : config.d_mlp],
        }
        self.weights = weights_of(weights)
        self._n_weights = sum(array.size for array in weights.tensors.values())
        self.key_centre = key_centre(weights)
        self.whole = Steps(embeds=1, lo=0, hi=config.n_layers)
        self.no_cache = KVCache(config, 1).arrays
        self.rotary = cos, sin = rotary_tables(config.n_ctx, config.n_rotary, config.rotary_base)
        self._arguments = compiled.arguments(
            "forward",
            shared=self._team.shared,
            model={
                "weights": self.weights,
                "fast": precision == "fast",
                "bytes": byte_parts(weights) if precision == "fast" else no_byte_parts(),
                "parallel": config.use_parallel_residual,
                "eps": config.layer_norm_eps,
                "rotary": {"cos": cos, "sin": sin, "blocks": rotary_blocks(cos, sin)},
                "key_centre": self.key_centre,
            },
            scratch={"x": x, "claims": self._claims, **self._scratch},
            score_scratch=_score_scratch(config, n_threads),
            steps=self.whole,
            spans=NO_SPANS,
            cache=self.no_cache,
            token_ids=_NO_IDS,
            **NOTHING._asdict(),
            attention_scores=NO_ATTENTION_SCORES,
        )

    def run(
        self,
        token_ids: np.ndarray[Any, Any],
        spans: np.ndarray[Any, Any],
        cache: KVArrays,
        wanted: WantedRows = NOTHING,
        steps: Steps | None = None,
        attention_scores: np.ndarray[Any, Any] = NO_ATTENTION_SCORES,
    ) -> None:
        """Append token_ids [n <= CHUNK] to their texts, and write the wanted outputs.

        token_ids are those of the first text, then those of the second, and so on. spans
        [n_texts, 3] int64 has for each text: its row in the cache, the position of its first new
        token, and its number of new tokens. steps: None is the whole model. Without layers, spans
        may be empty and the cache `no_cache`. attention_scores: as in kernels/forward.py. If
        interrupted, only these positions of the cache may
        have changed. Raises UsageError if there are too many tokens, or if another thread is here.
        """
        if len(token_ids) > CHUNK:  # the buffers have no room for more
            raise UsageError(f"{len(token_ids)} tokens in one pass; it takes {CHUNK}")
        with self.one_thread:
            replace = self._arguments.replace
            replace("steps", steps or self.whole)
            replace("spans", spans)
            replace("cache", cache)
            replace("token_ids", token_ids)
            replace("rows", wanted.rows)
            replace("logits", wanted.logits)
            replace("targets", wanted.targets)
            replace("members", wanted.members)
            replace("scores", wanted.scores)
            replace("attention_scores", attention_scores)
            self._claims[:] = 0
            is_short = len(token_ids) * self._n_weights <= _SHORT
            self._team.run(self._forward, self._arguments.address, here=is_short, meets=True)

    def linear_input(self, linear: str, n_tokens: int) -> np.ndarray[Any, Any]:
        """The input [n_tokens, d_in] float64 of a linear of the layer, or embed_out, run last.

        linear: the last part of its published name. The input is as quantized in 16 bits, so only
        with precision "exact".
        """
        exact = self._scratch[_INPUTS[linear]]["exact"]
        found: np.ndarray[Any, Any] = exact["q"][:n_tokens].astype(np.float64)
        found *= exact["scales"][:n_tokens, None]
        return found

    def to_pattern(self, scores: np.ndarray[Any, Any]) -> None:
        """Attention scores [n_heads, n, n] float32 become the pattern that they give, in place."""
        arguments = compiled.arguments("attention_pattern", scores=scores)
        with self.one_thread:
            self._team.run(compiled.function("attention_pattern"), arguments.address)

    def close(self) -> None:
        """End the threads."""
        self._team.close()


_INPUTS = {
    "query_key_value": "attention_input",
    "dense": "attended_input",
    "dense_h_to_4h": "mlp_input",
    "dense_4h_to_h": "mlp_hidden",
    "embed_out": "attention_input",
}


def _real(*shape: int) -> np.ndarray[Any, Any]:
    return aligned_zeros(shape, np.float32)


def _wide(d: int) -> np.ndarray[Any, Any]:
    """Room for d numbers of CHUNK tokens, and a cache line between them.

    If rows are a power of two long, all have the same place in a cache, which has room for few.
    """
    return _real(CHUNK, d + LANES)


def _input(d: int) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Room for the input of a linear of CHUNK tokens: pages that nothing uses take no memory."""
    n, n_groups = CHUNK, CHUNK // LANES
    packed = d % (4 * LANES) == 0
    return {
        "exact": {
            "q": aligned_zeros((n, d), np.int16),
            "scales": _real(n),
            "lanes": aligned_zeros((packed * n_groups, d // 2, LANES), np.int32),
            "halves": aligned_zeros((int(packed), 2, d), np.int8),
            "totals": aligned_zeros((int(packed),), np.int32),
        },
        "bytes": {
            "q": aligned_zeros((n, d), np.uint8),
            "scales": _real(n),
            "zeros": aligned_zeros((n,), np.int32),
            "lanes": aligned_zeros((packed * n_groups, d // 4, LANES), np.int32),
        },
    }


def _scratch(config: ModelConfig, n_ranks: int) -> dict[str, Any]:
    """Buffers for the activations of CHUNK tokens, without the residual stream."""
    n, d, d_mlp = CHUNK, config.d_model, config.d_mlp
    n_widened = max(WIDENED_WEIGHTS, LANES * max(d, d_mlp))
    return {
        "normed": _real(n, d),
        "attention_input": _input(d),
        "mlp_input": _input(d),
        "qkv": _wide(3 * d),
        "attended": _wide(d),
        "attended_input": _input(d),
        "mlp": _wide(d_mlp),
        "mlp_hidden": _input(d_mlp),
        "attention": _attention_scratch(config, n_ranks),
        "widened": aligned_zeros((n_ranks, n_widened), np.int16),
    }


def _attention_scratch(config: ModelConfig, n_ranks: int) -> dict[str, np.ndarray[Any, Any]]:
    tile = (n_ranks, N_QUERIES)
    n_positions = KVCache.padded(config.n_ctx)
    return {
        "scores": _real(*tile, n_positions),
        "weights": aligned_zeros((*tile, n_positions), np.int16),
        "q": aligned_zeros((*tile, KVCache.padded_head(config.d_head)), np.int16),
        "turns": _real(*tile, 2 * -(-config.n_rotary // 2)),
        "q_scales": _real(*tile),
        "sums": _real(*tile, 3),
        "out_scales": _real(*tile),
        "rotated": _real(*tile, config.d_head),
    }


def _score_scratch(config: ModelConfig, n_ranks: int) -> dict[str, np.ndarray[Any, Any]]:
    """Buffers to score the tokens of a pass."""
    n = CHUNK
    n_pieces = -(-config.d_vocab // LOGITS_PIECE)
    return {
        "target_logits": _real(n, 3),
        "logits": _real(n_ranks, SCORE_TOKENS, LOGITS_PIECE + LANES),
        "p": _real(n_ranks, LOGITS_PIECE),
        "residual": aligned_zeros((n, config.d_model), np.uint8),
        "refined": aligned_zeros((n_ranks, 2, LOGITS_PIECE), np.int32),
        "sums": np.empty((n, n_pieces, 6)),
    }
