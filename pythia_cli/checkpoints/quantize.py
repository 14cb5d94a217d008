"""Quantizes float tensors to an int8 file: symmetric, with one scale for each row of a matrix.

Then the model is run on a short text, and the biases of its linears are corrected for the mean
inputs that are found: the float tensors of the linears are read a second time.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from pythia_cli.checkpoints.calibrate import (
    CALIBRATED,
    calibration_metadata,
    calibration_tokens,
    mean_inputs,
)
from pythia_cli.kernels import compiled
from pythia_cli.kernels.sizes import SCALE_CANDIDATES
from pythia_cli.reporting import SILENT, Reporter, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_layout import BYTE_PARTS, tensor_shapes
from pythia_cli.weights.int8_writer import Int8Writer
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


_Arrays = dict[str, np.ndarray[Any, Any]]


class _Weights(NamedTuple):
    """The model while its file is written (an Int8Weights)."""

    config: ModelConfig
    tensors: _Arrays


def write_int8(
    checkpoint: FloatCheckpoint,
    path: Path,
    source: Source,
    *,
    name: str = "weights",
    reporter: Reporter = SILENT,
    n_threads: int = 1,
) -> None:
    """Quantize a checkpoint into a new file at `path`; name: what progress calls it.

    Matrices are read in the order of the file; n_threads quantize blocks of rows slightly ahead of
    writing. The rest is kept in memory until it is written. Raises what FloatCheckpoint.rows
    raises, and OSError from reading and writing.
    """
    with ThreadPoolExecutor(n_threads, "pythia-quantize") as pool, path.open("x+b") as file:
        _Quantizer(checkpoint, file, source, reporter, name, pool, n_threads).run()


class _Quantizer:
    """Writes the file of one checkpoint."""

    def __init__(
        self,
        checkpoint: FloatCheckpoint,
        file: BinaryIO,
        source: Source,
        reporter: Reporter,
        name: str,
        pool: ThreadPoolExecutor,
        n_threads: int,
    ) -> None:
        self._checkpoint, self._config = checkpoint, checkpoint.config
        self._file, self._source = file, source
        self._reporter, self._name = reporter, name
        self._pool, self._n_threads = pool, n_threads
        self._shapes = tensor_shapes(self._config)

    def run(self) -> None:
        checkpoint = self._checkpoint
        content, path = checkpoint.tokenizer_json, checkpoint.tokenizer_path
        token_ids = calibration_tokens(PythiaTokenizer(path, content=content), self._config)
        writer = Int8Writer(
            self._file,
            self._config,
            self._source,
            hashlib.sha256(content).hexdigest(),
            calibration_metadata(token_ids),
        )
        label = f"quantizing {self._name}"
        with self._reporter.task(label, n_parameters(checkpoint), "weights") as task:
            rest = self._write_matrices(writer, task)
        self._file.flush()
        # Not in a `with`: after an error, which would be lost, arrays still refer to the map.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        tensors = {**self._written(mapped, writer), **rest}
        means = mean_inputs(_Weights(self._config, tensors), token_ids, self._n_threads)
        n_weights = sum(math.prod(self._shapes[f"{one.name}.weight"][1]) for one in CALIBRATED)
        label = f"calibrating {self._name}"
        with self._reporter.task(label, n_weights, "weights") as task:
            for module in CALIBRATED:
                rest |= self._corrected(module, means[module.name], tensors, task)
        del tensors
        mapped.close()
        for name in self._shapes:
            if name in rest:
                writer.write_tensor(name, [rest[name]])
        writer.finish()

    def _published(self, module: Module, part: str) -> list[str]:
        return module.published_names(part, self._config)

    def _write_matrices(self, writer: Int8Writer, task: Task) -> _Arrays:
        """Write the int8 matrices. Returns the tensors that come after them, but BYTE_PARTS."""
        rest: _Arrays = {}
        for module in MODULES:
            if module.is_matrix:
                shape = self._shapes[f"{module.name}.scales"][1]
                scales = rest[f"{module.name}.scales"] = np.empty(shape, np.float32)
                writer.write_tensor(f"{module.name}.weight", self._matrix(module, scales, task))
        for module in MODULES:
            for part in module.published_parts[module.is_matrix :]:
                values = [self._checkpoint.tensor(name) for name in self._published(module, part)]
                shape = module.stacked_shape(part, self._config)
                rest[f"{module.name}.{part}"] = np.reshape(values, shape)
                task.advance(math.prod(shape))
        return rest

    def _matrix(
        self, module: Module, scales: np.ndarray[Any, Any], task: Task
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the matrix in blocks of rows, and write their scales."""
        flat, at = scales.reshape(-1), 0
        for q, row_scales in _in_order(self._pool, self._quantized, self._blocks(module)):
            flat[at : at + len(q)] = row_scales
            at += len(q)
            yield q
            task.advance(q.size)

    def _quantized(
        self, layer: int, tensor: str, lo: int, hi: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        return quantize_matrix(self._checkpoint.rows(tensor, lo, hi))

    def _blocks(self, module: Module) -> Iterator[tuple[int, str, int, int]]:
        """Yield layer, name and rows of each block of a published matrix."""
        d_out, d_in = module.weight_shape(self._config)
        step = max(_BLOCK // d_in, 1)
        for layer, tensor in enumerate(self._published(module, "weight")):
            for lo in range(0, d_out, step):
                yield layer, tensor, lo, min(lo + step, d_out)

    def _written(self, mapped: mmap.mmap, writer: Int8Writer) -> _Arrays:
        """The matrices in the file."""
        return {
            name: np.frombuffer(mapped, np.int8, math.prod(self._shapes[name][1]), offset).reshape(
                self._shapes[name][1]
            )
            for name, offset in writer.offsets.items()
        }

    def _corrected(
        self, module: Module, means: np.ndarray[Any, Any], tensors: _Arrays, task: Task
    ) -> _Arrays:
        """The corrected bias of a module and, for a linear, its BYTE_PARTS."""
        q, scales = (tensors[f"{module.name}.{part}"] for part in ("weight", "scales"))
        bias = tensors.get(f"{module.name}.bias", np.zeros_like(scales))
        if not module.in_layers:
            q, scales, bias = q[None], scales[None], bias[None]
        found = {
            "bias": np.empty_like(bias),
            "centred_bias": np.empty_like(bias),
            "row_sums": np.empty(bias.shape, np.int32),
        }

        def correct(layer: int, tensor: str, lo: int, hi: int) -> int:
            rows = slice(lo, hi)
            w = np.ascontiguousarray(self._checkpoint.rows(tensor, lo, hi), np.float32)
            compiled.call(
                "correct_bias",
                w=w, q=q[layer, rows], scales=scales[layer, rows], mean=means[layer],
                bias=bias[layer, rows], error=np.empty(w.shape[1], np.float32),
                corrected=found["bias"][layer, rows],
                centred=found["centred_bias"][layer, rows],
                row_sums=found["row_sums"][layer, rows], lo=0, hi=hi - lo,
            )  # fmt: skip
            return w.size

        for n in _in_order(self._pool, correct, self._blocks(module)):
            task.advance(n)
        means = _kept_finite(bias, found, means)
        if not module.in_layers:
            return {f"{module.name}.bias": found["bias"][0]}
        parts = {"bias": found["bias"], "centre": means, **found}
        return {f"{module.name}.{part}": parts[part] for part in ("bias", *BYTE_PARTS)}


def _kept_finite(
    bias: np.ndarray[Any, Any], found: _Arrays, means: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Undo the correction of layers where it overflows. Returns their means as zeros."""
    both = np.isfinite(found["bias"]) & np.isfinite(found["centred_bias"])
    is_finite = both.all(axis=1, keepdims=True)
    for part in ("bias", "centred_bias"):
        found[part] = np.where(is_finite, found[part], bias)
    return np.where(is_finite, means, np.float32(0))


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


def n_parameters(checkpoint: FloatCheckpoint) -> int:
    """The number of values that a float checkpoint has: the total of progress."""
    config = checkpoint.config
    return sum(
        math.prod(module.stacked_shape(part, config))
        for module in MODULES
        for part in module.published_parts
    )
