"""One layer of GPT-NeoX, run by all ranks of a team together.

Each step is divided by tokens, rows or heads. A barrier comes before each step that reads what
other ranks wrote. One rank computes an output element completely, always in the same order. So the
bits do not depend on the number of threads, the division into chunks, or other texts in the pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.barrier import barrier, claim, share
from pythia_cli.jit.declare import inlined
from pythia_cli.jit.signature import Floats2, Floats3, Int64s1
from pythia_cli.kernels.attention import CachedLayer, append_to_cache, attention
from pythia_cli.kernels.embedding import Embedding
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.layer_norm import Norm, Norms, layer_norm
from pythia_cli.kernels.linear import Linear, Linears, Quantized, matmul, quantize_input
from pythia_cli.kernels.sizes import LAYER_CLAIMS

_BLOCK_BYTES = 128 * 1024  # of weights, claimed by a rank at a time


class Weights(NamedTuple):
    """All parameters, by the last part of each module's published name."""

    embed_in: Embedding
    query_key_value: Linears
    dense: Linears
    dense_h_to_4h: Linears
    dense_4h_to_h: Linears
    input_layernorm: Norms
    post_attention_layernorm: Norms
    final_layer_norm: Norm
    embed_out: Linear


class ForwardModel(NamedTuple):
    """The model: the same for all passes. cos and sin come from rotary_tables.

    parallel: 1 if attention and MLP both read the layer's input, else 0.
    """

    weights: Weights
    parallel: int
    eps: float
    cos: Floats2
    sin: Floats2


class Scratch(NamedTuple):
    """Buffers for the activations of n tokens.

    x [n, d_model] is the residual stream. attention_input and mlp_input are its layer norms,
    quantized. attention_scores [n_ranks, N_QUERIES, n_positions].
    claims [LAYER_CLAIMS * n_layers + 1] must be zero at the start of a pass.
    """

    x: Floats2
    normed: Floats2
    attention_input: Quantized
    mlp_input: Quantized
    qkv: Floats2
    attended: Floats2
    attended_input: Quantized
    mlp: Floats2
    mlp_hidden: Quantized
    attention_scores: Floats3
    claims: Int64s1


class Texts(NamedTuple):
    """The texts of a pass and their cache, as in the arguments of `forward`."""

    spans: Any
    cache: Any


class Ranks(NamedTuple):
    """This rank, the number of ranks, and the array that they share."""

    rank: Any
    n_ranks: Any
    shared: Any


@inlined
def own_share(ranks: Any, n: Any) -> Any:
    """This rank's part [lo, hi) of n items."""
    return share(n, 1, ranks.rank, ranks.n_ranks)


@inlined
def meet(ranks: Any) -> Any:
    """Wait for all ranks. Returns False if the run was aborted."""
    return barrier(ranks.shared, ranks.n_ranks)


