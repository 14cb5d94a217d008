"""A table that is read back has the values that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.read_table import read_rows, table_meta
from pythia_cli.tables.table import open_table

COLUMNS: dict[str, Kind] = {"a": str, "b": int, "c": float, "d": bool, "e": object}
ROWS: list[dict[str, Any]] = [
    {"a": 'tab\t"q"\nline', "b": 3, "c": 0.1, "d": True, "e": [1, "x"]},
    {"a": "1", "b": -1, "c": 1e-300, "d": False, "e": {"k": None}},
    {"a": "a\0b", "b": 0, "c": -0.0, "d": True, "e": "007"},
    {"a": "007", "b": 7, "c": 7.0, "d": False, "e": 7},
    {"a": "[]", "b": 7, "c": 7.0, "d": False, "e": "null"},
    {"a": "x", "b": 7, "c": 7.0, "d": False, "e": '"quoted"'},
    {"a": "x", "b": 7, "c": 7.0, "d": False, "e": "plain\0 text"},
    {"a": None, "b": None, "c": None, "d": None, "e": None},
]


def write(path: Path) -> Path:
    with open_table(path, columns=COLUMNS, identity={"command": "x"}) as table:
        table.write(ROWS, table.progress)
    return path


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
def test_the_same_values(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = write(tmp_path / f"out.{suffix}")
    assert list(read_rows(path)) == ROWS
    assert table_meta(path).identity["command"] == "x"


def test_without_the_file_that_says_what_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "out.tsv")
    (tmp_path / "out.tsv.meta.json").unlink()
    with pytest.raises(NotFound, match=r"meta\.json does not exist"):
        list(read_rows(path))


@pytest.mark.parametrize("change", [("3", "x"), ("true", "yes"), ("0.1", "a"), ("b\tc", "b\tz")])
def test_a_changed_table_is_damaged(tmp_path: Path, change: tuple[str, str]) -> None:
    path = write(tmp_path / "out.tsv")
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(IntegrityError):
        list(read_rows(path))
