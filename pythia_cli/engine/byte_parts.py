"""What the linears and the unembedding need for inputs of 8 bits."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.kernels import compiled
from pythia_cli.suite.parameters import MODULES
from pythia_cli.weights.int8_layout import BYTE_PARTS, DTYPES, Int8Weights

Precision = Literal["exact", "fast"]
"""The bits of the inputs of linears: 16, or 8. Likely logits are made from 16 in both."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_LINEARS = tuple(module for module in MODULES if module.kind == "linear")
(_UNEMBEDDING,) = (module for module in MODULES if module.kind == "unembedding")
_Parts = dict[str, dict[str, np.ndarray[Any, Any]]]


def byte_parts(weights: Int8Weights) -> _Parts:
    """ByteModel of kernels/structures.py, for this model."""
    parts = {
        linear.short_name: {part: weights.tensors[f"{linear.name}.{part}"] for part in BYTE_PARTS}
        for linear in _LINEARS
    }
    q = weights.tensors[f"{_UNEMBEDDING.name}.weight"]
    sums = np.empty(len(q), np.int32)
    compiled.call("row_sums", q=q, sums=sums)
    return {**parts, _UNEMBEDDING.short_name: _unembedding(sums, q.shape[1])}


def no_byte_parts() -> _Parts:
    """ByteModel for a model that is not fast: nothing reads it."""
    parts = {part: np.empty((0, 0), DTYPES[dtype]) for part, dtype in BYTE_PARTS.items()}
    by_linear = {linear.short_name: parts for linear in _LINEARS}
    return {**by_linear, _UNEMBEDDING.short_name: _unembedding(np.empty(0, np.int32), 0)}


def _unembedding(sums: np.ndarray[Any, Any], d_model: int) -> dict[str, np.ndarray[Any, Any]]:
    return {"row_sums": sums, "centre": np.zeros(d_model, np.float32)}
