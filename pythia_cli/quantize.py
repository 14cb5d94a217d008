"""Float tensors to an int8 file: symmetric absmax, one scale for each row of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.hf_checkpoint import FloatCheckpoint, file_sha256
from pythia_cli.int8_file import LINEARS, NORMS, Int8Writer, Source, tensor_shapes

_PIECE = 1 << 20  # elements quantized at a time: small enough to stay in the processor's cache


def quantize_rows(w: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """w [n_rows, n_columns] float32 ~ q int8 * scales [n_rows, 1] float32; |q| <= 127.

    The scale is the row's largest magnitude / 127 (0 for a row of zeros); q is rounded to nearest.
    """
    n_rows, n_columns = w.shape
    q = np.empty(w.shape, np.int8)
    scales = np.empty(n_rows, np.float32)
    step = max(1, _PIECE // n_columns)
    for first in range(0, n_rows, step):
        rows = w[first : first + step]
        absmax = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        scales[first : first + step] = absmax / np.float32(127)
        # A row whose scale would underflow is as good as zero.
        usable = scales[first : first + step] >= np.finfo(np.float32).tiny
        scales[first : first + step][~usable] = 0
        inverse = np.zeros_like(absmax)
        np.divide(np.float32(127), absmax, out=inverse, where=usable)
        scaled = rows * inverse[:, None]
        np.rint(scaled, out=scaled)
        q[first : first + step] = scaled
    return q, scales


def write_int8(
    checkpoint: FloatCheckpoint,
    path: Path,
    source: Source,
    progress: Callable[[int], None] = lambda n_parameters: None,
) -> None:
    """Quantize a checkpoint into a new file at `path`; progress is told parameters as they go by.

    The matrices are read once and in the order of the file; scales are kept for their place after
    them. Raises what FloatCheckpoint.tensor raises, and OSError from writing.
    """
    config = checkpoint.config
    scales: dict[str, list[np.ndarray[Any, Any]]] = {}

    def matrix(name: str, published: list[str]) -> Iterator[np.ndarray[Any, Any]]:
        scales[name] = []
        for tensor in published:
            q, tensor_scales = quantize_rows(checkpoint.tensor(tensor))
            scales[name].append(tensor_scales)
            yield q
            progress(q.size)

    def small(published: list[str]) -> Iterator[np.ndarray[Any, Any]]:
        for tensor in published:
            values = checkpoint.tensor(tensor)
            yield values
            progress(values.size)

    def published(name: str, kind: str) -> list[str]:
        inner = {**LINEARS, **NORMS}.get(name)
        if inner is not None:
            return [f"gpt_neox.layers.{i}.{inner}.{kind}" for i in range(config.n_layers)]
        return ["embed_out.weight"] if name == "embed_out" else [f"gpt_neox.{name}.{kind}"]

    with path.open("xb") as file:
        writer = Int8Writer(file, config, source, file_sha256(checkpoint.tokenizer_path))
        for full_name, (dtype, _) in tensor_shapes(config).items():
            name, kind = full_name.rsplit(".", 1)
            if dtype == "I8":
                writer.write_tensor(full_name, matrix(name, published(name, kind)))
            elif kind == "scales":
                writer.write_tensor(full_name, iter(scales[name]))
            else:
                writer.write_tensor(full_name, small(published(name, kind)))
        writer.finish()


def n_parameters(checkpoint: FloatCheckpoint) -> int:
    """How many values write_int8 reads: what its progress sums to."""
    shapes = tensor_shapes(checkpoint.config)
    return sum(prod(shape) for name, (_, shape) in shapes.items() if not name.endswith(".scales"))
