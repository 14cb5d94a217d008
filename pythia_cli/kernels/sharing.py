"""How the ranks of a team share a pass: tokens, rows of weights, and meetings between them."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.barrier import meet
from pythia_cli.jit.claims import claim_next, share
from pythia_cli.jit.declare import inlined, jit
from pythia_cli.jit.literals import any_value
from pythia_cli.kernels.in_lanes import BLOCK_BYTES, LEAST_IN_LANES, ROWS_IN_LANES
from pythia_cli.kernels.sizes import LANES, LOGITS_PIECE

_MOST_BYTES = 256 * 1024  # of weights, claimed by a rank at a time
_ROWS = LANES  # of weights, claimed at least: whole tiles and cache lines


@inlined
def own_tokens(ranks: Any, n: Any) -> Any:
    """This rank's part [lo, hi) of n tokens: whole groups of LANES if there are any to `pack`.

    The first ranks have more than the last, so a single token is rank 0's.
    """
    size = LANES if n >= LEAST_IN_LANES else 1
    return share(n, size, ranks.n_ranks - 1 - ranks.rank, ranks.n_ranks)


@jit
def claim_rows(ranks: Any, claims: Any, slot: Any, d_out: Any, d_in: Any, n_tokens: Any) -> Any:
    """The next rows [lo, hi) of d_in weights for this rank; lo >= hi if none is left."""
    rows, most = _ROWS, _MOST_BYTES
    if n_tokens >= LEAST_IN_LANES:
        rows, most = max(_ROWS, ROWS_IN_LANES), max(_MOST_BYTES, BLOCK_BYTES)
    most = max(most // (d_in * rows), 1)
    return claim_next(ranks, claims, slot, rows, most, d_out)


@jit
def claim_logits(ranks: Any, claims: Any, d_vocab: Any) -> Any:
    """The next piece [lo, hi) of the vocabulary for this rank; lo >= hi if none is left."""
    return claim_next(ranks, claims, claims.shape[0] - 1, LOGITS_PIECE, 1, d_vocab)


@jit
def meet_before_rows(ranks: Any, first_only: Any, w: Any) -> Any:
    """`meet` before rows of w are claimed. Prefetches about where those of this rank begin."""
    lo, _ = share(w.shape[0], _ROWS, ranks.rank, ranks.n_ranks)
    return meet(ranks, first_only, w, lo * w.shape[1])


@inlined
def meet_before_layer(ranks: Any, query_key_value: Any, i: Any, embed_out: Any) -> Any:
    """`meet` before layer i, or before the unembedding behind the last, with these weights."""
    following = query_key_value[i] if i < query_key_value.shape[0] else embed_out
    return meet_before_rows(ranks, any_value(False), following)
