"""From the residual stream to logits, or to scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.barrier import claim
from pythia_cli.jit.declare import inlined
from pythia_cli.jit.literals import any_value
from pythia_cli.jit.signature import Doubles1, Doubles3, Floats2, Floats3, Int64s1
from pythia_cli.kernels.layer import grain, meet, own_tokens
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.linear import Linear, Quantized, matmul, pack, quantize_input
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import LANES, SCORE_PIECE, SCORE_TOKENS


class ScoreScratch(NamedTuple):
    """Buffers to score up to n tokens.

    target_logits [n, 1], logits [n_ranks, SCORE_TOKENS, > SCORE_PIECE],
    p [n_ranks, SCORE_PIECE], sums [n, n_pieces, 5].
    """

    target_logits: Floats2
    logits: Floats3
    p: Floats2
    sums: Doubles3


class TokenScores(NamedTuple):
    """Scores of m targets, each [m].

    nll = log sum exp(logits) - logits[target] and entropy = -sum p log p, in nats. rank: the number
    of logits above the target's. set_logprob: log of the sum of p over a set of tokens, NaN if none
    was given.
    """

    nll: Doubles1
    entropy: Doubles1
    rank: Int64s1
    set_logprob: Doubles1


class Outputs(NamedTuple):
    """The outputs of a pass, as in the arguments of `forward`."""

    rows: Any
    logits: Any
    targets: Any
    members: Any
    scores: Any


@inlined
def unembed(ranks: Any, model: Any, s: Any, outputs: Any, room: Any, normalizes: Any) -> None:
    """Write the outputs for the residual stream in the scratch s. `room` is a ScoreScratch.

    Unless it normalizes, s.normed [m, d_model] has the final layer norm's output already.
    """
    m = outputs.rows.shape[0]
    lo, hi = own_tokens(ranks, m)
    for i in range(lo, hi if normalizes else lo):
        row = outputs.rows[i]
        norm = model.weights.final_layer_norm
        layer_norm(norm, s.x[row : row + 1], model.eps, s.normed[i : i + 1], 0, 1)
    room_of_input = s.attention_input.exact
    x = _tokens(room_of_input, 0, m)
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
        matmul(linear, x, any_value(False), outputs.logits, lo, hi)
        lo, hi = claim(s.claims, last, grain(d_model), d_vocab)


@inlined
def _rows(linear: Any, lo: Any, hi: Any) -> Any:
    """The part of a linear that gives its outputs lo..hi."""
    return Linear(linear.weight[lo:hi], linear.scales[lo:hi], linear.bias[lo:hi])


@inlined
def _tokens(x: Any, lo: Any, hi: Any) -> Any:
    """The part of a Quantized for tokens lo..hi. lo is a multiple of LANES, or hi is lo + 1."""
    first = lo // LANES
    return Quantized(x.q[lo:hi], x.scales[lo:hi], x.lanes[first : first + (hi - lo) // LANES])


@inlined
def _score(ranks: Any, linear: Any, x: Any, claims: Any, outputs: Any, room: Any) -> None:
    """Score the targets, one piece of the vocabulary at a time.

    Rows of logits are stored only if there is room for them in the outputs.
    """
    m, d_vocab, last = x.q.shape[0], linear.weight.shape[0], claims.shape[0] - 1
    t_lo, t_hi = own_tokens(ranks, m)
    adds, zero = any_value(False), any_value(0)
    target_logits = room.target_logits[:m]
    for t in range(t_lo, t_hi):
        target = outputs.targets[t]
        row = _rows(linear, target, target + 1)
        matmul(row, _tokens(x, t, t + 1), adds, target_logits[t : t + 1], zero, zero + 1)
    if not meet(ranks):
        return
    members = outputs.members
    logits, p = room.logits[ranks.rank], room.p[ranks.rank]
    lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    while lo < hi:
        n, piece = hi - lo, lo // SCORE_PIECE
        rows, in_set = _rows(linear, lo, hi), members[min(lo, members.shape[0]) : hi]
        # Some tokens at a time, so that their logits are still in the L2 cache when they are read.
        for first in range(0, m, SCORE_TOKENS):
            end = min(first + SCORE_TOKENS, m)
            matmul(rows, _tokens(x, first, end), adds, logits, zero, n)
            if outputs.logits.shape[0] > 0:
                for t in range(first, end):  # scoring overwrites them
                    for i in range(n):
                        outputs.logits[t, lo + i] = logits[t - first, i]
            targets, sums = target_logits[first:end], room.sums[first:end]
            score_piece(logits, n, targets, in_set, piece, p, sums, 0, end - first)
        lo, hi = claim(claims, last, SCORE_PIECE, d_vocab)
    if not meet(ranks):
        return
    merge_pieces(room.sums, target_logits, outputs.scores, t_lo, t_hi)
