"""The rows of a cell go on behind those that are there, or begin again if those are of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.errors import InputError
from pythia_cli.reporting import SILENT
from pythia_cli.sweeps.cell_rows import CellRows
from pythia_cli.tables.batch_size import Limits
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.read_table import read_rows
from pythia_cli.tables.text_items import TextItems
from tests.tables.fakes import LENGTH, FakeModel, length


def cell_rows(texts: list[str], identity: str = "first") -> CellRows:
    items = TextItems(texts)
    layout = RowLayout.of(items.columns, LENGTH)
    return CellRows(items, length, layout, {"measure": identity}, "label", Limits(items=1))


def texts_in(path: Path) -> list[str]:
    return [row["text"] for row in read_rows(path)]


def test_they_go_on_where_a_run_was_ended(tmp_path: Path) -> None:
    rows = tmp_path / "inner" / "rows.tsv"
    with pytest.raises(InputError, match="is empty"):
        cell_rows(["a b", "", "c"]).write(FakeModel(is_open=True), rows, SILENT)
    partial = rows.with_name("rows.tsv.partial")
    assert len(partial.read_text().splitlines()) == 2
    assert not rows.exists()
    model = FakeModel(is_open=True)
    cell_rows(["a b", "d", "c"]).write(model, rows, SILENT)
    assert texts_in(rows) == ["a b", "d", "c"]
    assert model.asked == [1, 1]


def test_rows_of_another_measure_or_input_are_replaced(tmp_path: Path) -> None:
    rows = tmp_path / "rows.tsv"
    cell_rows(["a"]).write(FakeModel(is_open=True), rows, SILENT)
    cell_rows(["b"]).write(FakeModel(is_open=True), rows, SILENT)
    assert texts_in(rows) == ["b"]
    cell_rows(["b", "c"], "second").write(FakeModel(is_open=True), rows, SILENT)
    assert texts_in(rows) == ["b", "c"]
