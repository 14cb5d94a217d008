"""How far a sweep is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.errors import ResourceError
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.status import status_of
from tests.sweeps.test_folder import result_of


def test_each_state(tmp_path: Path, planned: Callable[..., SweepPlan]) -> None:
    plan, folder = planned(), SweepFolder(tmp_path / "run")
    folder.write_plan(plan)
    found = status_of(folder)
    assert (found.count("pending"), found.cells_per_minute, found.seconds_left) == (4, None, None)
    first, other = plan.checkpoints
    cell, failing = plan.cells_of(first)
    folder.publish(cell, result_of(cell))
    folder.record_failure(first, failing, ResourceError("x", "no"), 1.0)
    claim = folder.claim(other)
    assert claim is not None
    with claim:
        found = status_of(folder)
    states = [[one.state for one in row] for row in found.cells.values()]
    assert states == [["done", "failed"], ["running", "running"]]
    assert found.cells_per_minute == pytest.approx(40)
    assert found.seconds_left == pytest.approx(3.0)
    content = found.to_dict()
    assert (content["done"], content["failed"], content["cells"]) == (1, 1, 4)
    assert content["failures"][0]["where"] == "perplexity of text.txt at demo@0"


def test_a_lost_checkpoint_loses_what_is_pending(
    tmp_path: Path, planned: Callable[..., SweepPlan]
) -> None:
    plan, folder = planned(), SweepFolder(tmp_path / "run")
    folder.write_plan(plan)
    first = plan.checkpoints[0]
    cell = plan.cells_of(first)[0]
    folder.publish(cell, result_of(cell))
    folder.record_failure(first, None, ResourceError("x", "no"), 1.0)
    found = status_of(folder)
    assert [one.state for one in found.cells[first]] == ["done", "failed"]
    assert [where for where, _ in found.failures] == ["demo@0"]


def test_a_lost_checkpoint_without_missing_cells_is_no_failure(
    tmp_path: Path, planned: Callable[..., SweepPlan]
) -> None:
    plan, folder = planned(), SweepFolder(tmp_path / "run")
    folder.write_plan(plan)
    first = plan.checkpoints[0]
    for cell in plan.cells_of(first):
        folder.publish(cell, result_of(cell))
    folder.record_failure(first, None, ResourceError("x", "no"), 1.0)
    assert status_of(folder).failures == []
