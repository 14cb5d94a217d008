"""The folder of a sweep: claims, results that appear whole, and failures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import IntegrityError, NotFound, ResourceError
from pythia_cli.sweeps.figures import Figure
from pythia_cli.sweeps.folder import CellResult, SweepFolder
from pythia_cli.sweeps.plan import Cell, SweepPlan
from pythia_cli.sweeps.problems import InputChanged, NoSweep, PlanInUse

RESULT = CellResult(
    {"model": "demo", "step": 0, "tokens_seen": None},
    {"measure": "pairs", "options": {}},
    {"name": "pairs.jsonl", "source": "/pairs.jsonl", "sha256": "0"},
    {"precision": "exact", "source": {"sha256": "0"}, "quantization": "q"},
    None,
    [Figure(None, "accuracy", 0.5, 0.1, 4), Figure("a", "n_ties", 0, None, 4)],
    1.5,
    1e9,
)


def result_of(cell: Cell, **changes: Any) -> CellResult:
    """Such a result of this cell."""
    own = {"checkpoint": cell.checkpoint.to_dict(), "input": vars(cell.input)}
    return replace(RESULT, **own, **changes)


@pytest.fixture
def plan(planned: Callable[..., SweepPlan]) -> SweepPlan:
    return planned()


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path / "runs" / "a")


def test_a_plan_is_kept(folder: SweepFolder, plan: SweepPlan) -> None:
    with pytest.raises(NoSweep, match="holds no sweep"):
        folder.read_plan()
    folder.write_plan(plan)
    assert folder.read_plan() == plan
    written = (folder.path / "plan.json").stat().st_mtime_ns
    folder.write_plan(plan)
    assert (folder.path / "plan.json").stat().st_mtime_ns == written
    (folder.path / "plan.json").write_text("{}")
    with pytest.raises(IntegrityError, match="is not the plan of a sweep"):
        folder.read_plan()


def test_one_process_has_a_checkpoint(folder: SweepFolder, plan: SweepPlan) -> None:
    first, other = plan.checkpoints
    assert not folder.is_claimed(first)
    claim = folder.claim(first)
    assert claim is not None
    assert folder.claim(first) is None
    assert folder.is_claimed(first)
    assert not folder.is_claimed(other)
    claim.close()
    assert not folder.is_claimed(first)


def test_a_result_is_found_again(folder: SweepFolder, plan: SweepPlan) -> None:
    cell, other = plan.cells_of(plan.checkpoints[0])
    assert folder.finished(cell.checkpoint) == set()
    with pytest.raises(NotFound):
        folder.result(cell)
    folder.publish(cell, result_of(cell))
    assert folder.result(cell) == result_of(cell)
    # The rows of a cell, and what a killed process leaves, are no results.
    folder.rows(other).with_name(f"{other.name}.tsv.meta.json").write_text("{}")
    folder.rows(other).with_name(f".{other.name}.json-0123456789ab").write_text("{")
    assert folder.finished(cell.checkpoint) == {cell.name}
    folder.publish(other, result_of(other))
    names = {path.name for path in folder.rows(cell).parent.iterdir()}
    assert not any(name.startswith(".") for name in names)


def test_a_result_of_another_cell_is_none(folder: SweepFolder, plan: SweepPlan) -> None:
    (cell, _), (later, _) = (plan.cells_of(one) for one in plan.checkpoints)
    folder.publish(cell, result_of(cell))
    folder.rows(later).parent.mkdir(parents=True)
    shutil.copy(folder.rows(cell).with_suffix(".json"), folder.rows(later).with_suffix(".json"))
    with pytest.raises(IntegrityError, match="of another cell"):
        folder.result(later)


def test_a_plan_that_is_worked_on_is_not_replaced(folder: SweepFolder, plan: SweepPlan) -> None:
    folder.write_plan(plan)
    another = replace(plan, precision="fast")
    claim = folder.claim(plan.checkpoints[1], ahead=True)
    assert claim is not None
    with claim:
        folder.write_plan(plan)
        with pytest.raises(PlanInUse):
            folder.write_plan(another)
    folder.write_plan(another)
    assert folder.read_plan() == another


def test_a_next_checkpoint_may_be_taken(folder: SweepFolder, plan: SweepPlan) -> None:
    first, other = plan.checkpoints
    ahead = folder.claim(first, ahead=True)
    assert ahead is not None
    assert folder.claim(first, ahead=True) is None
    assert (folder.is_next(first), folder.is_running(first)) == (True, False)
    assert folder.is_claimed(first)
    claim = folder.claim(first)
    assert claim is not None
    assert folder.is_running(first)
    claim.close()
    ahead.close()
    assert not folder.is_claimed(first)
    assert not folder.is_claimed(other)


def test_a_reader_sees_claims_without_the_right_to_write(
    folder: SweepFolder, plan: SweepPlan
) -> None:
    claim = folder.claim(plan.checkpoints[0])
    assert claim is not None
    (lock,) = (folder.path / "locks").iterdir()
    lock.chmod(0o444)
    with claim:
        assert folder.is_claimed(plan.checkpoints[0])
    assert not folder.is_claimed(plan.checkpoints[0])


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 2}', '{"version": 1, "figures": 3}'])
def test_a_damaged_result(folder: SweepFolder, plan: SweepPlan, content: str) -> None:
    cell = plan.cells_of(plan.checkpoints[0])[0]
    folder.publish(cell, result_of(cell))
    path = folder.rows(cell).with_suffix(".json")
    path.write_text(content)
    with pytest.raises(IntegrityError, match=path.name):
        folder.result(cell)


def test_failures_are_counted_and_forgotten(folder: SweepFolder, plan: SweepPlan) -> None:
    cell, other = plan.cells_of(plan.checkpoints[0])
    for when in (1.0, 2.0):
        folder.record_failure(cell.checkpoint, cell, InputChanged("pairs.jsonl"), when)
    failure = folder.failure(cell.checkpoint, cell.name)
    assert failure is not None
    assert (failure.kind, failure.attempts, failure.when) == ("InputError", 2, 2.0)
    assert "was changed while the sweep ran" in failure.error
    folder.record_failure(cell.checkpoint, None, ResourceError("x", "no"), 3.0)
    assert folder.failed(cell.checkpoint) == {cell.name, "checkpoint"}
    folder.forget_failure(cell.checkpoint)
    folder.publish(other, result_of(other))  # of another cell: the failure stays
    assert folder.failed(cell.checkpoint) == {cell.name}
    folder.publish(cell, result_of(cell))
    folder.record_failure(cell.checkpoint, cell, ResourceError("x", "no"), 1.0)
    (path,) = folder.path.glob("failures/*/*/*.json")
    path.write_text("")
    damaged = folder.failure(cell.checkpoint, cell.name)
    assert damaged is not None
    assert "is damaged" in damaged.error
    folder.forget_failure(cell.checkpoint, cell.name)
    assert folder.failed(cell.checkpoint) == set()
    assert not (folder.path / "failures").exists()
    assert folder.failure(cell.checkpoint, cell.name) is None


def test_a_folder_that_cannot_be_written(tmp_path: Path, plan: SweepPlan) -> None:
    (tmp_path / "file").write_text("")
    folder = SweepFolder(tmp_path / "file")
    with pytest.raises(ResourceError, match="cannot be written"):
        folder.write_plan(plan)
    with pytest.raises(ResourceError, match="cannot be written"):
        folder.publish(plan.cells_of(plan.checkpoints[0])[0], RESULT)


def test_results_are_json(folder: SweepFolder, plan: SweepPlan) -> None:
    cell = plan.cells_of(plan.checkpoints[0])[0]
    folder.publish(cell, result_of(cell))
    content = json.loads(folder.rows(cell).with_suffix(".json").read_text())
    assert content["figures"][0] == [None, "accuracy", 0.5, 0.1, 4]
