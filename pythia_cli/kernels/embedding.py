"""The embedding: rows of int8, dequantized."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.jit.signature import Floats1, Int8s2


class Embedding(NamedTuple):
    """weight [d_vocab, d_model] int8, scales [d_vocab]."""

    weight: Int8s2
    scales: Floats1


@jit
def embed(embedding: Any, token_ids: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, d_model] = (weight * scales)[token_ids], tokens lo..hi."""
    weight, scales = embedding
    for t in range(lo, hi):
        row = token_ids[t]
        for i in range(weight.shape[1]):
            out[t, i] = np.float32(weight[row, i]) * scales[row]
