"""What is scored: token ids, and for each the token whose probability after it is wanted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

NO_TARGET = -1
"""In place of a target, where a token is not scored."""


class TargetedText(NamedTuple):
    """token_ids [n] to run from an empty cache; targets [n], NO_TARGET where none is scored."""

    token_ids: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]


def targeted(token_ids: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> TargetedText:
    """token_ids [n], and targets [m] as the successors of the last m."""
    n, m = len(token_ids), len(targets)
    return TargetedText(token_ids, np.concatenate([np.full(n - m, NO_TARGET), targets]))
