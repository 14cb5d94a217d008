"""What the rounding of the unembedding takes into account: which of its inputs go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels import compiled
from pythia_cli.kernels.sizes import ELIMINATED_TOGETHER

_LEVELS = 32767
_NOISE = 1e-6  # of the largest input: what rounding leaves of equal inputs less their mean
_DAMPING = 1.0
"""Added to the diagonal, as a part of its mean. With less, a text shorter than the inputs are wide
gives weights that are worse than without feedback (docs/log.md)."""


def feedback_of(inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The feedback [d_in, d_in] float32 (kernels/feedback.py) for inputs [n, d_in] float64.

    They are taken less their mean, as the bias makes up for that. Zeros, which is no feedback, if
    there are no inputs, they do not differ, or they are not finite.
    """
    d = inputs.shape[1]
    feedback = np.zeros((d, d), np.float32)
    if len(inputs) == 0:
        return feedback
    with np.errstate(over="ignore", invalid="ignore"):
        centred = inputs - inputs.mean(axis=0)
        largest, least = np.abs(centred).max(), _NOISE * np.abs(inputs).max()
    if not least < largest < np.inf:
        return feedback
    # Integers, whose products add up exactly in any order: the same bits on all processors.
    levels = np.rint(centred * (_LEVELS / largest))
    products = levels.T @ levels
    diagonal = np.diagonal(products).sum() / d
    products[np.diag_indices(d)] += _DAMPING * diagonal
    compiled.call(
        "find_feedback", h=products, columns=np.empty((ELIMINATED_TOGETHER, d)), feedback=feedback
    )
    return feedback
