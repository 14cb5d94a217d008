"""Activations of many texts, streamed to a file with a manifest of texts, tokens and provenance."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from pythia_cli import release
from pythia_cli.checkpoints.room import check_room
from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.files.publishing import fsync, published, remove_unpublished
from pythia_cli.files.writing import naming, writing_errors
from pythia_cli.inside.activation_file import (
    SUFFIXES,
    NpyWriter,
    SafetensorsWriter,
    Shapes,
    is_by_text,
)
from pythia_cli.inside.problems import OutsideText
from pythia_cli.inside.running import Deliver, batches, encoded, inside_of, run_recorded
from pythia_cli.inside.selection import Selection
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.values import as_json

_Array = np.ndarray[Any, Any]

FORMAT = "pythia activations 1"
_TOGETHER = 4096
"""Tokens of texts that are run together, one run for a longer text."""


class TextSource(Protocol):
    """Items that may be iterated over more than once."""

    def __iter__(self) -> Iterator[Item]: ...


@dataclass(frozen=True)
class Saved:
    """What was written: the files, and how many texts, tokens and bytes they hold."""

    path: Path
    manifest: Path
    n_texts: int
    n_tokens: int
    n_bytes: int


def manifest_path(path: Path) -> Path:
    """Where the manifest of a file of activations is: beside it."""
    return path.with_name(f"{path.name}.manifest.jsonl")


def save_activations(
    model: OpenModel, items: TextSource, path: Path, selection: Selection, *, bos: bool = False
) -> Saved:
    """Run the texts of items, and write what is selected to `path`, with a manifest beside it.

    Values are written as they are computed; both files appear when they are whole. The manifest has
    JSON lines: what was run, then each text with its tokens. Raises InputError for another suffix
    than those of SUFFIXES, for several activations in one .npy, and for an item without a text, one
    that does not fit the context or that lacks a position; TooLarge, NoRoom, ResourceError.
    """
    check_suffix(path)
    one = _one_activation(path, selection)
    path, manifest = (Path(os.path.realpath(place)) for place in (path, manifest_path(path)))
    if manifest.is_dir():
        raise InputError(manifest, "is a folder; move it away")
    ids = token_ids_of(model, items, selection, bos=bos)
    shapes = Shapes(model.config, selection, np.array([len(i) for i in ids], np.int64))
    tensors = shapes.tensors()
    n_bytes = sum(prod(shape) * np.dtype(dtype).itemsize for dtype, shape in tensors.values())
    check_room(path.parent, n_bytes, str(path))
    described = _described(model, selection, bos=bos)
    with contextlib.suppress(OSError):
        for place in (path, manifest):
            remove_unpublished(place, old_only=True)
    with (
        naming(manifest, published(manifest)) as listing,
        naming(path, published(path)) as file,
        model.reporter.task("activations", int(shapes.token_offsets[-1]), "tokens") as task,
    ):
        with writing_errors(path):
            writer = _Writer(file, shapes, one, described)
        header = {**described, "header_sha256": hashlib.sha256(writer.header).hexdigest()}
        _write_manifest(listing, manifest, header, items, ids, shapes)
        inside, first = inside_of(model), 0
        for together in batches(ids, _TOGETHER):
            with writing_errors(path):
                run_recorded(inside, together, selection, writer.deliver_from(first))
            first += len(together)
            task.advance(sum(map(len, together)))
        with writing_errors(path):
            writer.write_tokens(ids, selection)
        with writing_errors(manifest):  # whole before the first of the two is renamed
            listing.flush()
            fsync(listing.fileno())
    return Saved(path, manifest, len(ids), int(shapes.token_offsets[-1]), n_bytes)


class _Writer:
    """Puts what is delivered to its place. one: the only activation, of a .npy."""

    def __init__(
        self, file: BinaryIO, shapes: Shapes, one: str | None, described: dict[str, Any]
    ) -> None:
        self._shapes, self._rows = shapes, shapes.row_offsets.tolist()
        self._file: NpyWriter | SafetensorsWriter
        tensors = shapes.tensors()
        if one is None:
            metadata = {name: _as_text(value) for name, value in described.items()}
            self._file = SafetensorsWriter(file, tensors, metadata)
        else:
            self._file = NpyWriter(file, one, *tensors[one])
        self.header = self._file.header

    def deliver_from(self, first: int) -> Deliver:
        """What takes the values of texts whose indices are counted from the text `first`."""

        def deliver(text: int, name: str, values: _Array) -> None:
            if is_by_text(self._shapes.selection.activations[name]):
                self._file.write(f"{name}/{first + text}", values)
            else:
                self._file.write(name, values, self._rows[first + text])

        return deliver

    def write_tokens(self, ids: list[_Array], selection: Selection) -> None:
        """Write which tokens and positions the texts have."""
        rows = [selection.rows(text, len(of_text)) for text, of_text in enumerate(ids)]
        self._file.write("token_ids", np.concatenate(ids))
        self._file.write("token_offsets", self._shapes.token_offsets)
        self._file.write("positions", np.concatenate(rows))
        self._file.write("row_offsets", self._shapes.row_offsets)


def check_suffix(path: Path) -> None:
    """Raises InputError for a file of another format."""
    if path.suffix not in SUFFIXES:
        raise InputError(path, f"is no name that ends in {' or '.join(SUFFIXES)}")


def _one_activation(path: Path, selection: Selection) -> str | None:
    """The activation of a .npy file; None for safetensors. Raises InputError."""
    if path.suffix == ".safetensors":
        return None
    names = list(selection.activations)
    if len(names) > 1 or is_by_text(selection.activations[names[0]]):
        reason = "a .npy file is of one activation that has a row for each position"
        raise InputError(path, f"{reason}; name a .safetensors file")
    return names[0]


def token_ids_of(
    model: OpenModel, items: TextSource, selection: Selection, *, bos: bool
) -> list[_Array]:
    """The token ids [n] of each item.

    Raises InputError for one that cannot be read, does not fit the context or lacks a position, and
    InvalidValue if there are none.
    """
    ids = [_token_ids(model, item, selection, bos=bos) for item in items]
    if not ids:
        raise InvalidValue("texts", [], "at least one")
    return ids


def _token_ids(model: OpenModel, item: Item, selection: Selection, *, bos: bool) -> _Array:
    """Raises InputError for an item that cannot be read, does not fit or lacks a position."""
    if item.error is not None:
        raise item.error
    ids = encoded(model, item.text(), bos=bos)
    n, n_ctx = len(ids), model.config.n_ctx
    if not 0 < n <= n_ctx:
        raise item.failed(f"has {n} tokens; the model takes 1 to {n_ctx}")
    try:
        selection.rows(0, n)
    except OutsideText as error:
        raise item.failed(f"has {n} tokens, and no position {error.value}") from None
    return ids


def _described(model: OpenModel, selection: Selection, *, bos: bool) -> dict[str, Any]:
    """What was run, and what was kept."""
    return {
        "format": FORMAT,
        "pythia": release.in_words(),
        "provenance": model.provenance(),
        "certificate": model.certificate,
        "activations": {
            name: list(activation.axes) for name, activation in selection.activations.items()
        },
        "positions": None if selection.positions is None else list(selection.positions),
        "heads": None if selection.heads is None else list(selection.heads),
        "values": selection.dtype,
        "bos": bos,
    }


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _write_manifest(
    file: BinaryIO,
    path: Path,
    header: dict[str, Any],
    items: TextSource,
    ids: list[_Array],
    shapes: Shapes,
) -> None:
    rows = shapes.row_offsets.tolist()
    with writing_errors(path):
        file.write(f"{as_json(header)}\n".encode())
        for text, (item, of_text) in enumerate(zip(items, ids, strict=True)):
            record = {
                "text": text,
                "item": item.number,
                "line": item.line,
                "source": item.source,
                "first_row": rows[text],
                "n_rows": rows[text + 1] - rows[text],
                "token_ids": of_text.tolist(),
                "fields": item.fields,
            }
            file.write(f"{as_json(record)}\n".encode())
