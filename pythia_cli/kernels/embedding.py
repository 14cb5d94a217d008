"""Rows of the int8 embedding, widened."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit


@jit
def embed(token_ids: Any, w_q8: Any, w_scales: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, d] = w_q8[token_ids] * w_scales[token_ids], tokens lo..hi."""
    for t in range(lo, hi):
        row = token_ids[t]
        for i in range(w_q8.shape[1]):
            out[t, i] = np.float32(w_q8[row, i]) * w_scales[row]
