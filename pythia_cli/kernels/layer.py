"""One layer of GPT-NeoX, run by all ranks of a team together.

Each step is divided by tokens, rows or heads. A barrier comes before each step that reads what
other ranks wrote. One rank computes an output element completely, always in the same order. So the
bits do not depend on the number of threads, the division into chunks, or other texts in the pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.claims import claim
from pythia_cli.jit.declare import inlined, jit
from pythia_cli.jit.literals import any_value
from pythia_cli.kernels.ahead import fetch_norms, fetch_outputs, fetch_row, fetch_scales
from pythia_cli.kernels.attention import append_to_cache, attention
from pythia_cli.kernels.attention_structures import CachedLayer, Tile
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.halves import split
from pythia_cli.kernels.in_lanes import byte_pack, pack
from pythia_cli.kernels.layer_norm import Norm, layer_norm
from pythia_cli.kernels.linear import (
    ByteLinear,
    Bytes,
    ExactLinear,
    Quantized,
    byte_matmul,
    matmul,
    quantize_bytes,
    quantize_input,
)
from pythia_cli.kernels.sharing import claim_rows, meet_before_layer, meet_before_rows, own_tokens
from pythia_cli.kernels.sizes import LANES, LAYER_CLAIMS, WHOLE, Part
from pythia_cli.kernels.structures import Input, Scratch

_NORM_1, _NORM_2 = int(Part.INPUT_LAYERNORM), int(Part.POST_ATTENTION_LAYERNORM)
_QKV, _ATTEND, _DENSE = int(Part.QUERY_KEY_VALUE), int(Part.ATTEND), int(Part.DENSE)
_UP, _GELU, _DOWN = int(Part.DENSE_H_TO_4H), int(Part.GELU), int(Part.DENSE_4H_TO_H)


@inlined
def first_tokens(s: Any, n: Any) -> Any:
    """The scratch, cut to its first n tokens."""
    return Scratch(
        s.x[:n], s.normed[:n], _first(s.attention_input, n), _first(s.mlp_input, n),
        s.qkv[:n], s.attended[:n], _first(s.attended_input, n),
        s.mlp[:n], _first(s.mlp_hidden, n), s.attention, s.widened, s.claims,
    )  # fmt: skip


@inlined
def _first(x: Any, n: Any) -> Any:
    n_groups = -(-n // LANES)
    return Input(
        Quantized(
            x.exact.q[:n],
            x.exact.scales[:n],
            x.exact.lanes[:n_groups],
            x.exact.halves,
            x.exact.totals,
        ),
        Bytes(x.bytes.q[:n], x.bytes.scales[:n], x.bytes.zeros[:n], x.bytes.lanes[:n_groups]),
    )


@jit
def _quantize(fast: Any, parts: Any, layer: Any, x: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x, for the linears of `parts`; tokens lo..hi."""
    # LANES tokens at a time, so that they are in a cache when they are packed.
    while lo < hi:
        to = min(lo + LANES, hi)
        if fast:
            quantize_bytes(x, parts.centre[layer], out.bytes, lo, to)
            byte_pack(out.bytes, lo, to)
        else:
            quantize_input(x, out.exact, lo, to)
            pack(out.exact, lo, to)
            split(out.exact, lo, to)
        lo = to


@jit
def _multiply(
    fast: Any, linears: Any, parts: Any, i: Any, x: Any, widened: Any, adds: Any, out: Any,
    lo: Any, hi: Any,
) -> None:  # fmt: skip
    """out = or += the linear of layer i of x; outputs lo..hi. widened: an ExactLinear's room."""
    weight, scales = linears.weight[i], linears.scales[i]
    if x.exact.q.shape[0] == 1:
        fetch_outputs(linears, i, lo, hi)
    if fast:
        linear = ByteLinear(weight, scales, parts.centred_bias[i], parts.row_sums[i])
        byte_matmul(linear, x.bytes, adds, out, lo, hi)
    else:
        exact = ExactLinear(weight, scales, linears.bias[i], widened)
        matmul(exact, x.exact, adds, out, lo, hi)


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
    adds: Any  # to the residual stream


