"""Inputs of scoring: token ids, and for each the target token to be scored after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import UsageError

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


def checked_ids(token_ids: Sequence[int], d_vocab: int) -> np.ndarray[Any, Any]:
    """token_ids [n] int64. Raises UsageError for anything but token ids below d_vocab."""
    ids = np.asarray(token_ids)
    if ids.size == 0:
        return np.empty(0, np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= d_vocab:
        raise UsageError(f"token ids must be whole numbers from 0 to {d_vocab - 1}")
    return ids.astype(np.int64)
