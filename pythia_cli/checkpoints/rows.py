"""Rows of a matrix in int8: rounded, and their biases corrected."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels import compiled
from pythia_cli.kernels.sizes import (
    COLUMNS_TOGETHER,
    FEEDBACK_ROWS,
    SCALE_CANDIDATES,
    aligned_zeros,
)

_Arrays = dict[str, np.ndarray[Any, Any]]


def widened(halves: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float16s as float32."""
    found = np.empty(halves.shape, np.float32)
    bits = np.ascontiguousarray(halves).view(np.uint16)
    compiled.call(
        "widen_float16", bits=bits.reshape(-1), out=found.reshape(-1), lo=0, hi=halves.size
    )
    return found


def quantize_matrix(w: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """w [d_out, d_in] float32 -> q [d_out, d_in] int8, scales [d_out] float32; w ~ q * scales."""
    w = np.ascontiguousarray(w, np.float32)
    q, scales = np.empty(w.shape, np.int8), np.empty(len(w), np.float32)
    room = np.empty((2, len(SCALE_CANDIDATES)), np.float32)
    compiled.call(
        "quantize_weights",
        w=w, candidates=SCALE_CANDIDATES, room=room, q=q, scales=scales, lo=0, hi=len(w),
    )  # fmt: skip
    return q, scales


def quantize_with_feedback(
    w: np.ndarray[Any, Any], feedback: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """As quantize_matrix, with the same scales; rounded with feedback [d_in, d_in] float32."""
    q, scales = quantize_matrix(w)
    compiled.call(
        "round_with_feedback",
        w=w, scales=scales, feedback=feedback, q=q,
        room=aligned_zeros((3, max(w.shape[1], 2 + COLUMNS_TOGETHER), FEEDBACK_ROWS), np.float32),
        lo=0, hi=len(w),
    )  # fmt: skip
    return q, scales


def correct_bias(
    w: np.ndarray[Any, Any],
    q: np.ndarray[Any, Any],
    scales: np.ndarray[Any, Any],
    mean: np.ndarray[Any, Any],
    bias: np.ndarray[Any, Any],
    found: _Arrays,
) -> None:
    """Write the corrected bias [d_out], centred_bias and row_sums of rows w [d_out, d_in]."""
    compiled.call(
        "correct_bias",
        w=w, q=q, scales=scales, mean=mean, bias=bias, error=np.empty(w.shape[1], np.float32),
        corrected=found["bias"], centred=found["centred_bias"], row_sums=found["row_sums"], lo=0,
        hi=len(w),
    )  # fmt: skip


def room_for_biases(bias: np.ndarray[Any, Any]) -> _Arrays:
    """Room for what `correct_bias` finds."""
    return {
        "bias": np.empty_like(bias),
        "centred_bias": np.empty_like(bias),
        "row_sums": np.empty(bias.shape, np.int32),
    }


def kept_finite(
    bias: np.ndarray[Any, Any], found: _Arrays, means: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Undo the correction of layers where it overflows. Returns their means as zeros."""
    both = np.isfinite(found["bias"]) & np.isfinite(found["centred_bias"])
    is_finite = both.all(axis=1, keepdims=True)
    for part in ("bias", "centred_bias"):
        found[part] = np.where(is_finite, found[part], bias)
    return np.where(is_finite, means, np.float32(0))
