"""Inputs of scoring: token ids, and for each the target token to be scored after it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

NO_TARGET = -1
"""The target of a token after which nothing is scored."""


class TargetedText(NamedTuple):
    """token_ids [n], which start from an empty cache, and targets [n], some of them NO_TARGET."""

    token_ids: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]


def targeted(token_ids: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> TargetedText:
    """A TargetedText of token_ids [n], whose last m tokens have the targets [m]."""
    n, m = len(token_ids), len(targets)
    return TargetedText(token_ids, np.concatenate([np.full(n - m, NO_TARGET), targets]))
