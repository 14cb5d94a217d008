"""The int8 checkpoint file (docs/int8-file.md): safetensors, with tensors on 64-byte boundaries.

Written in one pass, and opened by mapping it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pythia_cli.errors import IntegrityError, InvalidValue, NewerFormat, NotFound, ResourceError
from pythia_cli.files.reading import parse_json_object
from pythia_cli.files.safetensors_layout import Layout, TensorPlace, read_layout
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module
from pythia_cli.weights.source import SHA256, Source

FORMAT = "pythia-int8"
FORMAT_VERSION = 1
QUANTIZATION = "int8-row-least-squares"
ALIGNMENT = 64

_DTYPES: dict[str, np.dtype[Any]] = {
    "I8": np.dtype("<i1"),
    "F32": np.dtype("<f4"),
    "U8": np.dtype("u1"),
}
_NO_HASH = "0" * 64


class Int8Tensor(NamedTuple):
    """A tensor of the file: which part of which module it is, its dtype and shape."""

    module: Module
    part: str
    dtype: str
    shape: tuple[int, ...]


def tensors_in_order(config: ModelConfig) -> dict[str, Int8Tensor]:
    """Every tensor by name, in the order of the file: the int8 matrices first, then the rest."""
    tensors = {}
    for module in MODULES:
        if module.is_matrix:
            shape = module.stacked_shape("weight", config)
            tensors[f"{module.name}.weight"] = Int8Tensor(module, "weight", "I8", shape)
    for module in MODULES:
        parts = module.published_parts
        for part in ("scales", *parts[1:]) if module.is_matrix else parts:
            shape = module.stacked_shape(part, config)
            tensors[f"{module.name}.{part}"] = Int8Tensor(module, part, "F32", shape)
    return tensors


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """dtype and shape of every tensor, in the order of the file."""
    tensors = tensors_in_order(config)
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


def data_bytes(config: ModelConfig) -> int:
    """The size of all tensors in bytes; the file is slightly larger."""
    return sum(
        prod(shape) * _DTYPES[dtype].itemsize for dtype, shape in tensor_shapes(config).values()
    )


class Int8Writer:
    """Writes an int8 file: call `write_tensor` for each tensor in the file's order, then `finish`.

    The header has the tensors' hashes, so `finish` writes it last.
    """

    def __init__(self, file: BinaryIO, config: ModelConfig, source: Source, tokenizer: str) -> None:
        self._file = file
        self._shapes = tensor_shapes(config)
        self._hashes = dict.fromkeys(self._shapes, _NO_HASH)
        self._metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "config": json.dumps(config.to_dict()),
            "source": json.dumps(source.to_dict()),
            "quantization": QUANTIZATION,
            "tokenizer_sha256": tokenizer,
        }
        self._file.write(bytes(len(self._header())))

    def write_tensor(self, name: str, pieces: Iterator[np.ndarray[Any, Any]]) -> None:
        """Write one tensor, given in pieces along its first axes."""
        dtype, shape = self._shapes[name]
        digest = hashlib.sha256()
        n_bytes = 0
        for piece in pieces:
            data = np.ascontiguousarray(piece, _DTYPES[dtype]).data.cast("B")
            digest.update(data)
            self._file.write(data)
            n_bytes += len(data)
        assert n_bytes == prod(shape) * _DTYPES[dtype].itemsize, name
        self._file.write(bytes(-n_bytes % ALIGNMENT))
        self._hashes[name] = digest.hexdigest()

    def finish(self) -> None:
        """Write the header at the start of the file."""
        self._file.seek(0)
        self._file.write(self._header())

    def _header(self) -> bytes:
        return _header_bytes(self._shapes, self._metadata, self._hashes)


def _header_bytes(
    shapes: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str],
    hashes: Mapping[str, str],
) -> bytes:
    """The header for these tensors: length, JSON, and spaces up to the 64-byte boundary.

    The same arguments always give the same bytes. The last metadata entry is the sha256 of the
    JSON without that entry.
    """
    entries: dict[str, Any] = {}
    offset = 0

    def add(name: str, dtype: str, shape: tuple[int, ...]) -> None:
        nonlocal offset
        n_bytes = prod(shape) * _DTYPES[dtype].itemsize
        entries[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + n_bytes],
        }
        offset += n_bytes

    for name, (dtype, shape) in shapes.items():
        add(name, dtype, shape)
        if padding := -offset % ALIGNMENT:
            add(f"_padding.{name}", "U8", (padding,))
    described = {**metadata, "tensors_sha256": json.dumps(dict(hashes))}
    digest = hashlib.sha256(json.dumps({"__metadata__": described, **entries}).encode()).hexdigest()
    text = json.dumps({"__metadata__": {**described, "header_sha256": digest}, **entries}).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


class Int8File:
    """A mapped int8 file: `config`, `source`, `quantization`, `tokenizer_sha256`, `tensors`.

    tensors: read-only arrays in the mapped file, by name. Opening checks format, version, sizes,
    shapes, the header's hash, and that scales, biases and norms are finite; but not the hashes of
    the weights (see `damaged_tensors`). Raises NotFound, IntegrityError, ResourceError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            before = path.stat()
            layout = read_layout(path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"{path} does not exist") from None
        except OSError as error:
            raise ResourceError(path, f"cannot be read ({error.strerror or error})") from error
        self._read_header(layout)
        self._places = layout.tensors
        self._map = _map_file(path, before)
        self.tensors = {name: self._view(self._places[name]) for name in self.tensors_sha256}
        self._check_values()

    def _read_header(self, layout: Layout) -> None:
        """Set all that the header says. It must be the one that we would write for the same."""
        path, metadata = self.path, layout.metadata
        _check_format(path, metadata)
        try:
            self.config = ModelConfig(**parse_json_object(metadata["config"]))
            self.source = Source.from_dict(parse_json_object(metadata["source"]))
            self.quantization = metadata["quantization"]
            self.tokenizer_sha256 = metadata["tokenizer_sha256"]
            self.header_sha256 = metadata["header_sha256"]
            self.tensors_sha256: dict[str, str] = parse_json_object(metadata["tensors_sha256"])
            shapes = tensor_shapes(self.config)
            written = {
                key: value
                for key, value in metadata.items()
                if key not in ("tensors_sha256", "header_sha256")
            }
            expected = _header_bytes(shapes, written, self.tensors_sha256)
        except KeyError as error:
            raise IntegrityError(path, f"damaged header: it has no {error}") from error
        except (TypeError, ValueError, InvalidValue) as error:
            raise IntegrityError(path, f"damaged header ({error})") from error
        if list(self.tensors_sha256) != list(shapes):
            reason = "damaged header: tensors_sha256 does not list the tensors in their order"
            raise IntegrityError(path, reason)
        if expected[8:] != layout.header:
            raise IntegrityError(path, "damaged header: its sha256 does not match")
        if not SHA256.fullmatch(self.tokenizer_sha256):
            raise IntegrityError(path, "damaged header: tokenizer_sha256 is no hash")
        if self.quantization != QUANTIZATION:
            raise IntegrityError(
                path, f"quantization {self.quantization!r} is not {QUANTIZATION!r}"
            )

    def damaged_tensors(self, task: Task = NO_TASK, n_threads: int = 1) -> list[str]:
        """The names of damaged tensors. Reads everything; `task` advances by bytes.

        Checks each tensor's sha256 from the header, its values, and that its padding is zero.
        """

        def is_damaged(name: str) -> bool:
            place = self._places[name]
            end = place.offset + place.n_bytes
            padding = self._map[end : end + -place.n_bytes % ALIGNMENT]
            digest = hashlib.sha256(self.tensors[name].data.cast("B")).hexdigest()
            task.advance(place.n_bytes)
            # Never written: the kernels' sums may wrap around with it.
            overflows = place.dtype == "I8" and self.tensors[name].min() == -128
            return overflows or digest != self.tensors_sha256[name] or any(padding)

        with ThreadPoolExecutor(n_threads) as pool:
            damaged = pool.map(is_damaged, self.tensors)
            return [name for name, bad in zip(self.tensors, damaged, strict=True) if bad]

    def _check_values(self) -> None:
        """The kernels trust these.

        Only damaged_tensors looks for -128 in the matrices, as that reads them all. With it a sum
        may wrap around and be wrong, but no weight is ever an index: no other memory is read.
        """
        for name, array in self.tensors.items():
            if array.dtype != np.float32:
                continue
            with np.errstate(invalid="ignore"):
                least, largest = array.min(), array.max()  # NaN if any value is
            if not (np.isfinite(least) and np.isfinite(largest)):
                raise IntegrityError(self.path, f"{name} holds values that are not finite")
            if name.endswith(".scales") and least < 0:
                raise IntegrityError(self.path, f"{name} holds a negative scale")

    def close(self) -> None:
        """Unmap the file; `tensors` is then empty. Arrays taken from it must not be used again."""
        self.tensors = {}
        with contextlib.suppress(BufferError):  # such an array still exists, and keeps it mapped
            self._map.close()

    def _view(self, place: TensorPlace) -> np.ndarray[Any, Any]:
        flat = np.frombuffer(self._map, _DTYPES[place.dtype], prod(place.shape), place.offset)
        return flat.reshape(place.shape)


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise IntegrityError(path, "not an int8 file made by pythia")
    if (version := metadata.get("format_version", "")) != str(FORMAT_VERSION):
        reason = f"format version {version[:9]}; this pythia reads version {FORMAT_VERSION}"
        if re.fullmatch("[1-9][0-9]{0,8}", version):
            raise NewerFormat(path, reason)
        raise IntegrityError(path, reason)


def _map_file(path: Path, expected: os.stat_result) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not os.path.samestat(status, expected) or status.st_size != expected.st_size:
                raise ResourceError(path, "was replaced while it was being opened; open it again")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ResourceError(path, f"cannot be mapped ({error.strerror})") from error
    if hasattr(mapped, "madvise") and hasattr(mmap, "MADV_WILLNEED"):
        with contextlib.suppress(OSError):
            mapped.madvise(mmap.MADV_WILLNEED)
    return mapped
