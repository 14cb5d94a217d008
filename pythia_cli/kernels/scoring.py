"""nll, entropy and rank of target tokens, and the probability of a set of tokens.

This is done one piece of the vocabulary at a time.

Complete rows of logits are stored only where they are wanted too. This is the online softmax of
Milakov and Gimelshein 2018. The pieces are always the same, so the bits do not depend on which rank
scores which piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.simd import lane_dot, lane_sum
from pythia_cli.kernels.softmax import exp_nonpositive, largest_of


@jit
def score_piece(
    logits: Any, n: Any, target_logits: Any, members: Any, piece: Any, p: Any, sums: Any, lo: Any,
    hi: Any,
) -> None:  # fmt: skip
    """Write sums[t, piece] for tokens lo..hi. logits[:, :n] are those of this piece.

    sums [n_tokens, n_pieces, 6] float64: the largest logit z, the sum of e = exp(logit - z), the
    sum of e * (logit - z), the sum of e over the set, and how many logits are above either of the
    first two target_logits [n_tokens, 3]: that of the target is one of these. members [n]: 1 for
    tokens of the set, else 0; empty if there is no set. logits are overwritten; p [n] is scratch.
    """
    for t in range(lo, hi):
        z = logits[t]
        first, second = target_logits[t, 0], target_logits[t, 1]
        above_first, above_second = 0, 0
        for i in range(n):
            above_first += z[i] > first
            above_second += z[i] > second
        largest = largest_of(z, n)
        for i in range(n):
            z[i] -= largest
            p[i] = exp_nonpositive(z[i])
        sums[t, piece, 0] = np.float64(largest)
        sums[t, piece, 1] = np.float64(lane_sum(p, n))
        sums[t, piece, 2] = np.float64(lane_dot(p, z, n))
        if members.shape[0] > 0:
            sums[t, piece, 3] = np.float64(lane_dot(p, members, n))
        else:
            sums[t, piece, 3] = np.nan
        sums[t, piece, 4] = np.float64(above_first)
        sums[t, piece, 5] = np.float64(above_second)


@jit
def merge_pieces(sums: Any, target_logits: Any, scores: Any, lo: Any, hi: Any) -> None:
    """Compute the TokenScores of tokens lo..hi from the sums of all pieces.

    The last of target_logits [n_tokens, 3] is the target's: one of the others.
    """
    n_pieces = sums.shape[1]
    for t in range(lo, hi):
        target = target_logits[t, 2]
        column = 4 if target == target_logits[t, 0] else 5
        largest = sums[t, 0, 0]
        for piece in range(1, n_pieces):
            largest = max(largest, sums[t, piece, 0])
        total, weighted, in_set, above = (
            np.float64(0.0), np.float64(0.0), np.float64(0.0), np.float64(0.0)
        )  # fmt: skip
        for piece in range(n_pieces):
            below = sums[t, piece, 0] - largest
            share = np.exp(below)
            total += share * sums[t, piece, 1]
            weighted += share * (sums[t, piece, 2] + below * sums[t, piece, 1])
            in_set += share * sums[t, piece, 3]
            above += sums[t, piece, column]
        log_total = np.log(total)
        scores.nll[t] = log_total - (np.float64(target) - largest)
        scores.entropy[t] = log_total - weighted / total
        scores.rank[t] = np.int64(above)
        scores.set_logprob[t] = np.log(in_set) - log_total
