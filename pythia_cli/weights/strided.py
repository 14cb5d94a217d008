"""Float tensors in a file: where their values lie, and how to read some rows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from operator import mul
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pythia_cli.errors import IntegrityError, ResourceError
from pythia_cli.files.safetensors_layout import TensorPlace

FLOATS = ("F16", "BF16", "F32")
_STORED: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"),
}

_INFINITY = {"F16": 0x7C00, "BF16": 0x7F80, "F32": 0x7F80_0000}
"""Its bits, but for the sign: those of NaN are larger, and all others smaller."""

Widen = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]

# A part of a tensor is read at once if it spans at most _DENSE items for each of its own, and
# _SMALL more: so memory is bounded by the tensor, and most are read at once.
_DENSE = 4
_SMALL = 1 << 18


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


def read_float32(
    path: Path,
    name: str,
    place: StridedPlace,
    lo: int = 0,
    hi: int | None = None,
    widen: Widen | None = None,
) -> np.ndarray[Any, Any]:
    """Rows lo..hi of the tensor `name` as float32; all rows from lo if hi is None.

    place: its dtype is one of FLOATS. widen: converts float16s; None: numpy does, ten times slower.
    Needs memory for the rows, not for what lies between their values in the file. Raises
    IntegrityError for NaN or infinity, or if the file ends too soon, and ResourceError.
    """
    n_rows = len(range(*slice(lo, hi).indices(place.shape[0])))
    start = place.offset + lo * place.strides[0] * _STORED[place.dtype].itemsize
    rows = replace(place, shape=(n_rows, *place.shape[1:]), offset=start)
    try:
        with path.open("rb") as file:
            values = _read(file, rows)
    except EOFError:
        raise IntegrityError(path, f"{name} ends too soon: the file has changed") from None
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    if what := _not_finite(values, place.dtype):
        raise IntegrityError(path, f"{name} holds {what} values")
    if place.dtype == "BF16":
        # bfloat16 is the upper half of a float32.
        bits = values.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    if place.dtype == "F16" and widen is not None:
        return widen(values)
    return values.astype(np.float32, copy=False)


def _not_finite(values: np.ndarray[Any, Any], dtype: str) -> str | None:
    """What a value is that is not finite: "NaN" or "infinite". None if all are."""
    # Their bits as two integers: far less time and memory than np.isfinite takes.
    size, infinity = values.dtype.itemsize, _INFINITY[dtype]
    bits, signed = values.view(f"<u{size}"), values.view(f"<i{size}")
    sign = 1 << (8 * size - 1)
    if signed.max(initial=0) < infinity and bits.max(initial=0) < sign | infinity:
        return None
    return "NaN" if ((bits & (sign - 1)) > infinity).any() else "infinite"


def _read(file: BinaryIO, place: StridedPlace) -> np.ndarray[Any, Any]:
    """All values as stored, with the place's shape."""
    stored = _STORED[place.dtype]
    if place.span <= _DENSE * prod(place.shape) + _SMALL:
        file.seek(place.offset)
        values = np.fromfile(file, stored, place.span)
        if len(values) < place.span:
            raise EOFError
        in_bytes = tuple(stride * stored.itemsize for stride in place.strides)
        return np.lib.stride_tricks.as_strided(values, place.shape, in_bytes)
    values = np.empty(place.shape, stored)
    axis = max(range(len(place.shape)), key=lambda i: (place.shape[i] - 1) * place.strides[i])
    n, stride = place.shape[axis], place.strides[axis]
    for lo, hi in ((0, n // 2), (n // 2, n)):
        shape = (*place.shape[:axis], hi - lo, *place.shape[axis + 1 :])
        part = replace(place, shape=shape, offset=place.offset + lo * stride * stored.itemsize)
        values[(slice(None),) * axis + (slice(lo, hi),)] = _read(file, part)
    return values


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
