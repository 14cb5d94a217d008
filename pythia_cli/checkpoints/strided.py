"""Float tensors in a file: where their values lie, and how to read some rows of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.files.safetensors_layout import TensorPlace

FLOATS = ("F16", "BF16", "F32")
_STORED: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"),
}


@dataclass(frozen=True)
class StridedPlace:
    """A tensor: dtype as safetensors spells it, shape, strides in items, and offset in bytes."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @property
    def span(self) -> int:
        """The number of items from its first to its last."""
        return _span(self.shape, self.strides)


def contiguous(place: TensorPlace) -> StridedPlace:
    """The place of a safetensors tensor."""
    strides = [*accumulate(reversed(place.shape[1:]), mul, initial=1)][::-1]
    n_axes = len(place.shape)
    return StridedPlace(place.dtype, place.shape, tuple(strides[:n_axes]), place.offset)


def read_float32(path: Path, place: StridedPlace, lo: int, hi: int | None) -> np.ndarray[Any, Any]:
    """Rows lo..hi of a tensor as float32; all rows from lo if hi is None.

    place: its dtype is one of FLOATS. Returns a flat array of other length if the file ends too
    soon. Raises OSError.
    """
    n_rows = len(range(*slice(lo, hi).indices(place.shape[0])))
    shape = (n_rows, *place.shape[1:])
    stored = _STORED[place.dtype]
    start = place.offset + lo * place.strides[0] * stored.itemsize
    n_items = _span(shape, place.strides)
    values = np.fromfile(path, stored, n_items, offset=start)
    if len(values) < n_items:
        return values
    in_bytes = tuple(stride * stored.itemsize for stride in place.strides)
    values = np.lib.stride_tricks.as_strided(values, shape, in_bytes)
    if place.dtype == "BF16":
        # bfloat16 is the upper half of a float32.
        bits = values.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    return values.astype(np.float32, copy=False)


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
