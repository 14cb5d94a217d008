"""Quantizes float tensors to an int8 file: symmetric, with one scale for each row of a matrix.

Then the model is run on a short text. The biases of its linears are corrected for the mean inputs
that are found: the float tensors of the linears are read a second time. The unembedding comes last:
its rounding, too, takes into account what was found.
"""

from __future__ import annotations

import contextlib
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
    calibrate,
    calibration_metadata,
    calibration_tokens,
)
from pythia_cli.checkpoints.feedback import feedback_of
from pythia_cli.checkpoints.rows import (
    correct_bias,
    kept_finite,
    quantize_matrix,
    quantize_with_feedback,
    room_for_biases,
    widened,
)
from pythia_cli.kernels.sizes import FEEDBACK_ROWS
from pythia_cli.reporting import SILENT, Reporter, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_layout import BYTE_PARTS, DTYPES, tensor_shapes
from pythia_cli.weights.int8_writer import Int8Writer
from pythia_cli.weights.source import Source

_T = TypeVar("_T")
_BLOCK = 1 << 18  # weights that a thread quantizes at a time; as float32 they fit in its cache
_UNEMBEDDING = MODULES[-1]
_AHEAD = 16  # blocks that may be quantized before they are written


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
        token_ids = calibration_tokens(checkpoint.tokenizer, self._config)
        writer = Int8Writer(
            self._file,
            self._config,
            self._source,
            hashlib.sha256(checkpoint.tokenizer_json).hexdigest(),
            calibration_metadata(token_ids),
        )
        n_last = math.prod(self._shapes[f"{_UNEMBEDDING.name}.weight"][1])
        label = f"quantizing {self._name}"
        with self._reporter.task(label, n_parameters(checkpoint) - n_last, "weights") as task:
            rest = self._write_matrices(writer, task)
        self._file.flush()
        # Not in a `with`: after an error, which would be lost, arrays still refer to the map.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        tensors = {**self._written(mapped, writer), **rest, **self._no_unembedding()}
        model = _Weights(self._config, tensors)
        means, unembedded = calibrate(model, token_ids, self._n_threads)
        feedback = self._pool.submit(feedback_of, unembedded)
        n_weights = sum(math.prod(self._shapes[f"{one.name}.weight"][1]) for one in CALIBRATED)
        label = f"calibrating {self._name}"
        with self._reporter.task(label, n_weights, "weights") as task:
            for module in CALIBRATED:
                if module.in_layers:
                    rest |= self._corrected(module, means[module.name], tensors, task)
            del model, tensors
            with contextlib.suppress(BufferError):  # if a thread of the pool still has an array
                mapped.close()
            mean = means[_UNEMBEDDING.name][0]
            rest |= self._write_unembedding(writer, mean, feedback.result(), task)
        for name in self._shapes:
            if name in rest:
                writer.write_tensor(name, [rest[name]])
        writer.finish()

    def _published(self, module: Module, part: str) -> list[str]:
        return module.published_names(part, self._config)

    def _write_matrices(self, writer: Int8Writer, task: Task) -> _Arrays:
        """Write the int8 matrices but the unembedding, which is the last.

        Returns the tensors that come after them, but BYTE_PARTS and those of the unembedding.
        """
        rest: _Arrays = {}
        for module in MODULES:
            if module.is_matrix and module is not _UNEMBEDDING:
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
        return quantize_matrix(self._rows(tensor, lo, hi))

    def _rows(self, tensor: str, lo: int, hi: int) -> np.ndarray[Any, Any]:
        rows = self._checkpoint.rows(tensor, lo, hi, widened)
        return np.ascontiguousarray(rows, np.float32)

    def _blocks(self, module: Module) -> Iterator[tuple[int, str, int, int]]:
        """Yield layer, name and rows of each block of a published matrix."""
        d_out, d_in = module.weight_shape(self._config)
        step = max(_BLOCK // d_in // FEEDBACK_ROWS, 1) * FEEDBACK_ROWS
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

    def _no_unembedding(self) -> _Arrays:
        """One row of zeros: it has inputs to be measured, and logits that nobody reads."""
        return {
            f"{_UNEMBEDDING.name}.{part}": np.zeros((1, *shape[1:]), DTYPES[dtype])
            for part in ("weight", "scales")
            for dtype, shape in [self._shapes[f"{_UNEMBEDDING.name}.{part}"]]
        }

    def _write_unembedding(
        self,
        writer: Int8Writer,
        mean: np.ndarray[Any, Any],
        feedback: np.ndarray[Any, Any],
        task: Task,
    ) -> _Arrays:
        """Write the unembedding, for inputs of this mean. Returns its scales and bias."""
        scales, bias = (
            np.zeros(self._shapes[f"{_UNEMBEDDING.name}.{part}"][1], np.float32)
            for part in ("scales", "bias")
        )
        found = room_for_biases(bias)

        def rounded(layer: int, tensor: str, lo: int, hi: int) -> np.ndarray[Any, Any]:
            w = self._rows(tensor, lo, hi)
            q, scales[lo:hi] = quantize_with_feedback(w, feedback)
            parts = {part: values[lo:hi] for part, values in found.items()}
            correct_bias(w, q, scales[lo:hi], mean, bias[lo:hi], parts)
            return q

        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            for q in _in_order(self._pool, rounded, self._blocks(_UNEMBEDDING)):
                yield q
                task.advance(q.size)

        writer.write_tensor(f"{_UNEMBEDDING.name}.weight", blocks())
        layers = {part: values[None] for part, values in found.items()}
        kept_finite(bias[None], layers, mean[None])
        corrected = layers["bias"][0]
        return {f"{_UNEMBEDDING.name}.scales": scales, f"{_UNEMBEDDING.name}.bias": corrected}

    def _corrected(
        self, module: Module, means: np.ndarray[Any, Any], tensors: _Arrays, task: Task
    ) -> _Arrays:
        """The corrected biases of a linear of all layers, and its BYTE_PARTS."""
        q, scales, bias = (
            tensors[f"{module.name}.{part}"] for part in ("weight", "scales", "bias")
        )
        found = room_for_biases(bias)

        def correct(layer: int, tensor: str, lo: int, hi: int) -> int:
            rows = slice(lo, hi)
            w = self._rows(tensor, lo, hi)
            correct_bias(
                w, q[layer, rows], scales[layer, rows], means[layer], bias[layer, rows],
                {part: values[layer, rows] for part, values in found.items()},
            )  # fmt: skip
            return w.size

        for n in _in_order(self._pool, correct, self._blocks(module)):
            task.advance(n)
        means = kept_finite(bias, found, means)
        parts = {"bias": found["bias"], "centre": means, **found}
        return {f"{module.name}.{part}": parts[part] for part in ("bias", *BYTE_PARTS)}


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
    """The number of values that a float checkpoint has."""
    config = checkpoint.config
    return sum(
        math.prod(module.stacked_shape(part, config))
        for module in MODULES
        for part in module.published_parts
    )
