"""The header of a safetensors file, checked: where each tensor lies. Reads no tensor data."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pythia_cli.errors import IntegrityError
from pythia_cli.files.reading import open_regular, parse_json_object

ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "F32": 4,
    "I64": 8,
    "F64": 8,
}
_MAX_HEADER = 8 << 20  # that of a model with 4096 layers has 7 MB


@dataclass(frozen=True)
class TensorPlace:
    """A tensor: dtype as safetensors spells it, shape, and its n_bytes at `offset` in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int


@dataclass(frozen=True)
class Layout:
    """A file's header: raw bytes, metadata, and tensors in the order of the file."""

    header: bytes
    metadata: dict[str, str]
    tensors: dict[str, TensorPlace]


def _check(path: Path) -> None:
    """Let the library check offsets, sizes, overlaps and the length of the file."""
    try:
        with safe_open(path, framework="numpy"):
            pass
    except FileNotFoundError:  # for the library, whatever prevents opening it
        with path.open("rb"):
            raise


def read_layout(path: Path) -> Layout:
    """Read and check a header: the safetensors library checks it, then we parse the offsets.

    Raises IntegrityError for a damaged, truncated or foreign file, and OSError.
    """
    try:
        # Opened here first: the library reports a file without read permission as missing, and
        # reads a header of any length.
        with open_regular(path) as file:
            (n_header,) = struct.unpack("<Q", file.read(8))
            if n_header > _MAX_HEADER:
                raise ValueError(f"a header of {n_header:,} bytes")
            header = file.read(n_header)
            _check(path)
        content = parse_json_object(header)
    except (SafetensorError, ValueError, struct.error) as error:
        raise IntegrityError(path, f"not a whole safetensors file ({error})") from error
    metadata = content.pop("__metadata__", None) or {}
    tensors = {}
    for name, entry in sorted(content.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        shape = tuple(entry["shape"])
        item = ITEM_SIZES.get(entry["dtype"])
        if item is not None and prod(shape) * item != end - begin:
            raise IntegrityError(path, f"{name}: {end - begin} bytes do not hold {shape}")
        tensors[name] = TensorPlace(entry["dtype"], shape, 8 + n_header + begin, end - begin)
    return Layout(header, metadata, tensors)
