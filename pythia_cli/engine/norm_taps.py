"""Layer norms of the int8 engine with a tap: the scale, and what is between it and the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]

See = Callable[[str, _Array], None]
"""Shows an array that it may change in place."""


def seen_norm(
    x: _Array, normed: _Array, weight: _Array, bias: _Array, eps: float, names: set[str], see: See
) -> None:
    """Show hook_scale [n, 1] and hook_normalized [n, d] of a norm, as far as names has them.

    x [n, d]: its input. normed [n, d]: its output, of which the rows follow that `see` changes. The
    norm is x_hat * weight + bias, and x_hat = (x - mean) / scale is hook_normalized (Ba et al.
    2016).
    """
    if not names:
        return
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
    if "hook_scale" in names:
        see("hook_scale", scale.astype(np.float32))
    if "hook_normalized" in names:
        before = (centred / scale).astype(np.float32)
        after = before.copy()
        see("hook_normalized", after)
        changed = (after != before).any(axis=1)
        normed[changed] = after[changed] * weight + bias