@inlined
def grain(d_in: Any) -> Any:
    """The number of rows of d_in weights to claim at a time: whole tiles and cache lines."""
    return max(_BLOCK_BYTES // d_in // 16, 1) * 16


@inlined
def first_tokens(s: Any, n: Any) -> Any:
    """The scratch, cut to its first n tokens."""
    return Scratch(
        s.x[:n], s.normed[:n], _first(s.attention_input, n), _first(s.mlp_input, n),
        s.qkv[:n], s.attended[:n], _first(s.attended_input, n),
        s.mlp[:n], _first(s.mlp_hidden, n), s.attention_scores, s.claims,
    )  # fmt: skip


@inlined
def _first(x: Any, n: Any) -> Any:
    return Quantized(x.q[:n], x.scales[:n])


@inlined
def _linear(linears: Any, layer: Any) -> Any:
    return Linear(linears.weight[layer], linears.scales[layer], linears.bias[layer])


@inlined
def _norm(model: Any, norms: Any, layer: Any, s: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ the layer norm of the residual stream, quantized; tokens lo..hi."""
    norm = Norm(norms.weight[layer], norms.bias[layer])
    layer_norm(norm, s.x, model.eps, s.normed, lo, hi)
    quantize_input(s.normed, out, lo, hi)


@inlined
def _query_key_value(model: Any, i: Any, s: Any) -> None:
    linear, slot = _linear(model.weights.query_key_value, i), LAYER_CLAIMS * i
    d_out, d_in = linear.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        matmul(linear, s.attention_input, False, s.qkv, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def _attend(ranks: Any, model: Any, i: Any, s: Any, texts: Any) -> None:
    """Append keys and values to the cache, then attend, for this rank's share of all heads."""
    cache = texts.cache
    n_heads, n_texts = cache.keys.shape[2], texts.spans.shape[0]
    lo, hi = own_share(ranks, n_texts * n_heads)
    scores = s.attention_scores[ranks.rank]
    first = 0
    for text in range(n_texts):
        row, start, n_tokens = texts.spans[text, 0], texts.spans[text, 1], texts.spans[text, 2]
        head_lo = min(max(lo - text * n_heads, 0), n_heads)
        head_hi = min(max(hi - text * n_heads, 0), n_heads)
        qkv, attended = s.qkv[first : first + n_tokens], s.attended[first : first + n_tokens]
        kv = CachedLayer(
            cache.keys[i, row], cache.key_scales[i, row],
            cache.values[i, row], cache.value_scales[i, row],
        )  # fmt: skip
        append_to_cache(qkv, start, model.cos, model.sin, kv, head_lo, head_hi)
        attention(qkv, start, kv, scores, attended, head_lo, head_hi)
        first += n_tokens


@inlined
def _mlp_up(model: Any, i: Any, s: Any) -> None:
    """The first half of the MLP, including its GELU."""
    linear, slot = _linear(model.weights.dense_h_to_4h, i), LAYER_CLAIMS * i + 1
    d_out, d_in = linear.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        matmul(linear, s.mlp_input, False, s.mlp, lo, hi)
        gelu(s.mlp, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def _add(model: Any, i: Any, s: Any, slot: Any, attention_out: Any, mlp_out: Any) -> None:
    """Add the outputs of attention, the MLP, or both (in this order) to the residual stream.

    The rank that claims a row adds both.
    """
    dense = _linear(model.weights.dense, i)
    down = _linear(model.weights.dense_4h_to_h, i)
    d_model, d_in = s.x.shape[1], 0
    if attention_out:
        d_in += dense.weight.shape[1]
    if mlp_out:
        d_in += down.weight.shape[1]
    lo, hi = claim(s.claims, slot, grain(d_in), d_model)
    while lo < hi:
        if attention_out:
            matmul(dense, s.attended_input, True, s.x, lo, hi)
        if mlp_out:
            matmul(down, s.mlp_hidden, True, s.x, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_model)


@inlined
def run_layer(ranks: Any, model: Any, i: Any, s: Any, texts: Any) -> Any:
    """Run layer i on the residual stream in the scratch s. Returns False if the run was aborted."""
    w = model.weights
    lo, hi = own_share(ranks, s.x.shape[0])

    _norm(model, w.input_layernorm, i, s, s.attention_input, lo, hi)
    if model.parallel:
        _norm(model, w.post_attention_layernorm, i, s, s.mlp_input, lo, hi)
    if not meet(ranks):
        return False

    _query_key_value(model, i, s)
    if model.parallel:
        _mlp_up(model, i, s)
    if not meet(ranks):
        return False

    _attend(ranks, model, i, s, texts)
    if model.parallel:
        quantize_input(s.mlp, s.mlp_hidden, lo, hi)
    if not meet(ranks):
        return False

    quantize_input(s.attended, s.attended_input, lo, hi)
    if not meet(ranks):
        return False

    _add(model, i, s, LAYER_CLAIMS * i + 2, True, model.parallel)
    if not meet(ranks):
        return False
    return model.parallel or _run_mlp(ranks, model, i, s, lo, hi)


@inlined
def _run_mlp(ranks: Any, model: Any, i: Any, s: Any, lo: Any, hi: Any) -> Any:
    """Run the MLP after attention (not parallel). Returns False if the run was aborted."""
    _norm(model, model.weights.post_attention_layernorm, i, s, s.mlp_input, lo, hi)
    if not meet(ranks):
        return False
    _mlp_up(model, i, s)
    if not meet(ranks):
        return False
    quantize_input(s.mlp, s.mlp_hidden, lo, hi)
    if not meet(ranks):
        return False
    _add(model, i, s, LAYER_CLAIMS * i + 3, False, True)
    return meet(ranks)
