"""Attention patterns from scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.barrier import share
from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Floats3
from pythia_cli.kernels.softmax import softmax


@kernel
def causal_softmax(rank: Any, n_ranks: Any, x: Floats3) -> None:
    """x [n_heads, n, n] = softmax of each row over its first positions, up to its own; 0 behind."""
    lo, hi = share(x.shape[0], 1, rank, n_ranks)
    for head in range(lo, hi):
        for query in range(x.shape[1]):
            softmax(x[head, query], query + 1)
            for p in range(query + 1, x.shape[2]):
                x[head, query, p] = np.float32(0.0)
