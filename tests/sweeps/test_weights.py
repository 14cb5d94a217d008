"""Weights in a sweep: figures of all and of each parameter; float files are kept for them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import pythia_cli
from pythia_cli.checkpoints.install import install
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import UnknownName
from pythia_cli.reporting import SILENT
from pythia_cli.sweeps.measures import measure_of
from pythia_cli.sweeps.weights import SweptWeights
from pythia_cli.tables.read_table import read_rows
from tests.checkpoints.conftest import Serve
from tests.fakes.random_suite import MODEL, make_random_steps

DENSE = "attention.dense.weight"


@pytest.fixture(scope="module")
def model(demo_store: Store) -> pythia_cli.Model:
    return pythia_cli.load("demo", 64, store=demo_store, n_threads=1)


def test_figures(model: pythia_cli.Model, tmp_path: Path) -> None:
    figures = SweptWeights().take(model, "all", tmp_path / "rows.tsv", SILENT)
    floats = model.opened.float_checkpoint()
    values = np.concatenate([floats.tensor(name).ravel() for name in floats._places])
    found = {(one.group, one.name): one for one in figures}
    assert found[None, "frobenius_norm"].value == pytest.approx(np.linalg.norm(values), rel=1e-6)
    assert found[None, "rms"].value == pytest.approx(np.sqrt(np.mean(values**2)), rel=1e-6)
    assert found[None, "rms"].n == len(floats._places)
    rows = model.weight_figures()
    for group, part in ((DENSE, None), ("attention.query_key_value.weight.k", "k")):
        name = group.removesuffix(".k")
        own = [row for row in rows if row["parameter"] == name and row["part"] == part]
        assert len(own) == 6
        for figure in ("frobenius_norm", "rms", "spectral_norm", "stable_rank", "effective_rank"):
            mean = math.fsum(row[figure] for row in own) / 6
            assert found[group, figure].value == pytest.approx(mean)
            assert (found[group, figure].n, found[group, figure].stderr) == (6, None)
    assert ("final_layer_norm.bias", "stable_rank") not in found
    assert (figures[0].group, figures[0].name) == (None, "frobenius_norm")
    written = list(read_rows(tmp_path / "rows.tsv"))
    assert [row["effective_rank"] for row in written] == [row["effective_rank"] for row in rows]


def test_inputs_are_names_of_parameters(model: pythia_cli.Model, tmp_path: Path) -> None:
    measure = SweptWeights()
    figures = measure.take(model, "attention.d*.weight", tmp_path / "rows.tsv", SILENT)
    assert {one.group for one in figures} == {None, DENSE}
    measure.check("all", SILENT)
    assert measure.sha256("attention.d*.weight") == measure.sha256(DENSE) != measure.sha256("all")
    with pytest.raises(UnknownName, match="unknown parameter 'embed'"):
        measure.check("embed", SILENT)
    with pytest.raises(UnknownName, match="unknown option of weights 'x'"):
        measure_of("weights", {"x": 1})


def test_float_files_are_kept_for_it(serve: Serve, store: Store, tmp_path: Path) -> None:
    serve(make_random_steps(tmp_path / "random", (0, 1, 2)))
    install(MODEL, 0, store=store)  # before, without them
    failures: list[tuple[str, str]] = []
    swept = pythia_cli.sweep(
        tmp_path / "run", MODEL, [0, 1, 2], {"weights": "all"}, store=store, n_threads=1,
        failed=lambda where, error: failures.append((where, str(error))),
    )  # fmt: skip
    rows = [row for row in swept.table() if row["figure"] == "frobenius_norm"]
    assert {row["step"] for row in rows if row["value"]} == {1, 2}
    assert failures == [
        (f"weights of all at {MODEL}@0",
         f"the float checkpoint that {MODEL}@0 was made from was not kept"),
    ]  # fmt: skip
