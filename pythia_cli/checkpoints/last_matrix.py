"""Quantizes the unembedding, which is the last: what its inputs are is known by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pythia_cli.checkpoints.blocks import Blocks
from pythia_cli.checkpoints.calibrate import Calibration
from pythia_cli.checkpoints.feedback import feedback_of
from pythia_cli.checkpoints.rows import (
    correct_bias,
    kept_finite,
    quantize_with_feedback,
    room_for_biases,
)
from pythia_cli.reporting import Task
from pythia_cli.suite.parameters import MODULES
from pythia_cli.system.background import background
from pythia_cli.weights.int8_layout import DTYPES
from pythia_cli.weights.int8_writer import Int8Writer

UNEMBEDDING = MODULES[-1]

_Arrays = dict[str, np.ndarray[Any, Any]]
_Shapes = Mapping[str, tuple[str, tuple[int, ...]]]


def stand_in(shapes: _Shapes) -> _Arrays:
    """One row of zeros in its place: it has inputs to be measured, and logits that nobody reads."""
    return {
        f"{UNEMBEDDING.name}.{part}": np.zeros((1, *shape[1:]), DTYPES[dtype])
        for part in ("weight", "scales")
        for dtype, shape in [shapes[f"{UNEMBEDDING.name}.{part}"]]
    }


class LastMatrix:
    """The unembedding of a checkpoint."""

    def __init__(self, blocks: Blocks, shapes: _Shapes, found: Calibration) -> None:
        self._blocks, self._shapes = blocks, shapes
        self._mean = found.means[UNEMBEDDING.name][0]
        self._feedback = background(lambda: feedback_of(found.unembedded), "pythia-feedback")

    def write(self, writer: Int8Writer, task: Task) -> _Arrays:
        """Write its weights. Returns its scales and bias."""
        name, feedback = UNEMBEDDING.name, self._feedback.result()
        scales, bias = (
            np.zeros(self._shapes[f"{name}.{part}"][1], np.float32) for part in ("scales", "bias")
        )
        found = room_for_biases(bias)

        def rounded(w: np.ndarray[Any, Any], layer: int, rows: slice) -> np.ndarray[Any, Any]:
            q, scales[rows] = quantize_with_feedback(w, feedback)
            parts = {part: values[rows] for part, values in found.items()}
            correct_bias(w, q, scales[rows], self._mean, bias[rows], parts)
            return q

        def pieces() -> Iterator[np.ndarray[Any, Any]]:
            for q in self._blocks.map(UNEMBEDDING, rounded):
                yield q
                task.advance(q.size)

        writer.write_tensor(f"{name}.weight", pieces())
        layers = {part: values[None] for part, values in found.items()}
        kept_finite(bias[None], layers, self._mean[None])
        return {f"{name}.scales": scales, f"{name}.bias": layers["bias"][0]}
