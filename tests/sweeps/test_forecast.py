"""What a sweep would do, before it does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pythia_cli.checkpoints.store import Store
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.forecast import forecast
from pythia_cli.sweeps.making import WantedMeasure, WantedSweep, make_plan
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.sweep import HowToRun
from tests.checkpoints.conftest import Serve
from tests.fakes.random_suite import MODEL, make_random_steps
from tests.sweeps.test_folder import result_of


def test_what_is_there_is_not_fetched(
    tmp_path: Path, planned: Callable[..., SweepPlan], demo_store: Store
) -> None:
    plan, folder = planned(), SweepFolder(tmp_path / "run")
    found = forecast(folder, plan, demo_store, HowToRun())
    assert (found.n_cells, found.n_done, found.sizes, found.seconds) == (4, 0, {}, None)
    folder.write_plan(plan)
    cell = plan.cells_of(plan.checkpoints[0])[0]
    folder.publish(cell, result_of(cell))
    found = forecast(folder, plan, demo_store, HowToRun())
    assert (found.n_done, found.seconds) == (1, 3 * 1.5)
    assert forecast(folder, plan, demo_store, HowToRun(shard=(2, 2))).n_cells == 2


def test_sizes_are_those_of_the_hub(
    tmp_path: Path, inputs: Path, store: Store, serve: Serve
) -> None:
    hub = serve(make_random_steps(tmp_path / "hub", (0,)))
    wanted = WantedMeasure("perplexity", ["text.txt"], folder=inputs)
    plan = make_plan(WantedSweep([MODEL], [0, 1], [wanted]), store)
    found = forecast(SweepFolder(tmp_path / "run"), plan, store, HowToRun())
    content = found.to_dict()
    assert list(content["bytes"]) == [f"{MODEL}@0"]
    assert content["bytes"][f"{MODEL}@0"] > 28_000_000
    assert list(content["unavailable"]) == [f"{MODEL}@1"]
    assert not (tmp_path / "run").exists()
    assert hub.transfers == []
