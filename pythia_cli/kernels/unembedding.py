"""From the residual stream to logits, or to scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.barrier import claim
from pythia_cli.jit.declare import inlined
from pythia_cli.jit.signature import Doubles1, Doubles3, Floats2, Floats3, Int64s1
from pythia_cli.kernels.layer import grain, meet, own_tokens
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.linear import Linear, Quantized, matmul, pack, quantize_input
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import LANES, SCORE_PIECE


class ScoreScratch(NamedTuple):
    """Buffers to score up to n tokens.

    target_logits [n, 1], logits [n_ranks, n, SCORE_PIECE], p [n_ranks, SCORE_PIECE],
    sums [n, n_pieces, 4].
    """

    target_logits: Floats2
    logits: Floats3
    p: Floats2
    sums: Doubles3


class TokenScores(NamedTuple):
    """Scores of m targets: nll and entropy in nats, rank among the logits; each [m]."""

    nll: Doubles1
    entropy: Doubles1
    rank: Int64s1


class Outputs(NamedTuple):
    """The outputs of a pass, as in the arguments of `forward`."""

    rows: Any
    logits: Any
    targets: Any
    scores: Any


@inlined
def unembed(ranks: Any, model: Any, s: Any, outputs: Any, room: Any) -> None:
    """Write the outputs for the residual stream in the scratch s. `room` is a ScoreScratch."""
    m = outputs.rows.shape[0]
    lo, hi = own_tokens(ranks, m)
    for i in range(lo, hi):
        row = outputs.rows[i]
        norm = model.weights.final_layer_norm
        layer_norm(norm, s.x[row : row + 1], model.eps, s.normed[i : i + 1], 0, 1)
    room_of_input = s.attention_input.exact
    x = Quantized(room_of_input.q[:m], room_of_input.scales[:m], room_of_input.lanes[: m // LANES])
    quantize_input(s.normed, x, lo, hi)
    pack(x, lo, hi)
    if not meet(ranks):
        return
    if outputs.targets.shape[0] > 0:
        _score(ranks, model.weights.embed_out, x, s.claims, outputs, room)
        return
    linear, last = model.weights.embed_out, s.claims.shape[0] - 1
    d_vocab, d_model = linear.weight.shape
    lo, hi = claim(s.claims, last, grain(d_model), d_vocab)
    while lo < hi:
        matmul(linear, x, False, outputs.logits, lo, hi)
        lo, hi = claim(s.claims, last, grain(d_model), d_vocab)


@inlined
def _rows(linear: Any, lo: Any, hi: Any) -> Any:
    """The part of a linear that gives its outputs lo..hi."""
    return Linear(linear.weight[lo:hi], linear.scales[lo:hi], linear.bias[lo:hi])


@inlined
def _score(ranks: Any, linear: Any, x: Any, claims: Any, outputs: Any, room: Any) -> None:
    """Score the targets, one piece of the vocabulary at a time; no row of logits is stored."""
    m, d_vocab, last = x.q.shape[0], linear.weight.shape[0], claims.shape[0] - 1
    t_lo, t_hi = own_tokens(ranks, m)
    target_logits = room.target_logits[:m]
    for t in range(t_lo, t_hi):
        target = outputs.targets[t]
        row = Quantized(x.q[t : t + 1], x.scales[t : t + 1], x.lanes[:0])
        matmul(_rows(linear, target, target + 1), row, False, target_logits[t : t + 1], 0, 1)
    if not meet(ranks):
        return
    logits, p = room.logits[ranks.rank], room.p[ranks.rank]
    lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    while lo < hi:
        n, piece = hi - lo, lo // SCORE_PIECE
        matmul(_rows(linear, lo, hi), x, False, logits, 0, n)
        score_piece(logits, n, target_logits, piece, p, room.sums, 0, m)
        lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    if not meet(ranks):
        return
    scores = outputs.scores
    merge_pieces(room.sums, target_logits, scores.nll, scores.entropy, scores.rank, t_lo, t_hi)
