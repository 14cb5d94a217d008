"""What the layers' linears need for activations of 8 bits, made from an int8 file."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.weights.int8_file import Int8File, tensors_in_order

Precision = Literal["exact", "fast"]
"""The bits of the activations: 16, or 8 in the layers."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_LINEARS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_Parts = dict[str, dict[str, np.ndarray[Any, Any]]]


def byte_parts(file: Int8File) -> _Parts:
    """ByteModel of kernels/structures.py, for this file."""
    found: _Parts = {}
    for name, tensor in tensors_in_order(file.config).items():
        linear = tensor.module.short_name
        if linear in _LINEARS and tensor.part == "weight":
            weight = file.tensors[name]
            n_layers, _, d_in = weight.shape
            found[linear] = {
                "centre": np.zeros((n_layers, d_in), np.float32),
                "bias": file.tensors[f"{tensor.module.name}.bias"],
                "row_sums": weight.sum(axis=2, dtype=np.int32),
            }
    return found


def no_byte_parts() -> _Parts:
    """ByteModel for a model that is not fast: nothing reads it."""
    reals, ints = np.empty((0, 0), np.float32), np.empty((0, 0), np.int32)
    return {linear: {"centre": reals, "bias": reals, "row_sums": ints} for linear in _LINEARS}
