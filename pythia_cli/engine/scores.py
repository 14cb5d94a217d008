"""Scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Scores(NamedTuple):
    """For each scored token: nll and entropy in nats (float64), rank among the logits from 0."""

    nll: np.ndarray[Any, Any]
    entropy: np.ndarray[Any, Any]
    rank: np.ndarray[Any, Any]


def score_logits(logits: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> Scores:
    """The scores of targets [m] from logits [m, d_vocab], in float64: the kernel's slow twin."""
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    total = p.sum(axis=1)
    target = np.take_along_axis(z, targets[:, None], axis=1)[:, 0]
    return Scores(
        nll=np.log(total) - target,
        entropy=np.log(total) - (p * z).sum(axis=1) / total,
        rank=(z > target[:, None]).sum(axis=1),
    )
