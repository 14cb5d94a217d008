"""Items from Parquet, read with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pythia_cli.errors import InputError
from pythia_cli.tables.input_bytes import InputBytes
from pythia_cli.tables.item import Item
from pythia_cli.tables.problems import MissingExtra

_ROWS = 1_000  # read at a time


def parquet_items(data: InputBytes, column: str) -> Iterator[Item]:
    """Yield the rows, as items of equal sizes. Raises MissingExtra and InputError."""
    file = open_parquet(data)
    n_rows = file.metadata.num_rows
    number = 0
    try:
        for batch in file.iter_batches(_ROWS):
            for fields in batch.to_pylist():
                number += 1
                n_bytes = data.n_bytes * number // n_rows - data.n_bytes * (number - 1) // n_rows
                yield Item(number, number, fields, data.name, column, n_bytes, None, "row")
    except (OSError, _arrow().ArrowException) as error:
        raise InputError(data.name, f"cannot be read as Parquet ({error})") from error


def open_parquet(data: InputBytes) -> Any:
    """The file as a pyarrow ParquetFile. Raises MissingExtra and InputError."""
    arrow = _arrow()
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(data.file, pre_buffer=False)
    except (OSError, arrow.ArrowException) as error:
        raise InputError(data.name, f"cannot be read as Parquet ({error})") from error


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("pyarrow", "Parquet", "parquet") from error
    return pyarrow.lib
