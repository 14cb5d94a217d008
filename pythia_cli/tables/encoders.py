"""Records as rows of a table: TSV, CSV, JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Protocol

from pythia_cli.tables.file_formats import SEPARATORS, TableFormat
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.values import as_cell, as_json, as_mixed_cell, plain

ERROR = "error"
"""The column that says why an item was not measured."""


class Encoder(Protocol):
    """Makes rows of records, with their line ends."""

    def header(self) -> str:
        """What comes before the rows."""

    def row(self, record: Mapping[str, Any]) -> str:
        """A record as a row. Raises ValueError for a field that is no column."""


def encoder_of(format: TableFormat, columns: Mapping[str, Kind]) -> Encoder:
    """The encoder of a format. Of a Parquet file, rows are kept as JSON lines until it is whole."""
    if format in SEPARATORS:
        return SeparatedRows(SEPARATORS[format], columns)
    return JsonRows(columns, is_sparse=format == "jsonl")


class SeparatedRows:
    """Rows as pandas.read_csv and R's read.delim read them.

    Cells that hold a separator, a quote or a line end are quoted, and quotes in them doubled.
    """

    def __init__(self, separator: str, columns: Mapping[str, Kind]) -> None:
        self._columns = list(columns)
        self._makers = [as_mixed_cell if kind is object else as_cell for kind in columns.values()]
        self._written = ""
        # With this terminator the csv module quotes cells that hold either of its characters.
        self._writer = csv.writer(self, delimiter=separator, lineterminator="\r\n")

    def write(self, row: str) -> None:
        """For the csv module."""
        self._written = row

    def header(self) -> str:
        """The names of the columns."""
        return self._row(self._columns)

    def row(self, record: Mapping[str, Any]) -> str:
        """A cell for each column; empty for those that the record lacks."""
        check_names(record, self._columns)
        named = zip(self._columns, self._makers, strict=True)
        return self._row([make(record.get(name)) for name, make in named])

    def _row(self, cells: list[str]) -> str:
        self._writer.writerow(cells)
        return f"{self._written[:-2]}\n"


class JsonRows:
    """An object on each line. is_sparse: leave out `error` where there is none."""

    def __init__(self, columns: Mapping[str, Kind], *, is_sparse: bool) -> None:
        self._columns, self._is_sparse = list(columns), is_sparse

    def header(self) -> str:
        """Nothing."""
        return ""

    def row(self, record: Mapping[str, Any]) -> str:
        """The record, its fields in the order of the columns."""
        check_names(record, self._columns)
        ordered = {
            name: plain(record.get(name))
            for name in self._columns
            if not (self._is_sparse and (name == ERROR and record.get(name) is None))
        }
        return f"{as_json(ordered)}\n"


def check_names(record: Mapping[str, Any], columns: list[str]) -> None:
    """Raises ValueError for a field that is no column: it would be lost."""
    if record.keys() - set(columns):
        raise ValueError(f"fields without a column: {sorted(record.keys() - set(columns))}")
