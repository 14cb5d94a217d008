"""Attention patterns from scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.softmax import softmax


@jit
def causal_softmax(x: Any, lo: Any, hi: Any) -> None:
    """x [n_heads, n, n] = softmax of each row over the positions up to its own, and 0 behind it.

    Heads lo..hi.
    """
    for head in range(lo, hi):
        for query in range(x.shape[1]):
            softmax(x[head, query], query + 1)
            for p in range(query + 1, x.shape[2]):
                x[head, query, p] = np.float32(0.0)
