"""What the logits of a lens say of the next token, compared with those of the model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.scores import check_finite

_Array = np.ndarray[Any, Any]

_TOGETHER = 8
"""Rows of logits that are handled at once: some of them fit into the processor's cache."""

_PIECE = 64
"""Logits whose largest one is looked at first, to find the few that may be among the top."""


class LensFigures(NamedTuple):
    """Of each position [m], in nats (float64): nll (NaN without a target), kl and entropy.

    rank: how many tokens have a larger logit than the target; -1 without one. top_ids, top_probs
    [m, n_top]: the most probable tokens, the first one first; of equal ones, lower ids come first.
    """

    nll: _Array
    rank: _Array
    kl: _Array
    entropy: _Array
    top_ids: _Array
    top_probs: _Array


class Distributions(NamedTuple):
    """The model's own: probabilities [m, d_vocab], and entropy [m] in nats, of float64."""

    p: _Array
    entropy: _Array


def empty_figures(shape: tuple[int, ...], n_top: int) -> LensFigures:
    """Room for the figures of positions."""
    nll, kl, entropy = (np.empty(shape) for _ in range(3))
    rank, top_ids = np.empty(shape, np.int64), np.empty((*shape, n_top), np.int64)
    return LensFigures(nll, rank, kl, entropy, top_ids, np.empty((*shape, n_top)))


def distributions(logits: _Array) -> Distributions:
    """The softmax of logits [m, d_vocab] float32. Raises IntegrityError for NaN."""
    p, entropy = np.empty(logits.shape), np.empty(len(logits))
    for lo in range(0, len(logits), _TOGETHER):
        part = slice(lo, lo + _TOGETHER)
        z = _less_largest(logits[part])
        np.exp(z, out=p[part])
        total = p[part].sum(axis=1)
        p[part] /= total[:, None]
        entropy[part] = np.log(total) - np.einsum("ij,ij->i", p[part], z)
    return Distributions(p, entropy)


def write_figures(
    logits: _Array, targets: _Array, model: Distributions | None, out: LensFigures
) -> None:
    """Write what logits [m, d_vocab] float32 say. targets [m]: -1 for none.

    model: what kl(model || lens) is relative to; None: the logits are the model's own, and kl is 0.
    Raises IntegrityError for NaN.
    """
    n_top = out.top_ids.shape[1]
    for lo in range(0, len(logits), _TOGETHER):
        part = slice(lo, lo + _TOGETHER)
        rows = logits[part]
        z = _less_largest(rows)
        p = np.exp(z)
        total = p.sum(axis=1)
        log_total = np.log(total)
        out.entropy[part] = log_total - np.einsum("ij,ij->i", p, z) / total
        if model is None:
            out.kl[part] = 0.0
        else:
            # The cross-entropy less the entropy. Where both agree, rounding leaves some 1e-15.
            cross = log_total - np.einsum("ij,ij->i", model.p[part], z)
            out.kl[part] = np.maximum(cross - model.entropy[part], 0.0)
        has_target = targets[part] >= 0
        places = np.where(has_target, targets[part], 0)[:, None]
        nll = log_total - np.take_along_axis(z, places, axis=1)[:, 0]
        rank = (rows > np.take_along_axis(rows, places, axis=1)).sum(axis=1)
        out.nll[part] = np.where(has_target, nll, np.nan)
        out.rank[part] = np.where(has_target, rank, -1)
        for i, row in enumerate(rows):
            ids = largest_first(row, n_top)
            out.top_ids[lo + i], out.top_probs[lo + i] = ids, p[i, ids] / total[i]


def largest_first(logits: _Array, n: int) -> _Array:
    """The ids of the n largest of logits [d_vocab], the largest first; of equal ones, the lower."""
    ids = np.flatnonzero(logits >= _least_of(logits, n))
    found: _Array = ids[np.argsort(-logits[ids], kind="stable")][:n]
    return found


def _least_of(logits: _Array, n: int) -> Any:
    """A bound that at least n logits reach, and not many more."""
    n_pieces = len(logits) // _PIECE
    if n_pieces <= n:
        return np.partition(logits, -n)[-n]
    # Each of these is a logit itself, so that n logits reach the least of the n largest of them.
    largest = logits[: n_pieces * _PIECE].reshape(n_pieces, _PIECE).max(axis=1)
    return np.partition(largest, -n)[-n]


def _less_largest(logits: _Array) -> _Array:
    """The logits [m, d_vocab] less the largest of their row, in float64."""
    largest = logits.max(axis=1, keepdims=True)
    check_finite(largest)
    z = logits.astype(np.float64)
    z -= largest
    return z
