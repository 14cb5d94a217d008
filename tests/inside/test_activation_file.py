"""Tensors written row by row, in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pythia_cli.inside.activation_file import NpyWriter, SafetensorsWriter


def test_safetensors_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    rng = np.random.default_rng(0)
    values = {
        "one": rng.standard_normal((5, 2, 3)).astype(np.float32),
        "two/0": rng.standard_normal((4, 4)).astype(np.float16),
        "ids": np.arange(7),
        "none": np.empty((0, 3), np.float32),
    }
    with path.open("wb") as file:
        shapes = {name: (v.dtype.name, v.shape) for name, v in values.items()}
        writer = SafetensorsWriter(file, shapes, {"what": "a test, ü"})
        writer.write("ids", values["ids"])
        writer.write("one", values["one"][3:], 3)
        writer.write("none", values["none"])
        writer.write("two/0", values["two/0"])
        writer.write("one", values["one"][:3])
    found = load_file(path)
    assert path.read_bytes().startswith(writer.header)
    assert set(found) == set(values)
    for name, expected in values.items():
        assert (found[name].dtype, found[name].tolist()) == (expected.dtype, expected.tolist())


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_npy_in_any_order(tmp_path: Path, dtype: str) -> None:
    path, values = tmp_path / "a.npy", np.arange(24).reshape(4, 2, 3).astype(dtype)
    with path.open("wb") as file:
        writer = NpyWriter(file, "one", dtype, values.shape)
        writer.write("one", values[2:], 2)
        writer.write("two", values)
        writer.write("one", values[:2])
    assert (np.load(path) == values).all()
    assert np.load(path).dtype == dtype
