"""One layer of GPT-NeoX, run by all ranks of a team together.

Each step is divided by tokens, rows or heads. A barrier comes before each step that reads what
other ranks wrote. One rank computes an output element completely, always in the same order. So the
bits do not depend on the number of threads, the division into chunks, or other texts in the pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
from pythia_cli.kernels.sizes import LANES, LAYER_CLAIMS, WHOLE, Part
from pythia_cli.kernels.structures import Input, Scratch

_NORM_1, _NORM_2 = int(Part.INPUT_LAYERNORM), int(Part.POST_ATTENTION_LAYERNORM)
_QKV, _ATTEND, _DENSE = int(Part.QUERY_KEY_VALUE), int(Part.ATTEND), int(Part.DENSE)
_UP, _GELU, _DOWN = int(Part.DENSE_H_TO_4H), int(Part.GELU), int(Part.DENSE_4H_TO_H)
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
def _quantize(fast: Any, parts: Any, layer: Any, x: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x, for the linears of `parts`; tokens lo..hi."""
    if fast:
        quantize_bytes(x, parts.centre[layer], out.bytes, lo, hi)
        pack(out.bytes, lo, hi)
    else:
        quantize_input(x, out.exact, lo, hi)
        pack(out.exact, lo, hi)


@jit
def _multiply(
    fast: Any, linears: Any, parts: Any, i: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any
) -> None:
    """out = or += the linear of layer i of x; outputs lo..hi."""
    weight, scales = linears.weight[i], linears.scales[i]
    if fast:
        linear = ByteLinear(weight, scales, parts.centred_bias[i], parts.row_sums[i])
        byte_matmul(linear, x.bytes, adds, out, lo, hi)
    else:
        matmul(Linear(weight, scales, linears.bias[i]), x.exact, adds, out, lo, hi)


class _Steps(NamedTuple):
    """Which steps of a layer to run; all ranks have the same."""

    norm_1: Any
    query_key_value: Any
    attends: Any
    dense: Any
    norm_2: Any
    up: Any
    has_gelu: Any
    down: Any


@inlined
def _query_key_value(model: Any, i: Any, s: Any) -> None:
    linears, parts = model.weights.query_key_value, model.bytes.query_key_value
    sets = any_value(False)
    slot = LAYER_CLAIMS * i
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        _multiply(model.fast, linears, parts, i, s.attention_input, sets, s.qkv, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def _attend(ranks: Any, model: Any, i: Any, s: Any, texts: Any) -> None:
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
def _mlp_up(model: Any, i: Any, s: Any, steps: Any) -> None:
    """The first half of the MLP, its GELU, or both."""
    linears, parts = model.weights.dense_h_to_4h, model.bytes.dense_h_to_4h
    sets = any_value(False)
    slot = LAYER_CLAIMS * i + 1
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim(s.claims, slot, grain(d_in), d_out)
    while lo < hi:
        if steps.up:
            _multiply(model.fast, linears, parts, i, s.mlp_input, sets, s.mlp, lo, hi)
        if steps.has_gelu:
            gelu(s.mlp, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_out)


@inlined
def _outputs(model: Any, i: Any, s: Any, steps: Any, adds: Any, out: Any) -> None:
    """out += the outputs of attention, the MLP, or both in this order. A rank claims whole rows.

    Without `adds`, out = the output of one; both must not be asked for then.
    """
    dense, down, parts = model.weights.dense, model.weights.dense_4h_to_h, model.bytes
    d_model, d_in = dense.weight.shape[1], 0
    slot = LAYER_CLAIMS * i + (2 if steps.dense else 3)
    if steps.dense:
        d_in += dense.weight.shape[2]
    if steps.down:
        d_in += down.weight.shape[2]
    lo, hi = claim(s.claims, slot, grain(d_in), d_model)
    while lo < hi:
        if steps.dense:
            _multiply(model.fast, dense, parts.dense, i, s.attended_input, adds, out, lo, hi)
        if steps.down:
            _multiply(model.fast, down, parts.dense_4h_to_h, i, s.mlp_hidden, adds, out, lo, hi)
        lo, hi = claim(s.claims, slot, grain(d_in), d_model)


@inlined
def run_layer(ranks: Any, model: Any, i: Any, part: Any, s: Any, texts: Any) -> Any:
    """Run layer i on the residual stream in the scratch s. Returns False if the run was aborted.

    part: a sizes.Part, which runs alone, or WHOLE. The halves of a layer whose MLP reads what
    attention has added run one after the other.
    """
    whole = part == WHOLE
    n_halves = 2 if whole and not model.parallel else 1
    half = 0
    while half < n_halves:
        attends = whole and half == 0
        has_mlp = whole and half == n_halves - 1
        steps = _Steps(
            attends or part == _NORM_1,
            attends or part == _QKV,
            attends or part == _ATTEND,
            attends or part == _DENSE,
            has_mlp or part == _NORM_2,
            has_mlp or part == _UP,
            has_mlp or part == _GELU,
            has_mlp or part == _DOWN,
        )
        if not _run_steps(ranks, model, i, steps, whole, s, texts):
            return False
        half += 1
    return True


@inlined
def _run_steps(ranks: Any, model: Any, i: Any, steps: Any, adds: Any, s: Any, texts: Any) -> Any:
    """Run steps of layer i. Returns False if the run was aborted.

    adds: the outputs are added to the residual stream; otherwise s.normed is set to the only one.
    """
    w, b = model.weights, model.bytes
    lo, hi = own_tokens(ranks, s.x.shape[0])
    if steps.norm_1:
        norms = w.input_layernorm
        layer_norm(Norm(norms.weight[i], norms.bias[i]), s.x, model.eps, s.normed, lo, hi)
    if steps.query_key_value:
        _quantize(model.fast, b.query_key_value, i, s.normed, s.attention_input, lo, hi)
    if steps.norm_2:
        norms = w.post_attention_layernorm
        layer_norm(Norm(norms.weight[i], norms.bias[i]), s.x, model.eps, s.normed, lo, hi)
    if steps.up:
        _quantize(model.fast, b.dense_h_to_4h, i, s.normed, s.mlp_input, lo, hi)
    if not meet(ranks):
        return False

    if steps.query_key_value:
        _query_key_value(model, i, s)
    if steps.up or steps.has_gelu:
        _mlp_up(model, i, s, steps)
    if not meet(ranks):
        return False

    if steps.attends:
        _attend(ranks, model, i, s, texts)
    if steps.down:
        _quantize(model.fast, b.dense_4h_to_h, i, s.mlp, s.mlp_hidden, lo, hi)
    if not meet(ranks):
        return False

    if steps.dense:
        _quantize(model.fast, b.dense, i, s.attended, s.attended_input, lo, hi)
        if not meet(ranks):
            return False

    if steps.dense or steps.down:
        _outputs(model, i, s, steps, adds, s.x if adds else s.normed)
        return meet(ranks)
    return True
