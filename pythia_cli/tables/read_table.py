"""Reads a table that was written, with the kinds of values that its columns had."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.tables.byte_lines import LINE_ENDS, byte_lines
from pythia_cli.tables.cells import RowReader
from pythia_cli.tables.file_formats import SEPARATORS
from pythia_cli.tables.input_bytes import InputBytes
from pythia_cli.tables.item import TEXT, Item
from pythia_cli.tables.items import open_items
from pythia_cli.tables.progress import META, TableProgress, read_progress
from pythia_cli.tables.tabular import tabular_items


def _json_or_text(cell: str) -> Any:
    """Texts among values of other kinds are written as they are, or as JSON if that is doubtful."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "object": _json_or_text,
}


def table_meta(path: str | Path) -> TableProgress:
    """What a complete table holds, by the file beside it: identity, columns and checkpoints.

    Raises NotFound if that file is missing, and IntegrityError if it is damaged.
    """
    path = Path(path)
    meta = path.with_name(path.name + META)
    found = read_progress(meta)
    if found is None:
        raise NotFound(f"{meta} does not exist; it says what {path.name} holds")
    return found


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a complete table, one after the other, as they were written.

    An empty cell of TSV and CSV is None. Raises what `table_meta` and `open_items` raise, and
    IntegrityError for a row that does not fit the columns.
    """
    meta = table_meta(path)
    format = meta.identity["format"]
    with _open(path, format) as items:
        for item in items:
            if item.error is not None:
                raise IntegrityError(path, str(item.error))
            if format in SEPARATORS:
                yield _read(path, item.line, item.fields, meta.columns)
            else:
                row = {name: item.fields.get(name) for name in meta.columns}
                yield _with_json(row, meta.columns) if format == "parquet" else row


@contextlib.contextmanager
def _open(path: str | Path, format: Any) -> Iterator[Iterable[Item]]:
    """The rows as items. Cells of our own tables may hold NUL characters."""
    if format not in SEPARATORS:
        with open_items(path, format=format) as items:
            yield items
        return
    with contextlib.closing(InputBytes.of_file(Path(path), lambda: None)) as data:
        lines = byte_lines(data.pieces(), LINE_ENDS)
        reader = RowReader(lines, str(path), SEPARATORS[format], nuls=True)
        yield tabular_items(reader, str(path), TEXT)


def _with_json(row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """Lists and objects, which Parquet has as JSON text."""
    for name, kind in columns.items():
        if kind == "object" and isinstance(row[name], str):
            row[name] = _json_or_text(row[name])
    return row


def _read(
    path: str | Path, line: int, cells: dict[str, str], columns: dict[str, str]
) -> dict[str, Any]:
    try:
        return {
            name: _READERS[kind](cells[name]) if cells[name] else None
            for name, kind in columns.items()
        }
    except (KeyError, ValueError) as error:
        raise IntegrityError(path, f"line {line} is no row of this table ({error})") from error
