"""Attention patterns from scores, by a team."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.claims import share
from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Floats3
from pythia_cli.kernels.causal_softmax import causal_softmax


@kernel
def attention_pattern(rank: Any, n_ranks: Any, scores: Floats3) -> None:
    """scores [n_heads, n, n] become the pattern that they give."""
    lo, hi = share(scores.shape[0], 1, rank, n_ranks)
    causal_softmax(scores, lo, hi)
