"""Int8 files behind a changed header, whose hashes all fit: what checks of hashes cannot find."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import header_bytes, tensor_shapes
from pythia_cli.weights.int8_writer import Int8Writer


def with_header(path: Path, config: dict[str, Any] | str | None = None, **metadata: str) -> None:
    """Change the config and other metadata of an int8 file, and hash its header again."""
    layout = read_layout(path)
    body = path.read_bytes()[8 + len(layout.header) :]
    hashes = json.loads(layout.metadata["tensors_sha256"])
    shapes = tensor_shapes(Int8File(path).config)
    kept = dict(layout.metadata)
    del kept["tensors_sha256"], kept["header_sha256"]
    if isinstance(config, dict):
        config = json.dumps({**json.loads(kept["config"]), **config})
    changed = {**kept, **metadata, **({} if config is None else {"config": config})}
    path.write_bytes(header_bytes(shapes, changed, hashes) + body)


def with_tensors(path: Path, change: Callable[[str, np.ndarray[Any, Any]], Any]) -> None:
    """Replace each tensor by change(name, array), and hash it again."""
    file = Int8File(path)
    tensors = {name: change(name, array.copy()) for name, array in file.tensors.items()}
    config = dataclasses.replace(file.config, d_vocab=len(tensors["embed_in.weight"]))
    aside = path.with_name("aside")
    with aside.open("wb") as written:
        writer = Int8Writer(written, config, file.source, file.tokenizer_sha256, file.calibration)
        for name, array in tensors.items():
            writer.write_tensor(name, iter([array]))
        writer.finish()
    aside.replace(path)
