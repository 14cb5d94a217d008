"""Where tensors lie in a safetensors file, and what is no whole one."""

from __future__ import annotations

import errno
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from pythia_cli.errors import IntegrityError
from pythia_cli.files import safetensors_layout
from pythia_cli.files.safetensors_layout import ITEM_SIZES, read_layout

ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.arange(5, dtype=np.int8),
    "half": np.ones((2, 2, 2), np.float16),
    "none": np.zeros((0, 4), np.float32),
}


def assemble(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_places_hold_the_tensors_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(ARRAYS, path, metadata={"made": "here"})
    layout, data = read_layout(path), path.read_bytes()
    assert layout.metadata == {"made": "here"}
    assert data[8:].startswith(layout.header)
    assert json.loads(layout.header)["a"]["shape"] == [5]
    assert set(layout.tensors) == set(ARRAYS)
    for name, array in ARRAYS.items():
        place = layout.tensors[name]
        assert place.shape == array.shape
        assert data[place.offset : place.offset + place.n_bytes] == array.tobytes()
    offsets = [place.offset for place in layout.tensors.values()]
    assert offsets == sorted(offsets)


def test_a_file_without_metadata_has_none(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(assemble({"a": entry([2], 0, 8)}, bytes(8)))
    assert read_layout(path).metadata == {}


def test_metadata_that_is_null_is_none(tmp_path: Path) -> None:
    """The library lets it pass."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(assemble({"__metadata__": None, "a": entry([2], 0, 8)}, bytes(8)))
    assert read_layout(path).metadata == {}


@pytest.mark.parametrize("dtype", ITEM_SIZES)
def test_item_sizes_are_the_formats(tmp_path: Path, dtype: str) -> None:
    """The library itself refuses a tensor whose bytes are not those of its shape."""
    path, n_bytes = tmp_path / "x.safetensors", 3 * ITEM_SIZES[dtype]
    path.write_bytes(assemble({"a": entry([3], 0, n_bytes, dtype)}, bytes(n_bytes)))
    assert read_layout(path).tensors["a"].n_bytes == n_bytes
    path.write_bytes(assemble({"a": entry([3], 0, n_bytes + 1, dtype)}, bytes(n_bytes + 1)))
    with pytest.raises(IntegrityError):
        read_layout(path)


BROKEN = {
    "empty": b"",
    "seven bytes": bytes(7),
    "no header": struct.pack("<Q", 0),
    "a header past the end": assemble({}, length=1000),
    "a header of many megabytes": assemble(b"{" + b" " * (9 << 20) + b"}"),
    "a key that appears twice": assemble(
        b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a": 3}'
    ),
    "a header past all bounds": assemble({}, length=2**63),
    "no JSON": assemble(b"{not json}"),
    "no UTF-8": assemble(b"\xff\xff"),
    "a list": assemble([]),
    "a number": assemble(b"3"),
    "nested without end": assemble(b"[" * 100_000),
    "an entry that is none": assemble({"a": 3}),
    "an entry without a shape": assemble({"a": {"dtype": "F32", "data_offsets": [0, 0]}}),
    "a dtype of no name": assemble({"a": entry([1], 0, 4, "F33")}, bytes(4)),
    "metadata of numbers": assemble({"__metadata__": {"a": 1}}),
    "less data": assemble({"a": entry([2], 0, 8)}, bytes(7)),
    "more data": assemble({"a": entry([2], 0, 8)}, bytes(9)),
    "a hole": assemble({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    "an overlap": assemble({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "offsets backwards": assemble({"a": entry([1], 4, 0)}, bytes(4)),
    "a negative shape": assemble({"a": entry([-1], 0, 4)}, bytes(4)),
    "a shape past all bounds": assemble({"a": entry([2**62, 2**62], 0, 4)}, bytes(4)),
    "a pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x03.",
    "a web page": b"<!DOCTYPE html><html><body>Not Found</body></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_whole_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(BROKEN[what])
    with pytest.raises(IntegrityError, match=r"x\.safetensors") as refused:
        read_layout(path)
    assert refused.value.path == path


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(ARRAYS, path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(IntegrityError):
            read_layout(path)


def test_what_prevents_opening_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The library reports a file as missing if the process has too many open."""
    path = tmp_path / "x.safetensors"
    save_file(ARRAYS, path)

    def no_more(*arguments: object, **more: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    def missing(*arguments: object, **more: object) -> None:
        monkeypatch.setattr(Path, "open", no_more)
        raise FileNotFoundError(f"No such file or directory: {path}")

    monkeypatch.setattr(safetensors_layout, "safe_open", missing)
    with pytest.raises(OSError, match="Too many open files"):
        read_layout(path)
