"""The tensors of an open int8 file, arranged for the compiled forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.weights.int8_file import Int8File, tensors_in_order


def weights_of(file: Int8File) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Views of the mapped tensors, by the module's short name and the part.

    The published model has no bias for embed_out, so one of zeros is added.
    """
    weights: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for name, tensor in tensors_in_order(file.config).items():
        module = weights.setdefault(tensor.module.short_name, {})
        module[tensor.part] = file.tensors[name]
        if tensor.module.kind == "unembedding":
            module["bias"] = np.zeros(file.config.d_vocab, np.float32)
    return weights
