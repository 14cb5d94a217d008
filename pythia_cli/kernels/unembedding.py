"""From the residual stream to logits, or to scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.declare import inlined, jit
from pythia_cli.jit.literals import any_value
from pythia_cli.jit.signature import Doubles1, Doubles3, Floats2, Floats3, Int32s3, Int64s1, UInt8s2
from pythia_cli.kernels.halves import split
from pythia_cli.kernels.in_lanes import byte_pack, pack
from pythia_cli.kernels.layer_norm import layer_norm
from pythia_cli.kernels.likely import find_likely, find_residual, refine
from pythia_cli.kernels.linear import (
    ByteLinear,
    Bytes,
    ExactLinear,
    Quantized,
    byte_matmul,
    byte_matmul_output,
    matmul,
    matmul_output,
    quantize_bytes,
    quantize_input,
)
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sharing import (
    claim_logits,
    claim_rows,
    meet_before_rows,
    own_tokens,
)
from pythia_cli.kernels.sizes import LANES, LOGITS_PIECE, SCORE_TOKENS


class ScoreScratch(NamedTuple):
    """Buffers to score up to n tokens.

    target_logits [n, 3]: not refined, refined, and that of its piece, which is one of the two; all
    the same unless the model is fast. logits [n_ranks, SCORE_TOKENS, > LOGITS_PIECE],
    p [n_ranks, LOGITS_PIECE], sums [n, n_pieces, 6]. If the model is fast, for logits too:
    residual [n, d_model], and refined [n_ranks, 2, LOGITS_PIECE]: rows, and sums of them.
    """

    target_logits: Floats2
    logits: Floats3
    p: Floats2
    residual: UInt8s2
    refined: Int32s3
    sums: Doubles3


class UnembeddingInput(NamedTuple):
    """As an Input, with the residual [n_tokens, d_model] of its bytes (likely.find_residual)."""

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
    zero, one = any_value(0), any_value(1)
    for i in range(lo, hi if normalizes else lo):
        row = outputs.rows[i]
        norm = model.weights.final_layer_norm
        layer_norm(norm, s.x[row : row + 1], model.eps, s.normed[i : i + 1], zero, one)
    of_layers = s.attention_input  # which are done with it
    x = _tokens(UnembeddingInput(of_layers.exact, of_layers.bytes, room.residual), 0, m)
    if model.fast:
        centre = model.bytes.embed_out.centre
        quantize_bytes(s.normed, centre, x.bytes, lo, hi)
        find_residual(s.normed, centre, x.bytes, x.residual, lo, hi)
        byte_pack(x.bytes, lo, hi)
    else:
        quantize_input(s.normed, x.exact, lo, hi)
        pack(x.exact, lo, hi)
        split(x.exact, lo, hi)
    embed_out = model.weights.embed_out
    if not meet_before_rows(ranks, m == 1, embed_out.weight):
        return
    linear = ByteLinear(
        embed_out.weight, embed_out.scales, embed_out.bias, model.bytes.embed_out.row_sums
    )
    widened = s.widened[ranks.rank]
    if outputs.targets.shape[0] > 0:
        _score(ranks, model.fast, linear, x, widened, s.claims, outputs, room)
        return
    last, refined = s.claims.shape[0] - 1, room.refined[ranks.rank]
    d_vocab, d_model = linear.weight.shape
    lo, hi = any_value(0), any_value(0)
    while lo < d_vocab:
        if model.fast:
            lo, hi = claim_logits(ranks, s.claims, d_vocab)
        else:
            lo, hi = claim_rows(ranks, s.claims, last, d_vocab, d_model, x.exact.q.shape[0])
        if lo < hi:
            _logits(model.fast, linear, x, widened, refined, outputs.logits, lo, hi)


@jit
def _logits(
    fast: Any, linear: Any, x: Any, widened: Any, refined: Any, out: Any, lo: Any, hi: Any
) -> None:
    """out [n_tokens, >= hi] = logits lo..hi.

    If the model is fast these must be one whole piece: which are likely depends on it. widened: an
    ExactLinear's room. refined: the rank's part of ScoreScratch.refined.
    """
    adds = any_value(False)
    if not fast:
        exact = ExactLinear(linear.weight, linear.scales, linear.bias, widened)
        matmul(exact, x.exact, adds, out, lo, hi)
        return
    byte_matmul(linear, x.bytes, adds, out, lo, hi)
    rows = _rows(linear, lo, hi)
    for token in range(x.bytes.q.shape[0]):
        z = out[token, lo:hi]
        n = find_likely(z, refined[0])
        refine(rows, x.bytes, x.residual, token, refined[0], n, refined[1], z)


@inlined
def _rows(linear: Any, lo: Any, hi: Any) -> Any:
    """The part of a linear that gives its outputs lo..hi. Only fast models have row_sums."""
    return ByteLinear(
        linear.weight[lo:hi], linear.scales[lo:hi], linear.bias[lo:hi], linear.row_sums[lo:hi]
    )


@inlined
def _tokens(x: Any, lo: Any, hi: Any) -> Any:
    """The part of an input for tokens lo..hi. lo is a multiple of LANES, or hi is lo + 1.

    Its halves are only valid if x has a single token.
    """
    first = lo // LANES
    end = first - (lo - hi) // LANES  # the last may have fewer tokens
    return UnembeddingInput(
        Quantized(
            x.exact.q[lo:hi],
            x.exact.scales[lo:hi],
            x.exact.lanes[first:end],
            x.exact.halves[lo:hi],
            x.exact.totals[lo:hi],
        ),
        Bytes(
            x.bytes.q[lo:hi], x.bytes.scales[lo:hi], x.bytes.zeros[lo:hi], x.bytes.lanes[first:end]
        ),
        x.residual[lo:hi],
    )


@inlined
def _score(
    ranks: Any, fast: Any, linear: Any, x: Any, widened: Any, claims: Any, outputs: Any, room: Any
) -> None:
    """Score the targets, one piece of the vocabulary at a time.

    Rows of logits are stored only if there is room for them in the outputs.
    """
    m, d_vocab = outputs.rows.shape[0], linear.weight.shape[0]
    t_lo, t_hi = own_tokens(ranks, m)
    target_logits, refined = room.target_logits[:m], room.refined[ranks.rank]
    for t in range(t_lo, t_hi):
        _target_logits(fast, linear, x, refined, outputs.targets[t], t, target_logits)
    if not meet_before_rows(ranks, m == 1, linear.weight):
        return
    members = outputs.members
    logits, p = room.logits[ranks.rank], room.p[ranks.rank]
    zero = any_value(0)
    lo, hi = claim_logits(ranks, claims, d_vocab)
    while lo < hi:
        n, piece = hi - lo, lo // LOGITS_PIECE
        rows, in_set = _rows(linear, lo, hi), members[min(lo, members.shape[0]) : hi]
        # Some tokens at a time, so that their logits are still in the L2 cache when they are read.
        for first in range(0, m, SCORE_TOKENS):
            end = min(first + SCORE_TOKENS, m)
            _logits(fast, rows, _tokens(x, first, end), widened, refined, logits, zero, n)
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
        lo, hi = claim_logits(ranks, claims, d_vocab)
    if not meet_before_rows(ranks, any_value(False), linear.weight):
        return
    merge_pieces(room.sums, target_logits, outputs.scores, t_lo, t_hi)


@inlined
def _target_logits(
    fast: Any, linear: Any, x: Any, refined: Any, target: Any, t: Any, out: Any
) -> None:
    """out[t, :2] = what the logit of token t's target can be: not refined, and refined."""
    row, token = _rows(linear, target, target + 1), _tokens(x, t, t + 1)
    zero, one = any_value(0), any_value(1)
    if fast:
        out[t, 0] = byte_matmul_output(row, token.bytes, zero, zero)
        out[t, 1] = out[t, 0]
        rows, sums = refined[0], refined[1]
        rows[0] = 0
        as_refined = out[t, 1:]  # whose place 0 is that of row 0, the only one
        refine(row, token.bytes, token.residual, zero, rows, one, sums, as_refined)
    else:
        out[t, 0] = matmul_output(row, token.exact, zero, zero)
        out[t, 1] = out[t, 0]
