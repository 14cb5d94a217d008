"""From the residual stream to logits, or to scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.barrier import claim
from pythia_cli.jit.declare import inlined, jit
from pythia_cli.jit.literals import any_value
from pythia_cli.jit.signature import Doubles1, Doubles3, Floats2, Floats3, Int32s3, Int64s1, UInt8s2
from pythia_cli.kernels.layer import grain, meet, own_tokens
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.likely import find_residual, likely, refine
from pythia_cli.kernels.linear import (
    ByteLinear,
    Bytes,
    Linear,
    Quantized,
    byte_matmul,
    byte_matmul_output,
    matmul,
    matmul_output,
    pack,
    quantize_bytes,
    quantize_input,
)
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import LANES, LOGITS_PIECE, SCORE_TOKENS


class ScoreScratch(NamedTuple):
    """Buffers to score up to n tokens.

    target_logits [n, 3], logits [n_ranks, SCORE_TOKENS, > LOGITS_PIECE],
    p [n_ranks, LOGITS_PIECE], sums [n, n_pieces, 6]; residual [n, d_model] and
    likely [n_ranks, 2, LOGITS_PIECE] for inputs of 8 bits.
    """

    target_logits: Floats2
    logits: Floats3
    p: Floats2
    residual: UInt8s2
    likely: Int32s3
    sums: Doubles3


class UnembeddingInput(NamedTuple):
    """As an Input; residual [n_tokens, d_model] uint8 is what the bytes leave."""

    exact: Quantized
    bytes: Bytes
    residual: UInt8s2


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
    room_of_input = s.attention_input
    x = UnembeddingInput(room_of_input.exact, room_of_input.bytes, room.residual)
    x = _tokens(x, 0, m)
    if model.fast:
        centre = model.bytes.embed_out.centre
        quantize_bytes(s.normed, centre, x.bytes, lo, hi)
        find_residual(s.normed, centre, x.bytes, x.residual, lo, hi)
        pack(x.bytes, lo, hi)
    else:
        quantize_input(s.normed, x.exact, lo, hi)
        pack(x.exact, lo, hi)
    if not meet(ranks):
        return
    embed_out = model.weights.embed_out
    linear = ByteLinear(
        embed_out.weight, embed_out.scales, embed_out.bias, model.bytes.embed_out.row_sums
    )
    if outputs.targets.shape[0] > 0:
        _score(ranks, model.fast, linear, x, s.claims, outputs, room)
        return
    last, room_of_likely = s.claims.shape[0] - 1, room.likely[ranks.rank]
    d_vocab, d_model = linear.weight.shape
    size = LOGITS_PIECE if model.fast else grain(d_model)
    lo, hi = claim(s.claims, last, size, d_vocab)
    while lo < hi:
        _logits(model.fast, linear, x, room_of_likely, outputs.logits, lo, hi)
        lo, hi = claim(s.claims, last, size, d_vocab)


@jit
def _logits(fast: Any, linear: Any, x: Any, room: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, >= hi] = logits lo..hi of the linear's tokens: a piece, if it is `fast`."""
    adds = any_value(False)
    if not fast:
        matmul(Linear(linear.weight, linear.scales, linear.bias), x.exact, adds, out, lo, hi)
        return
    byte_matmul(linear, x.bytes, adds, out, lo, hi)
    rows = _rows(linear, lo, hi)
    for token in range(x.bytes.q.shape[0]):
        z = out[token, lo:hi]
        n = likely(z, room[0])
        refine(rows, x.bytes, x.residual, token, room[0], n, room[1], z)


@inlined
def _rows(linear: Any, lo: Any, hi: Any) -> Any:
    """The part of a linear that gives its outputs lo..hi. row_sums may be empty."""
    return ByteLinear(
        linear.weight[lo:hi], linear.scales[lo:hi], linear.bias[lo:hi], linear.row_sums[lo:hi]
    )


@inlined
def _tokens(x: Any, lo: Any, hi: Any) -> Any:
    """The part of an input for tokens lo..hi. lo is a multiple of LANES, or hi is lo + 1."""
    first = lo // LANES
    end = first + (hi - lo) // LANES
    return UnembeddingInput(
        Quantized(x.exact.q[lo:hi], x.exact.scales[lo:hi], x.exact.lanes[first:end]),
        Bytes(
            x.bytes.q[lo:hi], x.bytes.scales[lo:hi], x.bytes.zeros[lo:hi], x.bytes.lanes[first:end]
        ),
        x.residual[lo:hi],
    )


@inlined
def _score(
    ranks: Any, fast: Any, linear: Any, x: Any, claims: Any, outputs: Any, room: Any
) -> None:
    """Score the targets, one piece of the vocabulary at a time.

    Rows of logits are stored only if there is room for them in the outputs.
    """
    m, d_vocab, last = outputs.rows.shape[0], linear.weight.shape[0], claims.shape[0] - 1
    t_lo, t_hi = own_tokens(ranks, m)
    target_logits, room_of_likely = room.target_logits[:m], room.likely[ranks.rank]
    for t in range(t_lo, t_hi):
        _target_logits(fast, linear, x, room_of_likely, outputs.targets[t], t, target_logits)
    if not meet(ranks):
        return
    members = outputs.members
    logits, p = room.logits[ranks.rank], room.p[ranks.rank]
    zero = any_value(0)
    lo, hi = claim(claims, last, LOGITS_PIECE, d_vocab)
    while lo < hi:
        n, piece = hi - lo, lo // LOGITS_PIECE
        rows, in_set = _rows(linear, lo, hi), members[min(lo, members.shape[0]) : hi]
        # Some tokens at a time, so that their logits are still in the L2 cache when they are read.
        for first in range(0, m, SCORE_TOKENS):
            end = min(first + SCORE_TOKENS, m)
            _logits(fast, rows, _tokens(x, first, end), room_of_likely, logits, zero, n)
            for t in range(first, end):
                target = outputs.targets[t]
                if lo <= target < hi:
                    target_logits[t, 2] = logits[t - first, target - lo]
            if outputs.logits.shape[0] > 0:
                for t in range(first, end):  # scoring overwrites them
                    for i in range(n):
                        outputs.logits[t, lo + i] = logits[t - first, i]
            targets, sums = target_logits[first:end], room.sums[first:end]
            score_piece(logits, n, targets, in_set, piece, p, sums, 0, end - first)
        lo, hi = claim(claims, last, LOGITS_PIECE, d_vocab)
    if not meet(ranks):
        return
    merge_pieces(room.sums, target_logits, outputs.scores, t_lo, t_hi)


@inlined
def _target_logits(
    fast: Any, linear: Any, x: Any, room: Any, target: Any, t: Any, out: Any
) -> None:
    """What the logit of token t's target can be: out [n, > 1] from inputs of 8 and of 16 bits."""
    row, token = _rows(linear, target, target + 1), _tokens(x, t, t + 1)
    if fast:
        out[t, 0] = byte_matmul_output(row, token.bytes, 0, 0)
        out[t, 1] = out[t, 0]
        rows, sums = room[0], room[1]
        rows[0] = 0
        refine(row, token.bytes, token.residual, 0, rows, 1, sums, out[t, 1:])
    else:
        out[t, 0] = matmul_output(row, token.exact, 0, 0)
        out[t, 1] = out[t, 0]
