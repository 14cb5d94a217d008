"""pytorch_model.bin: where each tensor lies in it. Reads no tensor data, and needs no torch.

torch.save writes a zip archive of one pickle and one uncompressed entry for each storage. Before
version 1.6 it wrote five pickles, followed by the storages.
"""

from __future__ import annotations

import errno
import io
import math
import os
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from pythia_cli.errors import IntegrityError
from pythia_cli.files.reading import open_regular
from pythia_cli.weights.strided import StridedPlace
from pythia_cli.weights.tensor_pickle import PickledTensor, Storage, Unsupported, read_pickle

_MOST = 1 << 20
"""The most bytes of a pickle, or of the list of an archive's entries: some 5000 tensors."""

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before zip

_DTYPES = {
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "FloatStorage": ("F32", 4),
    "DoubleStorage": ("F64", 8),
    "BoolStorage": ("BOOL", 1),
    "ByteStorage": ("U8", 1),
    "CharStorage": ("I8", 1),
    "ShortStorage": ("I16", 2),
    "IntStorage": ("I32", 4),
    "LongStorage": ("I64", 8),
    "ComplexFloatStorage": ("C64", 8),
    "ComplexDoubleStorage": ("C128", 16),
}
"""For each kind of storage: its dtype as safetensors spells it, and the bytes of an item."""

_DAMAGED = (
    ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError, EOFError,
    struct.error, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip
"""What reading a damaged pickle or archive raises."""


class _Region(NamedTuple):
    """Where a storage lies in the file, in bytes."""

    offset: int
    n_bytes: int


class _ShortReads(io.BufferedReader):
    """Bounds the list of entries, which zipfile reads at once."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(_MOST if size is None or not 0 <= size <= _MOST else size)


def read_places(path: Path, skipped: re.Pattern[str]) -> dict[str, StridedPlace]:
    """The tensors of a pytorch_model.bin by name, but those whose name matches `skipped`.

    Raises IntegrityError for a damaged file and for tensors that are not plain arrays, UnsafeFile
    for one that holds more than tensors, and OSError.
    """
    with _ShortReads(open_regular(path).detach()) as bounded:
        bounded.seek(0)
        try:
            is_zip = bounded.peek(4)[:4] == b"PK\x03\x04"
            content, regions = (_read_zip if is_zip else _read_before_zip)(bounded, path)
        except (*_DAMAGED, OSError) as error:
            # A damaged archive may lead to a place before the file's first byte.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise IntegrityError(path, "not a whole PyTorch checkpoint, or damaged") from error
        n_file = os.fstat(bounded.fileno()).st_size
    if not isinstance(content, dict):
        raise IntegrityError(path, "not a PyTorch checkpoint: expected tensors by name")
    places = {}
    for name, value in content.items():
        if isinstance(name, str) and skipped.fullmatch(name):
            continue
        if isinstance(value, Unsupported):
            raise IntegrityError(path, f"{name} is not a plain tensor ({value.function})")
        if not isinstance(name, str) or not isinstance(value, PickledTensor):
            raise IntegrityError(path, f"{name!r} is not a named tensor")
        places[name] = _place(path, name, value, regions.get(value.storage.key), n_file)
    return places


def _place(
    path: Path, name: str, tensor: PickledTensor, region: _Region | None, n_file: int
) -> StridedPlace:
    storage = tensor.storage
    if storage.kind not in _DTYPES:
        raise IntegrityError(path, f"{name} is not a plain tensor ({storage.kind})")
    dtype, item = _DTYPES[storage.kind]
    whole = region is not None and storage.n_items * item <= region.n_bytes
    if region is None or not whole or region.offset + region.n_bytes > n_file:
        raise IntegrityError(path, f"not a whole PyTorch checkpoint: {name} is cut off")
    place = StridedPlace(dtype, tensor.shape, tensor.strides, region.offset + tensor.offset * item)
    if tensor.offset + place.span > storage.n_items:
        raise IntegrityError(path, f"{name} lies outside its storage")
    # Otherwise a small file could hold a tensor of any size.
    if math.prod(tensor.shape) > place.span:
        raise IntegrityError(path, f"{name} has shape {list(tensor.shape)}, but fewer values")
    return place


def _read_zip(file: _ShortReads, path: Path) -> tuple[Any, dict[str, _Region]]:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) < len(archive.infolist()):
            raise ValueError("two entries have one name")
        if any(entry.compress_type or entry.flag_bits & 1 for entry in entries.values()):
            raise ValueError("compressed or encrypted")
        (pickle,) = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        folder = pickle.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if any(entries[name].file_size > _MOST for name in (pickle, order) if name in entries):
            raise ValueError("too large a pickle")
        if order in entries and archive.read(order) != b"little":
            raise ValueError("big-endian")
        content = read_pickle(io.BytesIO(archive.read(pickle)), path)
        data = f"{folder}data/"
        regions = {
            name.removeprefix(data): _Region(_start(file, entry), entry.file_size)
            for name, entry in entries.items()
            if name.startswith(data)
        }
    return content, regions


def _start(file: _ShortReads, entry: zipfile.ZipInfo) -> int:
    """Where the data of an entry begin: after its header, a name and extra fields."""
    if not 0 <= entry.header_offset < os.fstat(file.fileno()).st_size:
        raise ValueError("an entry outside the file")
    file.seek(entry.header_offset)
    n_name, n_extra = struct.unpack("<26x2H", file.read(30))
    return int(entry.header_offset + 30 + n_name + n_extra)


def _read_before_zip(file: _ShortReads, path: Path) -> tuple[Any, dict[str, _Region]]:
    head = io.BytesIO(file.read(_MOST))
    if read_pickle(head, path) != _MAGIC or read_pickle(head, path) != _PROTOCOL:
        raise ValueError("not a PyTorch checkpoint")
    if read_pickle(head, path)["little_endian"] is not True:
        raise ValueError("big-endian")
    content = read_pickle(head, path)
    keys = read_pickle(head, path)
    item_of = {storage.key: _DTYPES[storage.kind][1] for storage in _storages(content)}
    regions = {}
    offset, n_file = head.tell(), os.fstat(file.fileno()).st_size
    for key in keys:
        file.seek(offset)
        (n_items,) = struct.unpack("<q", file.read(8))
        if not 0 <= n_items <= n_file:
            raise ValueError("a storage outside the file")
        regions[key] = _Region(offset + 8, n_items * item_of[key])
        offset += 8 + n_items * item_of[key]
    return content, regions


def _storages(content: Any) -> list[Storage]:
    values = content.values() if isinstance(content, dict) else ()
    return [value.storage for value in values if isinstance(value, PickledTensor)]
