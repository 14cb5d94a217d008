"""Heads in a sweep: the strongest one, and each."""

from __future__ import annotations

from pathlib import Path

import pytest

import pythia_cli
from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.reporting import SILENT
from pythia_cli.sweeps.heads import SweptHeads
from pythia_cli.sweeps.measures import measure_of
from pythia_cli.tables.read_table import read_rows


def test_figures(tmp_path: Path) -> None:
    measure = measure_of("heads", {"sequences": "4", "length": "10", "bos": "true"})
    with pythia_cli.load("demo", 3000, n_threads=1) as model:
        figures = measure.take(model, "previous-token", tmp_path / "rows.tsv", SILENT)
        rows = model.heads(["previous-token"], n_sequences=4, length=10, bos=True)
    found = {(one.group, one.name): one for one in figures}
    best = max(rows, key=lambda row: row["score"])
    assert found[None, "max_score"].value == best["score"]
    assert found[None, "max_score"].stderr == best["stderr"]
    assert found[None, "mean_score"].value == pytest.approx(sum(r["score"] for r in rows) / 24)
    for row in rows:
        head = f"{row['layer']}.{row['head']}"
        assert found[head, "score"].value == row["score"]
        assert found[head, "attention"].value == row["attention"]
    assert {one.n for one in figures} == {4}
    assert [row["score"] for row in read_rows(tmp_path / "rows.tsv")] == [r["score"] for r in rows]


def test_kinds_and_options_are_checked_before_a_model_is_open() -> None:
    measure = SweptHeads()
    measure.check("induction", SILENT)
    assert measure.sha256("induction") != measure.sha256("duplicate-token")
    with pytest.raises(UnknownName):
        measure.check("inductive", SILENT)
    with pytest.raises(InvalidValue):
        SweptHeads(sequences=0).check("induction", SILENT)


def test_sequences_that_do_not_fit(tmp_path: Path) -> None:
    with pythia_cli.load("demo", 0) as model, pytest.raises(InvalidValue, match="context of 512"):
        SweptHeads(length=300).take(model, "induction", tmp_path / "rows.tsv", SILENT)
