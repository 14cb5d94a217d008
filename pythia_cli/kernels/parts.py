"""The steps of a layer one at a time, for callers that read or change what is between them.

`run_layer` joins and divides the same operations differently. Each element is computed in the same
order, so the bits are the same.
"""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.barrier import claim, share
from pythia_cli.jit.declare import inlined, jit, kernel
from pythia_cli.jit.literals import any_value
from pythia_cli.jit.signature import Floats3
from pythia_cli.kernels.causal_softmax import causal_softmax
from pythia_cli.kernels.gelu import gelu
from pythia_cli.kernels.layer import (
    attend,
    grain,
    meet,
    multiply,
    own_share,
    own_tokens,
    quantize,
)
from pythia_cli.kernels.layer_norm import Norm, layer_norm
from pythia_cli.kernels.sizes import Part

_NORM_1, _NORM_2 = int(Part.INPUT_LAYERNORM), int(Part.POST_ATTENTION_LAYERNORM)
_FINAL_NORM = int(Part.FINAL_LAYER_NORM)
_QKV, _DENSE = int(Part.QUERY_KEY_VALUE), int(Part.DENSE)
_UP, _DOWN = int(Part.DENSE_H_TO_4H), int(Part.DENSE_4H_TO_H)
_GELU, _ATTEND = int(Part.GELU), int(Part.ATTEND)


@jit
def _linear(
    ranks: Any, fast: Any, linears: Any, parts: Any, i: Any, claims: Any, x: Any, room: Any,
    out: Any,
) -> None:  # fmt: skip
    """out = the linear of layer i of x, which is quantized into `room`, an Input."""
    lo, hi = own_tokens(ranks, x.shape[0])
    quantize(fast, parts, i, x, room, lo, hi)
    if not meet(ranks):
        return
    sets = any_value(False)
    _, d_out, d_in = linears.weight.shape
    lo, hi = claim(claims, 0, grain(d_in), d_out)
    while lo < hi:
        multiply(fast, linears, parts, i, room, sets, out, lo, hi)
        lo, hi = claim(claims, 0, grain(d_in), d_out)


@kernel
def attention_pattern(rank: Any, n_ranks: Any, scores: Floats3) -> None:
    """scores [n_heads, n, n] become the pattern that they give."""
    lo, hi = share(scores.shape[0], 1, rank, n_ranks)
    causal_softmax(scores, lo, hi)


@inlined
def run_part(ranks: Any, model: Any, i: Any, part: Any, s: Any, texts: Any) -> None:
    """Run one Part of layer i on the buffers of s (sizes.Part says which)."""
    w, b = model.weights, model.bytes
    lo, hi = own_tokens(ranks, s.x.shape[0])
    if part == _NORM_1:
        norms = w.input_layernorm
        layer_norm(Norm(norms.weight[i], norms.bias[i]), s.x, model.eps, s.normed, lo, hi)
    elif part == _NORM_2:
        norms = w.post_attention_layernorm
        layer_norm(Norm(norms.weight[i], norms.bias[i]), s.x, model.eps, s.normed, lo, hi)
    elif part == _FINAL_NORM:
        layer_norm(w.final_layer_norm, s.x, model.eps, s.normed, lo, hi)
    elif part == _QKV:
        linears, room = w.query_key_value, s.attention_input
        _linear(ranks, model.fast, linears, b.query_key_value, i, s.claims, s.normed, room, s.qkv)
    elif part == _DENSE:
        room = s.attended_input
        _linear(ranks, model.fast, w.dense, b.dense, i, s.claims, s.attended, room, s.normed)
    elif part == _UP:
        linears, room = w.dense_h_to_4h, s.mlp_input
        _linear(ranks, model.fast, linears, b.dense_h_to_4h, i, s.claims, s.normed, room, s.mlp)
    elif part == _DOWN:
        linears, room = w.dense_4h_to_h, s.mlp_hidden
        _linear(ranks, model.fast, linears, b.dense_4h_to_h, i, s.claims, s.mlp, room, s.normed)
    elif part == _GELU:
        lo, hi = own_share(ranks, model.weights.dense_h_to_4h.weight.shape[1])
        gelu(s.mlp, lo, hi)
    elif part == _ATTEND:
        attend(ranks, model, i, s, texts)
