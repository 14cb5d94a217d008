"""What the layers' linears need for activations of 8 bits."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.suite.parameters import MODULES
from pythia_cli.weights.int8_layout import BYTE_PARTS, DTYPES, Int8Weights

Precision = Literal["exact", "fast"]
"""The bits of the activations: 16, or 8 in the layers."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_LINEARS = tuple(module for module in MODULES if module.kind == "linear")
_Parts = dict[str, dict[str, np.ndarray[Any, Any]]]


def byte_parts(weights: Int8Weights) -> _Parts:
    """ByteModel of kernels/structures.py, for this model."""
    return {
        linear.short_name: {part: weights.tensors[f"{linear.name}.{part}"] for part in BYTE_PARTS}
        for linear in _LINEARS
    }


def no_byte_parts() -> _Parts:
    """ByteModel for a model that is not fast: nothing reads it."""
    parts = {part: np.empty((0, 0), DTYPES[dtype]) for part, dtype in BYTE_PARTS.items()}
    return {linear.short_name: parts for linear in _LINEARS}
