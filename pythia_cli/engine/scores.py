"""Scores of target tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import IntegrityError


class Scores(NamedTuple):
    """For each scored token [m]: nll and entropy in nats (float64), rank among the logits from 0.

    set_logprob: log of the probability of a set of tokens at its place, in nats (float64); NaN if
    no set was given.
    """

    nll: np.ndarray[Any, Any]
    entropy: np.ndarray[Any, Any]
    rank: np.ndarray[Any, Any]
    set_logprob: np.ndarray[Any, Any]


def check_finite(*values: np.ndarray[Any, Any]) -> None:
    """Raises IntegrityError unless what a model gave is finite."""
    if not all(np.isfinite(some).all() for some in values):
        raise IntegrityError("model", "it gave NaN; the checkpoint may be damaged")


def empty_scores(m: int) -> Scores:
    """Room for the scores of m tokens."""
    return Scores(np.empty(m), np.empty(m), np.empty(m, np.int64), np.empty(m))


def score_logits(
    logits: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    members: np.ndarray[Any, Any] | None = None,
) -> Scores:
    """The scores of targets [m] from logits [m, d_vocab], in float64: the kernel's slow twin.

    members [d_vocab]: 1 for the tokens of a set, else 0.
    """
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    total = p.sum(axis=1)
    target = np.take_along_axis(z, targets[:, None], axis=1)[:, 0]
    with np.errstate(divide="ignore"):  # no token of the set has a probability above 0
        in_set = total * np.nan if members is None else np.log(p @ members.astype(np.float64))
    return Scores(
        nll=np.log(total) - target,
        entropy=np.log(total) - (p * z).sum(axis=1) / total,
        rank=(z > target[:, None]).sum(axis=1),
        set_logprob=in_set - np.log(total),
    )
