"""Blocks of rows of a float checkpoint's matrices, worked on by a pool of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from pythia_cli.checkpoints.rows import widened
from pythia_cli.kernels.sizes import FEEDBACK_ROWS
from pythia_cli.suite.parameters import Module
from pythia_cli.weights.float_checkpoint import FloatCheckpoint

_T = TypeVar("_T")
_WEIGHTS = 1 << 20  # in a block. Smaller ones take more time: each is four calls from Python
_AHEAD = 8  # blocks that may be done before they are asked for


class Blocks:
    """The matrices of a checkpoint in blocks of rows."""

    def __init__(self, checkpoint: FloatCheckpoint, pool: ThreadPoolExecutor) -> None:
        self._checkpoint, self._pool = checkpoint, pool

    def map(
        self, module: Module, work: Callable[[np.ndarray[Any, Any], int, slice], _T]
    ) -> Iterator[_T]:
        """work(w, layer, rows) for all blocks w [n, d_in] float32, in the order of the int8 file.

        rows: those of the layer's matrix. The pool is up to _AHEAD blocks ahead.
        """

        def done(layer: int, tensor: str, lo: int, hi: int) -> _T:
            w = self._checkpoint.rows(tensor, lo, hi, widened)
            return work(np.ascontiguousarray(w, np.float32), layer, slice(lo, hi))

        ahead: deque[Future[_T]] = deque()
        try:
            for block in self._blocks(module):
                ahead.append(self._pool.submit(done, *block))
                if len(ahead) > _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def _blocks(self, module: Module) -> Iterator[tuple[int, str, int, int]]:
        """Yield layer, name and rows of each block of a published matrix."""
        config = self._checkpoint.config
        d_out, d_in = module.weight_shape(config)
        step = max(_WEIGHTS // d_in // FEEDBACK_ROWS, 1) * FEEDBACK_ROWS
        for layer, tensor in enumerate(module.published_names("weight", config)):
            for lo in range(0, d_out, step):
                yield layer, tensor, lo, min(lo + step, d_out)
