"""The tensors of an open int8 file, as the compiled forward pass takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.checkpoints.int8_file import Int8File, tensors_in_order


def weights_of(file: Int8File) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Views in place, by the module's short name and the part; the published model has no bias
    behind embed_out, and gets one of zeros."""
    weights: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for name, tensor in tensors_in_order(file.config).items():
        module = weights.setdefault(tensor.module.short_name, {})
        module[tensor.part] = file.tensors[name]
        if tensor.module.kind == "unembedding":
            module["bias"] = np.zeros(file.config.d_vocab, np.float32)
    return weights
