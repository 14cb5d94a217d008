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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pythia_cli.checkpoints.blocks import Blocks
from pythia_cli.checkpoints.calibrate import (
    CALIBRATED,
    calibrate,
    calibration_metadata,
    calibration_tokens,
)
from pythia_cli.checkpoints.last_matrix import UNEMBEDDING, LastMatrix, stand_in
from pythia_cli.checkpoints.rows import (
    correct_bias,
    kept_finite,
    quantize_matrix,
    room_for_biases,
)
from pythia_cli.files.huge_pages import HUGE_PAGE
from pythia_cli.files.publishing import fsync, open_to_write
from pythia_cli.reporting import SILENT, Reporter, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module
from pythia_cli.system.background import background
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_layout import BYTE_PARTS, tensor_shapes
from pythia_cli.weights.int8_writer import Int8Writer
from pythia_cli.weights.source import Source

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
    with (
        ThreadPoolExecutor(n_threads, "pythia-quantize") as pool,
        open_to_write(path, exclusive=True, buffering=HUGE_PAGE) as file,
    ):
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
        self._n_threads = n_threads
        self._blocks = Blocks(checkpoint, pool)
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
        n_last = math.prod(self._shapes[f"{UNEMBEDDING.name}.weight"][1])
        label = f"quantizing {self._name}"
        with self._reporter.task(label, n_parameters(checkpoint) - n_last, "weights") as task:
            rest = self._write_matrices(writer, task)
        self._file.flush()
        # Most of it reaches the disk while the rest is computed.
        on_disk = background(lambda: fsync(self._file.fileno()), "pythia-fsync")
        # Not in a `with`: after an error, which would be lost, arrays still refer to the map.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        tensors = {**self._written(mapped, writer), **rest, **stand_in(self._shapes)}
        model = _Weights(self._config, tensors)
        found = calibrate(model, token_ids, self._n_threads)
        last = LastMatrix(self._blocks, self._shapes, found)
        n_weights = sum(math.prod(self._shapes[f"{one.name}.weight"][1]) for one in CALIBRATED)
        label = f"calibrating {self._name}"
        with self._reporter.task(label, n_weights, "weights") as task:
            for module in CALIBRATED:
                if module.in_layers:
                    rest |= self._corrected(module, found.means[module.name], tensors, task)
            del model, tensors
            with contextlib.suppress(BufferError):  # if a thread of the pool still has an array
                mapped.close()
            rest |= last.write(writer, task)
        for name in self._shapes:
            if name in rest:
                writer.write_tensor(name, [rest[name]])
        on_disk.result()
        writer.finish()

    def _write_matrices(self, writer: Int8Writer, task: Task) -> _Arrays:
        """Write the int8 matrices but the unembedding, which is the last.

        Returns the tensors that come after them, but BYTE_PARTS and those of the unembedding.
        """
        rest: _Arrays = {}
        for module in MODULES:
            if module.is_matrix and module is not UNEMBEDDING:
                shape = self._shapes[f"{module.name}.scales"][1]
                scales = rest[f"{module.name}.scales"] = np.empty(shape, np.float32)
                writer.write_tensor(f"{module.name}.weight", self._matrix(module, scales, task))
        for module in MODULES:
            for part in module.published_parts[module.is_matrix :]:
                names = module.published_names(part, self._config)
                shape = module.stacked_shape(part, self._config)
                values = [self._checkpoint.tensor(name) for name in names]
                rest[f"{module.name}.{part}"] = np.reshape(values, shape)
                task.advance(math.prod(shape))
        return rest

    def _matrix(
        self, module: Module, scales: np.ndarray[Any, Any], task: Task
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the matrix in blocks of rows, and write their scales."""
        flat, at = scales.reshape(-1), 0
        for q, row_scales in self._blocks.map(module, lambda w, *_: quantize_matrix(w)):
            flat[at : at + len(q)] = row_scales
            at += len(q)
            yield q
            task.advance(q.size)

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
        """The corrected biases of a linear of all layers, and its BYTE_PARTS."""
        q, scales, bias = (
            tensors[f"{module.name}.{part}"] for part in ("weight", "scales", "bias")
        )
        found = room_for_biases(bias)

        def correct(w: np.ndarray[Any, Any], layer: int, rows: slice) -> int:
            correct_bias(
                w, q[layer, rows], scales[layer, rows], means[layer], bias[layer, rows],
                {part: values[layer, rows] for part, values in found.items()},
            )  # fmt: skip
            return w.size

        for n in self._blocks.map(module, correct):
            task.advance(n)
        means = kept_finite(bias, found, means)
        parts = {"bias": found["bias"], "centre": means, **found}
        return {f"{module.name}.{part}": parts[part] for part in ("bias", *BYTE_PARTS)}


def n_parameters(checkpoint: FloatCheckpoint) -> int:
    """The number of values that a float checkpoint has."""
    config = checkpoint.config
    return sum(
        math.prod(module.stacked_shape(part, config))
        for module in MODULES
        for part in module.published_parts
    )
