"""The files that activations are written to: safetensors, or .npy for one activation.

Sizes are known before anything is run, so values are written to their places as they are computed.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np

from pythia_cli.engine.activation_names import Activation
from pythia_cli.inside.problems import TooManyTensors
from pythia_cli.inside.selection import Selection
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]

_DTYPES = {"int64": "I64", "float32": "F32", "float16": "F16"}
_LONGEST_HEADER = 100_000_000
"""bytes: the safetensors library reads no longer ones."""

SUFFIXES = (".safetensors", ".npy")


@dataclass(frozen=True)
class Shapes:
    """The tensors of texts of n_tokens[i] tokens, in the order of the file.

    Activations with a row for each position are one tensor: rows of the first text, then those of
    the second. Attention scores and patterns are a tensor NAME/i for each text i. `token_ids`
    [n_tokens in all], `positions` [n_rows in all], and where those of each text begin:
    `token_offsets` and `row_offsets` [n_texts + 1].
    """

    config: ModelConfig
    selection: Selection
    n_tokens: _Array

    @property
    def token_offsets(self) -> _Array:
        """[n_texts + 1] int64."""
        return np.cumsum([0, *self.n_tokens.tolist()])

    @property
    def row_offsets(self) -> _Array:
        """[n_texts + 1] int64."""
        positions = self.selection.positions
        if positions is None:
            return self.token_offsets
        return np.arange(len(self.n_tokens) + 1) * len(positions)

    def tensors(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """dtype and shape of each, by name."""
        n_texts, n_rows = len(self.n_tokens), int(self.row_offsets[-1])
        found: dict[str, tuple[str, tuple[int, ...]]] = {
            "token_ids": ("int64", (int(self.token_offsets[-1]),)),
            "token_offsets": ("int64", (n_texts + 1,)),
            "positions": ("int64", (n_rows,)),
            "row_offsets": ("int64", (n_texts + 1,)),
        }
        for name, activation in self.selection.activations.items():
            if is_by_text(activation):
                for text, n in enumerate(self.n_tokens.tolist()):
                    shape = self.selection.shape(self.config, activation, n)
                    found[f"{name}/{text}"] = (self.selection.dtype, shape)
            else:
                shape = (n_rows, *self.selection.shape(self.config, activation, 1)[1:])
                found[name] = (self.selection.dtype, shape)
        return found


def is_by_text(activation: Activation) -> bool:
    """Whether it has another shape for each text: attention, whose keys are all of the text."""
    return "key" in activation.axes


class SafetensorsWriter:
    """Writes tensors of known shapes, row by row, in any order. header: as it is in the file.

    Raises TooManyTensors.
    """

    def __init__(
        self,
        file: BinaryIO,
        tensors: Mapping[str, tuple[str, tuple[int, ...]]],
        metadata: Mapping[str, str],
    ) -> None:
        self._file, self._tensors = file, tensors
        entries: dict[str, Any] = {"__metadata__": dict(metadata)}
        self._places: dict[str, int] = {}
        end = 0
        for name, (dtype, shape) in tensors.items():
            self._places[name] = end
            end += prod(shape) * np.dtype(dtype).itemsize
            entries[name] = {
                "dtype": _DTYPES[dtype],
                "shape": list(shape),
                "data_offsets": [self._places[name], end],
            }
        text = json.dumps(entries, ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        if len(text) > _LONGEST_HEADER:
            raise TooManyTensors(len(tensors))
        self.header = struct.pack("<Q", len(text)) + text
        file.write(self.header)
        file.truncate(len(self.header) + end)

    def write(self, name: str, values: _Array, first: int = 0) -> None:
        """Write values [n, ...] as the rows of a tensor from `first` on."""
        dtype, shape = self._tensors[name]
        data = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
        at = self._places[name] + first * prod(shape[1:]) * data.itemsize
        self._file.seek(len(self.header) + at)
        self._file.write(data.data.cast("B") if data.size else b"")


class NpyWriter:
    """Writes the tensor `name` to a .npy file, and leaves out all others."""

    def __init__(self, file: BinaryIO, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        self._file, self._name, self._shape = file, name, shape
        stream = io.BytesIO()
        self._dtype = np.dtype(dtype).newbyteorder("<")
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, described)
        self.header = stream.getvalue()
        file.write(self.header)
        file.truncate(len(self.header) + prod(shape) * self._dtype.itemsize)

    def write(self, name: str, values: _Array, first: int = 0) -> None:
        """Write values [n, ...] as the rows of a tensor from `first` on."""
        if name != self._name:
            return
        data = np.ascontiguousarray(values, self._dtype)
        self._file.seek(len(self.header) + first * prod(self._shape[1:]) * data.itemsize)
        self._file.write(data.data.cast("B") if data.size else b"")
