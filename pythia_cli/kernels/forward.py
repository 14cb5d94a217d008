"""GPT-NeoX from embedding to logits, over int8 weights: the whole model for a chunk of tokens.

A team of threads runs it together: each step is cut over tokens, rows or heads, and a barrier
stands wherever a step needs another's shares. Every output element is computed whole by one
thread and in one order, so that its bits depend neither on the number of threads, nor on how a
text was cut into chunks, nor on what other texts go along.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from pythia_cli.jit.barrier import barrier, claim, share
from pythia_cli.jit.declare import jit
from pythia_cli.kernels.attention import append_to_cache, attention
from pythia_cli.kernels.embedding import embed
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.matmul import matmul
from pythia_cli.kernels.quantize_rows import quantize_rows
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import SCORE_PIECE

_Cut = namedtuple(
    "_Cut",
    "x normed input_q input_scales post_q post_scales qkv attended attended_q attended_scales"
    " mlp mlp_q mlp_scales",
)
_CLAIMS = 4  # of blocks of rows, in each layer: see `claim`
_BLOCK_BYTES = 128 * 1024  # of weights, that a thread takes at a time


@jit
def _norm_and_quantize(
    s: Any, weight: Any, bias: Any, shape: Any, out_q: Any, out_scales: Any, lo: Any, hi: Any
) -> None:
    layer_norm(s.x, weight, bias, shape.eps, s.normed, lo, hi)
    quantize_rows(s.normed, shape.levels_model, out_q, out_scales, lo, hi)


@jit
def _cut(scratch: Any, n_tokens: Any) -> Any:
    """The scratch of n_tokens, each array by its name."""
    return _Cut(
        scratch.x[:n_tokens], scratch.normed[:n_tokens],
        scratch.input_q[:n_tokens], scratch.input_scales[:n_tokens],
        scratch.post_q[:n_tokens], scratch.post_scales[:n_tokens],
        scratch.qkv[:n_tokens], scratch.attended[:n_tokens],
        scratch.attended_q[:n_tokens], scratch.attended_scales[:n_tokens],
        scratch.mlp[:n_tokens], scratch.mlp_q[:n_tokens], scratch.mlp_scales[:n_tokens],
    )  # fmt: skip


@jit
def _attend(
    qkv: Any, texts: Any, cache: Any, layer: Any, cos: Any, sin: Any, scores: Any, out: Any,
    lo: Any, hi: Any,
) -> None:  # fmt: skip
    """Layer's new keys and values into the cache, and attention: heads lo..hi of all texts'."""
    n_heads = cache.keys.shape[2]
    first_token = 0
    for text in range(texts.shape[0]):
        row, start, n_tokens = texts[text, 0], texts[text, 1], texts[text, 2]
        head_lo = min(max(lo - text * n_heads, 0), n_heads)
        head_hi = min(max(hi - text * n_heads, 0), n_heads)
        own = slice(first_token, first_token + n_tokens)
        kv = (
            cache.keys[layer, row], cache.key_scales[layer, row],
            cache.values[layer, row], cache.value_scales[layer, row],
        )  # fmt: skip
        append_to_cache(qkv[own], start, cos, sin, kv, head_lo, head_hi)
        attention(qkv[own], start, kv, scores, out[own], head_lo, head_hi)
        first_token += n_tokens


@jit
def _score(
    rank: Any, n_ranks: Any, shared: Any, w: Any, scratch: Any, claims: Any, x_q: Any,
    x_scales: Any, targets: Any, scores: Any,
) -> None:  # fmt: skip
    """Rate targets [m] by the unembedding of x_q [m, d_model], a piece of the vocabulary a time."""
    m, d_vocab = targets.shape[0], w.embed_out_q8.shape[0]
    t_lo, t_hi = share(m, 1, rank, n_ranks)
    target_logits = scores.target_logits[:m]
    for t in range(t_lo, t_hi):
        row = targets[t]
        matmul(w.embed_out_q8[row : row + 1], w.embed_out_scales[row : row + 1],
               x_q[t : t + 1], x_scales[t : t + 1], scratch.no_bias, False,
               target_logits[t : t + 1], 0, 1)  # fmt: skip
    if not barrier(shared, n_ranks):
        return
    last = claims.shape[0] - 1
    lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    while lo < hi:
        n, piece = hi - lo, lo // SCORE_PIECE
        logits = scores.logits[rank]
        matmul(w.embed_out_q8[lo : lo + n], w.embed_out_scales[lo : lo + n], x_q, x_scales,
               scratch.no_bias, False, logits, 0, n)  # fmt: skip
        score_piece(logits, n, target_logits, piece, scores.p[rank], scores.sums, 0, m)
        lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    if not barrier(shared, n_ranks):
        return
    merge_pieces(scores.sums, target_logits, scores.nll, scores.entropy, scores.ranks, t_lo, t_hi)


@jit
def _grain(d_in: Any) -> Any:
    """How many rows of d_in weights are claimed at a time: whole tiles and lines of the output."""
    return max(_BLOCK_BYTES // d_in // 16, 1) * 16


@jit
def _up(w: Any, i: Any, s: Any, claims: Any, grain: Any) -> None:
    """Layer i's MLP as far as its GELU, by rows that are claimed."""
    d_mlp = w.up_q8.shape[1]
    lo, hi = claim(claims, _CLAIMS * i + 1, grain, d_mlp)
    while lo < hi:
        matmul(w.up_q8[i], w.up_scales[i], s.post_q, s.post_scales, w.up_bias[i],
               False, s.mlp, lo, hi)  # fmt: skip
        gelu(s.mlp, lo, hi)
        lo, hi = claim(claims, _CLAIMS * i + 1, grain, d_mlp)


