"""Parquet files, made of JSON lines in row groups, with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pythia_cli.files.publishing import published
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.problems import MissingExtra
from pythia_cli.tables.values import as_cell, as_mixed_cell

_ROWS = 10_000  # of a row group


def check_arrow() -> None:
    """Raises MissingExtra if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra("pyarrow", "Parquet", "parquet") from error


def write_parquet(
    rows: Path, path: Path, columns: Mapping[str, Kind], identity: Mapping[str, Any]
) -> None:
    """Write a Parquet file, atomically. rows: JSON lines. identity: kept in its metadata."""
    import pyarrow
    import pyarrow.parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    types |= {bool: pyarrow.bool_()}
    schema = pyarrow.schema(
        [(name, types.get(kind, pyarrow.string())) for name, kind in columns.items()],
        metadata={"pythia": json.dumps(identity)},
    )
    makers = {
        name: as_mixed_cell if kind is object else as_cell
        for name, kind in columns.items()
        if kind not in (int, float, bool)
    }
    with (
        rows.open(encoding="utf-8") as lines,
        published(path) as file,
        pyarrow.parquet.ParquetWriter(file, schema) as writer,
    ):
        for records in _batches(lines):
            made = [
                {n: makers[n](v) if n in makers and v is not None else v for n, v in record.items()}
                for record in records
            ]
            writer.write_batch(pyarrow.RecordBatch.from_pylist(made, schema=schema))


def _batches(lines: Iterator[str]) -> Iterator[list[dict[str, Any]]]:
    while batch := [json.loads(line) for line in islice(lines, _ROWS)]:
        yield batch
