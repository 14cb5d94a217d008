"""Packs a kernel's arguments into 64-bit words, as compile.py reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pythia_cli.jit.signature import ArgumentType, ArrayType, Signature


class Arguments:
    """The arguments of one kernel, by name. Keeps a reference to each array.

    A structure is a mapping or a NamedTuple with the fields of the signature, in any order. Raises
    TypeError if a name is missing or unknown, or if an array has another type than the signature.
    """

    def __init__(self, signature: Signature, values: Mapping[str, Any]) -> None:
        _check_names(signature, values)
        self._signature = signature
        self._values = dict(values)
        self._starts: dict[str, int] = {}
        words: list[int] = []
        for name, kind in signature.items():
            self._starts[name] = len(words)
            words += _words(kind, values[name])
        self._words = np.array(words, np.int64)
        self.address = self._words.ctypes.data

    def replace(self, name: str, value: Any) -> None:
        """Set one argument. Raises TypeError if the array has another type."""
        if value is self._values[name]:
            return
        words = list(_words(self._signature[name], value))
        start = self._starts[name]
        self._values[name] = None  # if an interrupt comes now, the next call writes the words
        self._words[start : start + len(words)] = words
        self._values[name] = value


def _check_names(signature: Signature, values: Mapping[str, Any]) -> None:
    if values.keys() != signature.keys():
        raise TypeError(f"arguments {', '.join(values)}; expected {', '.join(signature)}")


def _words(kind: ArgumentType, value: Any) -> Iterator[int]:
    """The 64-bit words of one argument: a number, an array's address and shape, or all fields."""
    if isinstance(kind, ArrayType):
        array: dict[str, Any] = value.__array_interface__
        if (
            array["typestr"][0] == ">"
            or array["typestr"][1:] != kind.dtype
            or len(value.shape) != kind.n_axes
            or not (value.flags.c_contiguous and value.flags.aligned)
        ):
            raise TypeError(f"{value.dtype} {value.shape} in place of {kind}")
        yield array["data"][0]
        yield from value.shape
    elif kind == "int":
        yield int(value)
    elif kind == "float":
        yield struct.unpack("<q", struct.pack("<d", value))[0]
    elif isinstance(kind, Mapping):
        fields = value if isinstance(value, Mapping) else value._asdict()
        _check_names(kind, fields)
        for name, inner in kind.items():
            yield from _words(inner, fields[name])
