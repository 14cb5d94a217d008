"""The formats of items and tables, and how a file's name tells them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal, get_args

from pythia_cli.errors import InvalidValue

InputFormat = Literal["lines", "tsv", "csv", "jsonl", "nul", "parquet"]
TableFormat = Literal["tsv", "csv", "jsonl", "parquet"]

_SUFFIXES: dict[str, TableFormat] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_NOT_WRITTEN = (".xlsx", ".xls", ".ods", ".json", ".feather", ".rds", ".sav")
SEPARATORS = {"tsv": "\t", "csv": ","}


def input_format(name: str, asked: str | None = None) -> InputFormat:
    """The format of an input: the one asked for, or by suffix; lines by default.

    Raises InvalidValue for an unknown format.
    """
    if asked is None:
        return _SUFFIXES.get(PurePath(name).suffix.lower(), "lines")
    for known in get_args(InputFormat):
        if asked == known:
            return known
    raise InvalidValue("input_format", asked, f"one of {', '.join(get_args(InputFormat))}")


def table_format(name: str | None, asked: str | None = None) -> TableFormat:
    """The format of a table: the one asked for, or by suffix; TSV by default.

    name: of its file; None is a stream. Raises InvalidValue for an unknown format, and for the
    suffix of one that is not written here.
    """
    suffix = PurePath(name or "").suffix.lower()
    if asked is None and suffix in _NOT_WRITTEN:
        raise InvalidValue("format", suffix, f"one of {', '.join(get_args(TableFormat))}")
    if asked is None:
        return _SUFFIXES.get(PurePath(name or "").suffix.lower(), "tsv")
    for known in get_args(TableFormat):
        if asked == known:
            return known
    raise InvalidValue("format", asked, f"one of {', '.join(get_args(TableFormat))}")
