"""Quantizes float tensors to an int8 file: symmetric, with one scale for each row of a matrix."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pythia_cli.kernels import compiled
from pythia_cli.kernels.sizes import SCALE_CANDIDATES
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import (
    Int8Tensor,
    Int8Writer,
    tensor_shapes,
    tensors_in_order,
)
from pythia_cli.weights.source import Source

_T = TypeVar("_T")
_BLOCK = 1 << 18  # weights that a thread quantizes at a time; as float32 they fit in its cache
_AHEAD = 16  # blocks that may be quantized before they are written


def quantize_matrix(w: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """w [d_out, d_in] float32 -> q [d_out, d_in] int8, scales [d_out] float32; w ~ q * scales."""
    w = np.ascontiguousarray(w, np.float32)
    q, scales = np.empty(w.shape, np.int8), np.empty(len(w), np.float32)
    error = np.empty(w.shape[1], np.float32)
    compiled.call(
        "quantize_weights",
        w=w, candidates=SCALE_CANDIDATES, error=error, q=q, scales=scales, lo=0, hi=len(w),
    )  # fmt: skip
    return q, scales


def write_int8(
    checkpoint: FloatCheckpoint,
    path: Path,
    source: Source,
    task: Task = NO_TASK,
    n_threads: int = 1,
) -> None:
    """Quantize a checkpoint into a new file at `path`; `task` advances by parameters.

    Matrices are read once, in the order of the file. n_threads quantize blocks of rows slightly
    ahead of writing; the scales are kept in memory, because they come later in the file. Raises
    what FloatCheckpoint.rows raises, and OSError from writing.
    """
    with ThreadPoolExecutor(n_threads, "pythia-quantize") as pool:
        _write_int8(checkpoint, path, source, task, pool)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[..., _T], arguments: Iterable[tuple[Any, ...]]
) -> Iterator[_T]:
    """work(*a) for all arguments, in order; the pool works up to _AHEAD items ahead."""
    ahead: deque[Future[_T]] = deque()
    try:
        for a in arguments:
            ahead.append(pool.submit(work, *a))
            if len(ahead) > _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def _write_int8(
    checkpoint: FloatCheckpoint,
    path: Path,
    source: Source,
    task: Task,
    pool: ThreadPoolExecutor,
) -> None:
    config = checkpoint.config
    scales: dict[str, list[np.ndarray[Any, Any]]] = {}

    def rows(tensor: str, lo: int, hi: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        return quantize_matrix(checkpoint.rows(tensor, lo, hi))

    def blocks(published: list[str], d_out: int, d_in: int) -> Iterator[tuple[str, int, int]]:
        step = max(_BLOCK // d_in, 1)
        for tensor in published:
            for lo in range(0, d_out, step):
                yield tensor, lo, min(lo + step, d_out)

    def matrix(tensor: Int8Tensor) -> Iterator[np.ndarray[Any, Any]]:
        name = tensor.module.name
        scales[name] = []
        *_, d_out, d_in = tensor.shape
        for q, row_scales in _in_order(pool, rows, blocks(published(tensor), d_out, d_in)):
            scales[name].append(row_scales)
            yield q
            task.advance(q.size)

    def small(tensor: Int8Tensor) -> Iterator[np.ndarray[Any, Any]]:
        for name in published(tensor):
            values = checkpoint.tensor(name)
            yield values
            task.advance(values.size)

    def published(tensor: Int8Tensor) -> list[str]:
        return tensor.module.published_names(tensor.part, config)

    with path.open("xb") as file:
        tokenizer = hashlib.sha256(checkpoint.tokenizer_json).hexdigest()
        writer = Int8Writer(file, config, source, tokenizer)
        for name, tensor in tensors_in_order(config).items():
            if tensor.dtype == "I8":
                writer.write_tensor(name, matrix(tensor))
            elif tensor.part == "scales":
                writer.write_tensor(name, iter(scales[tensor.module.name]))
            else:
                writer.write_tensor(name, small(tensor))
        writer.finish()


def n_parameters(checkpoint: FloatCheckpoint) -> int:
    """The number of values that write_int8 reads: the total of its task."""
    shapes = tensor_shapes(checkpoint.config)
    return sum(prod(shape) for name, (_, shape) in shapes.items() if not name.endswith(".scales"))
