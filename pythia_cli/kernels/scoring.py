"""nll, entropy and rank of target tokens, one piece of the vocabulary at a time.

Complete rows of logits are never stored. This is the online softmax of Milakov and Gimelshein 2018.
The pieces are always the same, so the bits do not depend on which rank scores which piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.simd import lane_dot, lane_sum
from pythia_cli.kernels.softmax import exp_nonpositive, largest_of


@jit
def score_piece(
    logits: Any, n: Any, target_logits: Any, piece: Any, p: Any, sums: Any, lo: Any, hi: Any
) -> None:
    """Write sums[t, piece] for tokens lo..hi. logits[:, :n] are those of this piece.

    sums [n_tokens, n_pieces, 4] float64: the largest logit z, the sum of e = exp(logit - z), the
    sum of e * (logit - z), and the number of logits above the target's. target_logits
    [n_tokens, 1]. logits are overwritten; p [n] is scratch.
    """
    for t in range(lo, hi):
        z = logits[t]
        target = target_logits[t, 0]
        above = 0
        for i in range(n):
            above += z[i] > target
        largest = largest_of(z, n)
        for i in range(n):
            z[i] -= largest
            p[i] = exp_nonpositive(z[i])
        sums[t, piece, 0] = np.float64(largest)
        sums[t, piece, 1] = np.float64(lane_sum(p, n))
        sums[t, piece, 2] = np.float64(lane_dot(p, z, n))
        sums[t, piece, 3] = np.float64(above)


@jit
def merge_pieces(
    sums: Any, target_logits: Any, nll: Any, entropy: Any, ranks: Any, lo: Any, hi: Any
) -> None:
    """Compute the scores of tokens lo..hi from the sums of all pieces.

    nll [n_tokens] float64 = log sum exp(logits) - logits[target], in nats. entropy [n_tokens]
    float64 = -sum p log p, in nats. ranks [n_tokens] = number of logits above the target's; 0 if
    the target is first.
    """
    n_pieces = sums.shape[1]
    for t in range(lo, hi):
        largest = sums[t, 0, 0]
        for piece in range(1, n_pieces):
            largest = max(largest, sums[t, piece, 0])
        total, weighted, above = np.float64(0.0), np.float64(0.0), np.float64(0.0)
        for piece in range(n_pieces):
            below = sums[t, piece, 0] - largest
            share = np.exp(below)
            total += share * sums[t, piece, 1]
            weighted += share * (sums[t, piece, 2] + below * sums[t, piece, 1])
            above += sums[t, piece, 3]
        log_total = np.log(total)
        nll[t] = log_total - (np.float64(target_logits[t, 0]) - largest)
        entropy[t] = log_total - weighted / total
        ranks[t] = np.int64(above)