@jit
def _down(w: Any, i: Any, s: Any, lo: Any, hi: Any) -> None:
    """Rows lo..hi of layer i's MLP back, added to the residual stream."""
    matmul(w.down_q8[i], w.down_scales[i], s.mlp_q, s.mlp_scales, w.down_bias[i],
           True, s.x, lo, hi)  # fmt: skip


@jit
def forward(
    rank: Any, n_ranks: Any, shared: Any, shape: Any, w: Any, scratch: Any, cache: Any,
    cos: Any, sin: Any, claims: Any, texts: Any, token_ids: Any, logits: Any,
    targets: Any, scores: Any,
) -> None:  # fmt: skip
    """Append token_ids [n] to their texts; logits [m, d_vocab] of the last m of them.

    Or, where there are targets [m], scores: how the last m tokens rate them as their successors.

    texts [n_texts, 3], one after another in token_ids: the text's row in the cache, the position
    of its first new token, and how many it gets. claims [4 * n_layers + 1] are zeros. The rest as
    entries.py has it.
    """
    n_tokens = token_ids.shape[0]
    s = _cut(scratch, n_tokens)
    t_lo, t_hi = share(n_tokens, 1, rank, n_ranks)
    head_lo, head_hi = share(texts.shape[0] * shape.n_heads, 1, rank, n_ranks)
    d_model, d_mlp = w.dense_q8.shape[1], w.up_q8.shape[1]
    grain = _grain(d_model)

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

        lo, hi = claim(claims, _CLAIMS * i, grain, 3 * d_model)
        while lo < hi:
            matmul(w.qkv_q8[i], w.qkv_scales[i], s.input_q, s.input_scales, w.qkv_bias[i],
                   False, s.qkv, lo, hi)  # fmt: skip
            lo, hi = claim(claims, _CLAIMS * i, grain, 3 * d_model)
        if shape.parallel:
            _up(w, i, s, claims, grain)
        if not barrier(shared, n_ranks):
            return

        _attend(s.qkv, texts, cache, i, cos, sin, scratch.attention_scores[rank], s.attended,
                head_lo, head_hi)  # fmt: skip
        if shape.parallel:
            quantize_rows(s.mlp, shape.levels_mlp, s.mlp_q, s.mlp_scales, t_lo, t_hi)
        if not barrier(shared, n_ranks):
            return

        quantize_rows(s.attended, shape.levels_model, s.attended_q, s.attended_scales, t_lo, t_hi)
        if not barrier(shared, n_ranks):
            return

        # A row's two sums go to the same place, in this order: whoever claims it makes both.
        d_grain = _grain(d_model + d_mlp) if shape.parallel else grain
        lo, hi = claim(claims, _CLAIMS * i + 2, d_grain, d_model)
        while lo < hi:
            matmul(w.dense_q8[i], w.dense_scales[i], s.attended_q, s.attended_scales,
                   w.dense_bias[i], True, s.x, lo, hi)  # fmt: skip
            if shape.parallel:
                _down(w, i, s, lo, hi)
            lo, hi = claim(claims, _CLAIMS * i + 2, d_grain, d_model)
        if not shape.parallel:
            if not barrier(shared, n_ranks):
                return
            _norm_and_quantize(
                s, w.post_attention_norm_weight[i], w.post_attention_norm_bias[i], shape,
                s.post_q, s.post_scales, t_lo, t_hi,
            )  # fmt: skip
            if not barrier(shared, n_ranks):
                return
            _up(w, i, s, claims, grain)
            if not barrier(shared, n_ranks):
                return
            quantize_rows(s.mlp, shape.levels_mlp, s.mlp_q, s.mlp_scales, t_lo, t_hi)
            if not barrier(shared, n_ranks):
                return
            d_grain = _grain(d_mlp)
            lo, hi = claim(claims, _CLAIMS * i + 3, d_grain, d_model)
            while lo < hi:
                _down(w, i, s, lo, hi)
                lo, hi = claim(claims, _CLAIMS * i + 3, d_grain, d_model)
        if not barrier(shared, n_ranks):
            return

    n_last = max(logits.shape[0], targets.shape[0])
    if n_last == 0:
        return
    first = n_tokens - n_last
    _norm_and_quantize(
        s, w.final_norm_weight, w.final_norm_bias, shape,
        s.input_q, s.input_scales, max(t_lo, first), t_hi,
    )  # fmt: skip
    if not barrier(shared, n_ranks):
        return
    last_q, last_scales = s.input_q[first:], s.input_scales[first:]
    if targets.shape[0] > 0:
        _score(rank, n_ranks, shared, w, scratch, claims, last_q, last_scales, targets, scores)
    else:
        last, d_vocab = claims.shape[0] - 1, w.embed_out_q8.shape[0]
        lo, hi = claim(claims, last, grain, d_vocab)
        while lo < hi:
            matmul(w.embed_out_q8, w.embed_out_scales, last_q, last_scales,
                   scratch.no_bias, False, logits, lo, hi)  # fmt: skip
            lo, hi = claim(claims, last, grain, d_vocab)
