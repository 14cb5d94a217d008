"""What is where in an int8 file (docs/int8-file.md): its tensors and its header."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module

FORMAT = "pythia-int8"
FORMAT_VERSION = 2
"""Of the files that are written. Those of version 1, which have no BYTE_PARTS, are read too."""
QUANTIZATIONS = {
    1: ("int8-row-least-squares",),
    2: ("int8-row-least-squares-corrected", "int8-row-least-squares-corrected-feedback"),
}
"""By format version. Those that are no longer written are read as well."""
QUANTIZATION = QUANTIZATIONS[FORMAT_VERSION][-1]
ALIGNMENT = 64
BYTE_PARTS = {"centre": "F32", "centred_bias": "F32", "row_sums": "I32"}
"""The parts of a linear that inputs of 8 bits need, with their dtypes."""

DTYPES: dict[str, np.dtype[Any]] = {
    "I8": np.dtype("<i1"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U8": np.dtype("u1"),
}


class Int8Weights(Protocol):
    """A model in int8: tensors by name, as in `tensors_in_order`."""

    @property
    def config(self) -> ModelConfig:
        """The dimensions."""

    @property
    def tensors(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """By name; those of BYTE_PARTS only where they are needed."""


class Int8Tensor(NamedTuple):
    """A tensor of the file: which part of which module it is, its dtype and shape."""

    module: Module
    part: str
    dtype: str
    shape: tuple[int, ...]


def tensors_in_order(config: ModelConfig, version: int = FORMAT_VERSION) -> dict[str, Int8Tensor]:
    """Every tensor by name, in the order of the file: the int8 matrices first, then the rest."""
    tensors = {}
    for module in MODULES:
        if module.is_matrix:
            shape = module.stacked_shape("weight", config)
            tensors[f"{module.name}.weight"] = Int8Tensor(module, "weight", "I8", shape)
    for module in MODULES:
        parts = module.published_parts
        for part in ("scales", *parts[1:]) if module.is_matrix else parts:
            shape = module.stacked_shape(part, config)
            tensors[f"{module.name}.{part}"] = Int8Tensor(module, part, "F32", shape)
    for module in MODULES if version > 1 else ():
        if module.kind == "unembedding":
            shape = module.stacked_shape("bias", config)
            tensors[f"{module.name}.bias"] = Int8Tensor(module, "bias", "F32", shape)
        if module.kind == "linear":
            n_layers, d_out, d_in = module.stacked_shape("weight", config)
            for part, dtype in BYTE_PARTS.items():
                shape = (n_layers, d_in if part == "centre" else d_out)
                tensors[f"{module.name}.{part}"] = Int8Tensor(module, part, dtype, shape)
    return tensors


def tensor_shapes(
    config: ModelConfig, version: int = FORMAT_VERSION
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """dtype and shape of every tensor, in the order of the file."""
    tensors = tensors_in_order(config, version)
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


def data_bytes(config: ModelConfig, version: int = FORMAT_VERSION) -> int:
    """The size of all tensors in bytes; the file is slightly larger."""
    shapes = tensor_shapes(config, version).values()
    return sum(prod(shape) * DTYPES[dtype].itemsize for dtype, shape in shapes)


def header_bytes(
    shapes: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    hashes: Mapping[str, str],
) -> bytes:
    """The header for these tensors: length, JSON, and spaces up to the 64-byte boundary.

    The same arguments always give the same bytes. The last metadata entry is the sha256 of the
    JSON without that entry.
    """
    entries: dict[str, Any] = {}
    offset = 0

    def add(name: str, dtype: str, shape: tuple[int, ...]) -> None:
        nonlocal offset
        n_bytes = prod(shape) * DTYPES[dtype].itemsize
        entries[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + n_bytes],
        }
        offset += n_bytes

    for name, (dtype, shape) in shapes.items():
        add(name, dtype, shape)
        if padding := -offset % ALIGNMENT:
            add(f"_padding.{name}", "U8", (padding,))
    described = {**metadata, "tensors_sha256": json.dumps(dict(hashes))}
    digest = hashlib.sha256(json.dumps({"__metadata__": described, **entries}).encode()).hexdigest()
    text = json.dumps({"__metadata__": {**described, "header_sha256": digest}, **entries}).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text
