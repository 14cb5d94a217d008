"""A .npz that is written array by array."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest

from pythia_cli.files.npz import NpzWriter

ARRAYS = {"step0/a.weight": np.arange(5.0), "b": np.zeros((2, 0)), "texts": np.array(["é", "bc"])}


def write(path: Path) -> bytes:
    with path.open("wb") as file, NpzWriter(file) as arrays:
        for name, values in ARRAYS.items():
            arrays.add(name, values)
    return path.read_bytes()


def test_numpy_reads_it_and_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    first = write(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert list(found) == list(ARRAYS)
        for name, values in ARRAYS.items():
            assert found[name].dtype == values.dtype
            assert np.array_equal(found[name], values)
    os.utime(tmp_path / "a.npz", (0, 0))
    assert write(tmp_path / "b.npz") == first


def test_objects_are_not_written(tmp_path: Path) -> None:
    def add(file: BinaryIO) -> None:
        with NpzWriter(file) as arrays:
            arrays.add("a", np.array([{}]))

    with (tmp_path / "a.npz").open("wb") as file, pytest.raises(ValueError, match="Object arrays"):
        add(cast(BinaryIO, file))


def test_after_an_error_nothing_more_is_written(tmp_path: Path) -> None:
    def fail(file: BinaryIO) -> None:
        with NpzWriter(file) as arrays:
            arrays.add("a", np.zeros(3))
            raise KeyboardInterrupt

    with (tmp_path / "a.npz").open("wb") as file:
        with pytest.raises(KeyboardInterrupt):
            fail(cast(BinaryIO, file))
        size = file.tell()
    assert (tmp_path / "a.npz").stat().st_size == size
    assert b"PK\x05\x06" not in (tmp_path / "a.npz").read_bytes()
