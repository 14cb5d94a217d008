"""The tensors of a model in int8, arranged for the compiled forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.weights.int8_layout import Int8Weights, tensors_in_order


def weights_of(weights: Int8Weights) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """The tensors that kernels take in any precision, by the module's short name and the part.

    The published model has no bias for embed_out, and neither have files of version 1: it is zero.
    """
    found: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for name, tensor in tensors_in_order(weights.config, version=1).items():
        module = found.setdefault(tensor.module.short_name, {})
        module[tensor.part] = weights.tensors[name]
        if tensor.module.kind == "unembedding":
            zeros = np.zeros(weights.config.d_vocab, np.float32)
            module["bias"] = weights.tensors.get(f"{tensor.module.name}.bias", zeros)
    return found


def key_centre(weights: Int8Weights) -> np.ndarray[Any, Any]:
    """[n_layers, 3 * d_model] float32, laid out as the bias of query_key_value: the mean keys.

    For files of version 1 it is the bias, which is the larger part of the mean.
    """
    name = "layers.attention.query_key_value"
    bias: np.ndarray[Any, Any] = weights.tensors[f"{name}.bias"]
    found: np.ndarray[Any, Any] = weights.tensors.get(f"{name}.centred_bias", bias)
    return found
