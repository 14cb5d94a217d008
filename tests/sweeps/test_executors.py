"""Where a sweep runs, by name."""

from __future__ import annotations

import pytest

from pythia_cli.errors import InvalidValue, UsageError
from pythia_cli.sweeps import executors
from pythia_cli.sweeps.executors import run_on
from pythia_cli.sweeps.sweep import HowToRun, sweep
from tests.sweeps.clusters import Twelve


@pytest.mark.parametrize("on", ["slrum", "dask", "dask=", "dask=localhost:8786", None])
def test_an_unknown_place(twelve: Twelve, on: str | None) -> None:
    with pytest.raises(InvalidValue, match="slurm, or dask=tcp"):
        run_on(on, twelve.planned("nowhere"), twelve.store, HowToRun())


def test_what_does_not_go_together(twelve: Twelve) -> None:
    folder = twelve.planned("nowhere")
    with pytest.raises(InvalidValue, match="shard"):
        run_on("slurm", folder, twelve.store, HowToRun(shard=(1, 2)))
    with pytest.raises(UsageError, match="detach"):
        run_on("dask=tcp://host:1", folder, twelve.store, HowToRun(), detach=True)
    with pytest.raises(UsageError, match="slurm"):
        run_on(None, folder, twelve.store, HowToRun(), slurm={"time": 5})


def test_from_python(twelve: Twelve, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = twelve.planned("from-python").path
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        executors, "run_on", lambda on, *given, **more: asked.append((on, more["slurm"]))
    )
    found = sweep(folder, on="slurm", slurm={"cpus": 8}, store=twelve.store)
    assert asked == [("slurm", {"cpus": 8})]
    assert found.status().count("pending") == found.plan.n_cells
