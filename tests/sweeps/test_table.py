"""The table of a sweep: the same bytes from the same results."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.errors import InvalidValue
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.table import COLUMNS, DAMAGED, table_rows, write_table, write_tables
from tests.sweeps.test_folder import RESULT, result_of

CERTIFICATE = {
    "text_name": "book.txt",
    "n_tokens": 99,
    "kl_mean": 1e-4,
    "delta_nll": 1e-3,
    "top1_agreement": 0.99,
    "fast": {"kl_mean": 2e-4, "arithmetic": 2},
}


@pytest.fixture
def folder(tmp_path: Path, planned: Callable[..., SweepPlan]) -> SweepFolder:
    """A sweep with three of its four cells, of which one checkpoint is certified."""
    found = SweepFolder(tmp_path / "run")
    plan = planned()
    found.write_plan(plan)
    for checkpoint in plan.checkpoints:
        for cell in plan.cells_of(checkpoint)[: 2 if checkpoint.step else 1]:
            certificate = CERTIFICATE if checkpoint.step else None
            found.publish(cell, result_of(cell, certificate=certificate))
    return found


def test_a_row_for_each_figure(folder: SweepFolder) -> None:
    rows = table_rows(folder)
    assert list(rows.columns) == list(COLUMNS)
    assert [(row["step"], row["measure"], row["group"], row["figure"]) for row in rows] == [
        (0, "pairs", None, "accuracy"),
        (0, "pairs", "a", "n_ties"),
        (0, "perplexity", None, None),
        (64, "pairs", None, "accuracy"),
        (64, "pairs", "a", "n_ties"),
        (64, "perplexity", None, "accuracy"),
        (64, "perplexity", "a", "n_ties"),
        (64, "certificate", None, "kl_mean"),
        (64, "certificate", None, "delta_nll"),
        (64, "certificate", None, "top1_agreement"),
    ]
    assert rows[0]["input"] == "pairs.jsonl"
    assert rows[2]["error"] == "not measured yet"
    assert rows[7]["input"] == "book.txt"
    assert rows[7]["value"] == 1e-4


def test_the_certificate_is_that_of_the_precision(folder: SweepFolder) -> None:
    plan = folder.read_plan()
    cell = plan.cells_of(plan.checkpoints[1])[0]
    provenance = {**RESULT.provenance, "precision": "fast", "arithmetic": 2}
    folder.publish(cell, result_of(cell, certificate=CERTIFICATE, provenance=provenance))
    errors = [row for row in table_rows(folder) if row["measure"] == "certificate"]
    assert [row["value"] for row in errors] == [2e-4]


def test_a_damaged_result_hides_no_other(folder: SweepFolder) -> None:
    plan = folder.read_plan()
    cell = plan.cells_of(plan.checkpoints[1])[0]
    n = len(table_rows(folder))
    folder.rows(cell).with_suffix(".json").write_text("{")
    rows = table_rows(folder)
    assert len(rows) == n - 1
    (row,) = [row for row in rows if (row["error"] or "").startswith(DAMAGED)]
    assert (row["step"], row["measure"], row["figure"]) == (64, "pairs", None)


def test_files(folder: SweepFolder, tmp_path: Path) -> None:
    written = write_tables(folder)
    assert written[0] == folder.path / "table.csv"
    with written[0].open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["figure"] or None for row in read] == [one["figure"] for one in table_rows(folder)]
    first = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_tables(folder)] == first
    assert {path.name for path in folder.path.iterdir()} >= {path.name for path in written}
    assert not list(folder.path.glob(".*"))
    with pytest.raises(InvalidValue):
        write_table(table_rows(folder), tmp_path / "x.xlsx", "xlsx")


def test_parquet(folder: SweepFolder, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(table_rows(folder), tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column("step").to_pylist() == [row["step"] for row in table_rows(folder)]
    assert table.column("group").to_pylist()[:2] == [None, "a"]