@jit
def _claimed_rows(
    ranks: Any, claims: Any, slot: Any, fast: Any, linears: Any, parts: Any, i: Any, x: Any,
    widened: Any, out: Any, multiplies: Any, has_gelu: Any,
) -> None:  # fmt: skip
    """out = the linear of layer i of x, then its GELU, or one of the two; rows that are claimed."""
    sets = any_value(False)
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim_rows(ranks, claims, slot, d_out, d_in, x.exact.q.shape[0])
    while lo < hi:
        if multiplies:
            _multiply(fast, linears, parts, i, x, widened, sets, out, lo, hi)
        if has_gelu:
            gelu(out, lo, hi)
        lo, hi = claim_rows(ranks, claims, slot, d_out, d_in, x.exact.q.shape[0])


@inlined
def _attend(
    ranks: Any, claims: Any, slot: Any, i: Any, rotary: Any, centre: Any, room: Any, qkvs: Any,
    attended: Any, texts: Any,
) -> None:  # fmt: skip
    """Append keys and values to the cache, then attend: one head of a text after the other."""
    cache, spans = texts.cache, texts.spans
    n_heads, n = cache.keys.shape[2], spans.shape[0] * cache.keys.shape[2]
    rank = ranks.rank
    tile = Tile(
        room.scores[rank], room.weights[rank], room.q[rank], room.turns[rank],
        room.q_scales[rank], room.sums[rank], room.out_scales[rank], room.rotated[rank],
    )  # fmt: skip
    text, first = 0, 0
    at = claim(claims, slot)
    while at < n:
        while text < at // n_heads:
            first += spans[text, 2]
            text += 1
        head = at % n_heads
        row, start, n_tokens = spans[text, 0], spans[text, 1], spans[text, 2]
        qkv, out = qkvs[first : first + n_tokens], attended[first : first + n_tokens]
        kv = CachedLayer(
            cache.keys[i, row], cache.key_scales[i, row],
            cache.values[i, row], cache.value_scales[i, row],
        )  # fmt: skip
        if n_tokens == 1 and head + 1 < n_heads:
            fetch_scales(kv, head + 1, start + 1)
        append_to_cache(qkv, start, rotary, centre, kv, tile.rotated[0], tile.q[0], head, head + 1)
        attention(
            qkv, start, rotary, centre, kv, tile, texts.scores, first + start, out,
            head, head + 1,
        )  # fmt: skip
        at = claim(claims, slot)


class _Output(NamedTuple):
    """A linear that adds to the residual stream: its weights and input, and whether it runs."""

    linears: Any
    parts: Any
    x: Any
    runs: Any


@jit
def _outputs(
    ranks: Any, claims: Any, slot: Any, fast: Any, dense: Any, down: Any, i: Any, widened: Any,
    adds: Any, out: Any,
) -> None:  # fmt: skip
    """out += the outputs of attention, the MLP, or both in this order. A rank claims whole rows.

    dense and down: an _Output each. Without `adds`, out = the output of the one that runs.
    """
    weight = down.linears.weight
    d_model, d_in = weight.shape[1], 0
    if dense.runs:
        d_in += dense.linears.weight.shape[2]
    if down.runs:
        d_in += weight.shape[2]
    lo, hi = claim_rows(ranks, claims, slot, d_model, d_in, out.shape[0])
    while lo < hi:
        if down.runs and out.shape[0] == 1:
            fetch_row(weight, i, lo)
        if dense.runs:
            _multiply(fast, dense.linears, dense.parts, i, dense.x, widened, adds, out, lo, hi)
        if down.runs:
            _multiply(fast, down.linears, down.parts, i, down.x, widened, adds, out, lo, hi)
        lo, hi = claim_rows(ranks, claims, slot, d_model, d_in, out.shape[0])


