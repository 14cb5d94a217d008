"""One layer of GPT-NeoX, run by all ranks of a team together.

Each step is divided by tokens, rows or heads. A barrier comes before each step that reads what
other ranks wrote. One rank computes an output element completely, always in the same order. So the
bits do not depend on the number of threads, the division into chunks, or other texts in the pass.
"""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.barrier import barrier, claim, share
from pythia_cli.jit.declare import inlined, jit
from pythia_cli.jit.literals import any_value
from pythia_cli.kernels.attention import append_to_cache, attention
from pythia_cli.kernels.attention_structures import CachedLayer, Tile
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.layer_norm import Norm, layer_norm
from pythia_cli.kernels.linear import (
    LEAST_IN_LANES,
    ByteLinear,
    Bytes,
    Linear,
    Quantized,
    byte_matmul,
    matmul,
    pack,
    quantize_bytes,
    quantize_input,
)
from pythia_cli.kernels.sizes import LANES, LAYER_CLAIMS
from pythia_cli.kernels.structures import Input, Scratch

_BLOCK_BYTES = 128 * 1024  # of weights, claimed by a rank at a time


@inlined
def own_share(ranks: Any, n: Any) -> Any:
    """This rank's part [lo, hi) of n items."""
    return share(n, 1, ranks.rank, ranks.n_ranks)


@inlined
def own_tokens(ranks: Any, n: Any) -> Any:
    """This rank's part [lo, hi) of n tokens: whole groups of LANES if there are any to `pack`."""
    return share(n, LANES if n >= LEAST_IN_LANES else 1, ranks.rank, ranks.n_ranks)


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
        s.mlp[:n], _first(s.mlp_hidden, n), s.attention, s.claims,
    )  # fmt: skip


