"""The Kullback-Leibler divergence of next-token distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]


def kl_divergence(p_logits: _Array, q_logits: _Array) -> _Array:
    """KL(p || q) [m] in nats (Kullback 1959), of logits [m, d_vocab], in float64."""
    p, q = log_softmax(p_logits), log_softmax(q_logits)
    found: _Array = (np.exp(p) * (p - q)).sum(axis=1)
    return found


def log_softmax(logits: _Array) -> _Array:
    """Log-probabilities [m, d_vocab] float64, in nats."""
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z