@inlined
def n_halves(part: Any, parallel: Any) -> Any:
    """How many times `run_layer` is called for a layer: if its MLP reads what attention has added,
    once for attention and then once for the MLP.
    """
    return 1 if parallel or part != WHOLE else 2


@inlined
def steps_of(part: Any, half: Any, n: Any) -> Any:
    """The steps of half 0..n of a layer, or of the `part` that runs alone."""
    whole = part == WHOLE
    attends, has_mlp = whole and half == 0, whole and half == n - 1
    return _Steps(
        attends or part == _NORM_1,
        attends or part == _QKV,
        attends or part == _ATTEND,
        attends or part == _DENSE,
        has_mlp or part == _NORM_2,
        has_mlp or part == _UP,
        has_mlp or part == _GELU,
        has_mlp or part == _DOWN,
        whole,
    )


@inlined
def run_layer(ranks: Any, model: Any, i: Any, steps: Any, s: Any, texts: Any) -> Any:
    """Run steps of layer i on the residual stream in the scratch s.

    Returns False if the run was aborted. A step that runs alone sets s.normed, or another of s.
    """
    w, b = model.weights, model.bytes
    lo, hi = own_tokens(ranks, s.x.shape[0])
    yes, no = any_value(True), any_value(False)
    first_only = s.x.shape[0] == 1  # then only rank 0 has a token to norm and quantize
    slot, widened = LAYER_CLAIMS * i, s.widened[ranks.rank]
    inputs = w.query_key_value.weight[i] if steps.query_key_value else w.dense_h_to_4h.weight[i]
    outputs = w.dense_4h_to_h.weight[i] if steps.down else w.dense.weight[i]
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
    if not meet_before_rows(ranks, first_only, inputs):
        return False

    if steps.query_key_value:
        _claimed_rows(
            ranks, s.claims, slot, model.fast, w.query_key_value, b.query_key_value, i,
            s.attention_input, widened, s.qkv, yes, no,
        )  # fmt: skip
        up = w.dense_h_to_4h.weight[i]
        if not meet_before_rows(ranks, no, up):
            return False

    # Attention computes, and the MLP of one token waits for memory: half of the ranks begin there.
    attends_first = not first_only or 2 * ranks.rank < ranks.n_ranks
    for turn in range(any_value(2)):  # a constant would compile both twice
        if steps.attends and (turn == 0) == attends_first:
            _attend(
                ranks, s.claims, slot + 1, i, model.rotary, model.key_centre[i], s.attention,
                s.qkv, s.attended, texts,
            )  # fmt: skip
        if (steps.up or steps.has_gelu) and (turn == 0) != attends_first:
            _claimed_rows(
                ranks, s.claims, slot + 2, model.fast, w.dense_h_to_4h, b.dense_h_to_4h, i,
                s.mlp_input, widened, s.mlp, steps.up, steps.has_gelu,
            )  # fmt: skip
    if not meet_before_rows(ranks, no, outputs):
        return False

    if steps.down:
        _quantize(model.fast, b.dense_4h_to_h, i, s.mlp, s.mlp_hidden, lo, hi)
    if steps.dense:
        _quantize(model.fast, b.dense, i, s.attended, s.attended_input, lo, hi)
    if steps.dense or steps.down:
        if not meet_before_rows(ranks, first_only, outputs):
            return False
        if first_only and ranks.rank == 0:
            fetch_norms(w.input_layernorm, i + 1)
            fetch_norms(w.post_attention_layernorm, i + 1)
        dense = _Output(w.dense, b.dense, s.attended_input, steps.dense)
        down = _Output(w.dense_4h_to_h, b.dense_4h_to_h, s.mlp_hidden, steps.down)
        slot += 3 if steps.dense else 4
        out = s.x if steps.adds else s.normed
        _outputs(ranks, s.claims, slot, model.fast, dense, down, i, widened, steps.adds, out)
        return meet_before_layer(ranks, w.query_key_value.weight, i + 1, w.embed_out.weight)
    return True