@inlined
def _first(x: Any, n: Any) -> Any:
    return Input(
        Quantized(x.exact.q[:n], x.exact.scales[:n], x.exact.lanes[: n // LANES]),
        Bytes(x.bytes.q[:n], x.bytes.scales[:n], x.bytes.zeros[:n], x.bytes.lanes[: n // LANES]),
    )


@jit
def quantize(fast: Any, parts: Any, layer: Any, x: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x, for the linears of `parts`; tokens lo..hi."""
    if fast:
        quantize_bytes(x, parts.centre[layer], out.bytes, lo, hi)
        pack(out.bytes, lo, hi)
    else:
        quantize_input(x, out.exact, lo, hi)
        pack(out.exact, lo, hi)


@jit
def multiply(
    fast: Any, linears: Any, parts: Any, i: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any
) -> None:
    """out = or += the linear of layer i of x; outputs lo..hi."""
    weight, scales = linears.weight[i], linears.scales[i]
    if fast:
        linear = ByteLinear(weight, scales, parts.centred_bias[i], parts.row_sums[i])
        byte_matmul(linear, x.bytes, adds, out, lo, hi)
    else:
        matmul(Linear(weight, scales, linears.bias[i]), x.exact, adds, out, lo, hi)


@inlined
def _norm(
    model: Any, norms: Any, parts: Any, layer: Any, s: Any, out: Any, lo: Any, hi: Any
) -> None:
    """out ~ the layer norm of the residual stream, quantized for `parts`; tokens lo..hi."""
    norm = Norm(norms.weight[layer], norms.bias[layer])
    layer_norm(norm, s.x, model.eps, s.normed, lo, hi)
    quantize(model.fast, parts, layer, s.normed, out, lo, hi)


@inlined
def _query_key_value(model: Any, i: Any, s: Any) -> None:
    linears, parts = model.weights.query_key_value, model.bytes.query_key_value
    sets = any_value(False)
    slot = LAYER_CLAIMS * i
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        multiply(model.fast, linears, parts, i, s.attention_input, sets, s.qkv, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def attend(ranks: Any, model: Any, i: Any, s: Any, texts: Any) -> None:
    """Append keys and values to the cache, then attend, for this rank's share of all heads."""
    cache = texts.cache
    n_heads, n_texts = cache.keys.shape[2], texts.spans.shape[0]
    lo, hi = own_share(ranks, n_texts * n_heads)
    rank, room = ranks.rank, s.attention
    tile = Tile(
        room.scores[rank], room.weights[rank], room.q[rank], room.turns[rank],
        room.q_scales[rank], room.sums[rank], room.out_scales[rank],
    )  # fmt: skip
    centre = model.key_centre[i]
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
        append_to_cache(qkv, start, model.rotary, centre, kv, tile.q[0], head_lo, head_hi)
        attention(
            qkv, start, model.rotary, centre, kv, tile, texts.scores, first + start, attended,
            head_lo, head_hi,
        )  # fmt: skip
        first += n_tokens


@inlined
def _mlp_up(model: Any, i: Any, s: Any) -> None:
    """The first half of the MLP, including its GELU."""
    linears, parts = model.weights.dense_h_to_4h, model.bytes.dense_h_to_4h
    sets = any_value(False)
    slot = LAYER_CLAIMS * i + 1
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        multiply(model.fast, linears, parts, i, s.mlp_input, sets, s.mlp, lo, hi)
        gelu(s.mlp, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def _add(model: Any, i: Any, s: Any, slot: Any, attention_out: Any, mlp_out: Any) -> None:
    """Add the outputs of attention, the MLP, or both (in this order) to the residual stream.

    The rank that claims a row adds both.
    """
    dense, down, parts = model.weights.dense, model.weights.dense_4h_to_h, model.bytes
    adds = any_value(True)
    d_model, d_in = dense.weight.shape[1], 0
    if attention_out:
        d_in += dense.weight.shape[2]
    if mlp_out:
        d_in += down.weight.shape[2]
    lo, hi = claim(s.claims, slot, grain(d_in), d_model)
    while lo < hi:
        if attention_out:
            multiply(model.fast, dense, parts.dense, i, s.attended_input, adds, s.x, lo, hi)
        if mlp_out:
            multiply(model.fast, down, parts.dense_4h_to_h, i, s.mlp_hidden, adds, s.x, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_model)


@inlined
def run_layer(ranks: Any, model: Any, i: Any, s: Any, texts: Any) -> Any:
    """Run layer i on the residual stream in the scratch s. Returns False if the run was aborted."""
    w, b = model.weights, model.bytes
    lo, hi = own_tokens(ranks, s.x.shape[0])

    _norm(model, w.input_layernorm, b.query_key_value, i, s, s.attention_input, lo, hi)
    if model.parallel:
        _norm(model, w.post_attention_layernorm, b.dense_h_to_4h, i, s, s.mlp_input, lo, hi)
    if not meet(ranks):
        return False

    _query_key_value(model, i, s)
    if model.parallel:
        _mlp_up(model, i, s)
    if not meet(ranks):
        return False

    attend(ranks, model, i, s, texts)
    if model.parallel:
        quantize(model.fast, b.dense_4h_to_h, i, s.mlp, s.mlp_hidden, lo, hi)
    if not meet(ranks):
        return False

    quantize(model.fast, b.dense, i, s.attended, s.attended_input, lo, hi)
    if not meet(ranks):
        return False

    _add(model, i, s, LAYER_CLAIMS * i + 2, True, model.parallel)
    if not meet(ranks):
        return False
    return model.parallel or _run_mlp(ranks, model, i, s, lo, hi)


@inlined
def _run_mlp(ranks: Any, model: Any, i: Any, s: Any, lo: Any, hi: Any) -> Any:
    """Run the MLP after attention (not parallel). Returns False if the run was aborted."""
    norms, b = model.weights.post_attention_layernorm, model.bytes
    _norm(model, norms, b.dense_h_to_4h, i, s, s.mlp_input, lo, hi)
    if not meet(ranks):
        return False
    _mlp_up(model, i, s)
    if not meet(ranks):
        return False
    quantize(model.fast, b.dense_4h_to_h, i, s.mlp, s.mlp_hidden, lo, hi)
    if not meet(ranks):
        return False
    _add(model, i, s, LAYER_CLAIMS * i + 3, False, True)
    return meet(ranks)
