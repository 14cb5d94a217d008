"""The header of a .npy file of numbers."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import InputError


class NpyHeader(NamedTuple):
    """What a .npy file holds, and the bytes of its header."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    n_bytes: int


def npy_header(beginning: bytes, name: str) -> NpyHeader:
    """The header of the file that begins so. name: of the file. Raises InputError."""
    stream = io.BytesIO(beginning)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, is_fortran, dtype = read[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # numpy raises many kinds, such as those of tokenize
        raise InputError(name, "is not a .npy file of an array of numbers") from error
    return NpyHeader(shape, is_fortran, dtype, stream.tell())
