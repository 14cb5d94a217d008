"""Writes an int8 file (docs/int8-file.md) in one pass, with tensors on 64-byte boundaries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np

from pythia_cli.files.huge_pages import write_in_huge_pages
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.int8_layout import (
    ALIGNMENT,
    DTYPES,
    FORMAT,
    FORMAT_VERSION,
    QUANTIZATION,
    header_bytes,
    tensor_shapes,
)
from pythia_cli.weights.source import Source

_NO_HASH = "0" * 64


class Int8Writer:
    """Writes an int8 file: call `write_tensor` for each tensor in the file's order, then `finish`.

    The header has the tensors' hashes, so `finish` writes it last. calibration: on what text the
    activations were measured. file: as for write_in_huge_pages. offsets: where in the file each
    tensor begins, once it is written.
    """

    def __init__(
        self,
        file: BinaryIO,
        config: ModelConfig,
        source: Source,
        tokenizer: str,
        calibration: Mapping[str, Any],
    ) -> None:
        self._file = file
        self._shapes = tensor_shapes(config)
        self._hashes = dict.fromkeys(self._shapes, _NO_HASH)
        self.offsets: dict[str, int] = {}
        self._metadata = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "config": json.dumps(config.to_dict()),
            "source": json.dumps(source.to_dict()),
            "quantization": QUANTIZATION,
            "tokenizer_sha256": tokenizer,
            "calibration": json.dumps(dict(calibration)),
        }
        self._write(bytes(len(self._header())))

    def write_tensor(self, name: str, pieces: Iterable[np.ndarray[Any, Any]]) -> None:
        """Write one tensor, given in pieces along its first axes."""
        dtype, shape = self._shapes[name]
        digest = hashlib.sha256()
        self.offsets[name] = self._file.tell()
        n_bytes = 0
        for piece in pieces:
            data = np.ascontiguousarray(piece, DTYPES[dtype]).data.cast("B")
            digest.update(data)
            self._write(data)
            n_bytes += len(data)
        assert n_bytes == prod(shape) * DTYPES[dtype].itemsize, name
        self._write(bytes(-n_bytes % ALIGNMENT))
        self._hashes[name] = digest.hexdigest()

    def finish(self) -> None:
        """Write the header at the start of the file."""
        self._file.seek(0)
        self._file.write(self._header())

    def _write(self, data: bytes | memoryview) -> None:
        write_in_huge_pages(self._file, memoryview(data))

    def _header(self) -> bytes:
        return header_bytes(self._shapes, self._metadata, self._hashes)
