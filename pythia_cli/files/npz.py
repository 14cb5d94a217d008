"""A .npz file, written array by array."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO

import numpy as np


class NpzWriter:
    """Writes arrays into an open file, as numpy.savez does; the same bytes for the same arrays.

    A context manager: leaving it without an error completes the file. One array is in memory at a
    time. Raises OSError.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def add(self, name: str, values: np.ndarray[Any, Any]) -> None:
        """Write an array of numbers or texts; numpy.load finds it by its name, each given once."""
        # Opened by its name, a member has no time of today.
        with self._zip.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, values, allow_pickle=False)

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None:
            self._zip.close()
        else:
            # Otherwise it writes the directory of the archive when it is freed.
            self._zip.fp = None
