"""The int8 checkpoint file (docs/int8-file.md), opened by mapping it."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import IntegrityError, InvalidValue, NewerFormat, NotFound, ResourceError
from pythia_cli.files.huge_pages import want_huge_pages
from pythia_cli.files.reading import parse_json_object
from pythia_cli.files.safetensors_layout import Layout, TensorPlace, read_layout
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.int8_layout import (
    ALIGNMENT,
    DTYPES,
    FORMAT,
    FORMAT_VERSION,
    QUANTIZATIONS,
    header_bytes,
    tensor_shapes,
)
from pythia_cli.weights.source import SHA256, Source


class Int8File:
    """A mapped int8 file: `config`, `source`, `quantization`, `tokenizer_sha256`, `tensors`.

    version: its format version; `has_byte_parts` from 2 on, and `calibration`, else None.
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
        self.version = _version(path, metadata)
        try:
            self.config = ModelConfig(**parse_json_object(metadata["config"]))
            self.source = Source.from_dict(parse_json_object(metadata["source"]))
            self.quantization = metadata["quantization"]
            self.tokenizer_sha256 = metadata["tokenizer_sha256"]
            self.calibration = self._read_calibration(metadata)
            self.header_sha256 = metadata["header_sha256"]
            self.tensors_sha256: dict[str, str] = parse_json_object(metadata["tensors_sha256"])
            shapes = tensor_shapes(self.config, self.version)
            written = {
                key: value
                for key, value in metadata.items()
                if key not in ("tensors_sha256", "header_sha256")
            }
            expected = header_bytes(shapes, written, self.tensors_sha256)
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
        if self.quantization not in (names := QUANTIZATIONS[self.version]):
            raise IntegrityError(
                path, f"quantization {self.quantization!r} is not {' or '.join(map(repr, names))}"
            )

    def _read_calibration(self, metadata: Mapping[str, str]) -> dict[str, Any] | None:
        if not self.has_byte_parts:
            return None
        calibration = parse_json_object(metadata["calibration"])
        match calibration:
            case {"text_sha256": str(digest), "n_tokens": int(n)} if SHA256.fullmatch(digest):
                if len(calibration) == 2 and not isinstance(n, bool) and n >= 0:
                    return calibration
        raise ValueError("calibration")

    @property
    def has_byte_parts(self) -> bool:
        """Whether inputs of the linears may have 8 bits (precision "fast")."""
        return self.version > 1

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
        flat = np.frombuffer(self._map, DTYPES[place.dtype], prod(place.shape), place.offset)
        return flat.reshape(place.shape)


def _version(path: Path, metadata: Mapping[str, str]) -> int:
    """The format version. Raises NewerFormat, and IntegrityError if it is not our format."""
    if metadata.get("format") != FORMAT:
        raise IntegrityError(path, "not an int8 file made by pythia")
    version = metadata.get("format_version", "")
    if version in map(str, QUANTIZATIONS):
        return int(version)
    reason = f"format version {version[:9]}; this pythia reads versions 1 to {FORMAT_VERSION}"
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
    want_huge_pages(mapped)
    return mapped
