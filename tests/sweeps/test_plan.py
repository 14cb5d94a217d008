"""Cells are named by all that determines their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pythia_cli.errors import IntegrityError
from pythia_cli.sweeps import plan as plan_module
from pythia_cli.sweeps.making import WantedMeasure
from pythia_cli.sweeps.plan import SweepPlan

Planned = Callable[..., SweepPlan]


def key(plan: SweepPlan) -> str:
    return plan.cells_of(plan.checkpoints[0])[0].key


def test_a_cell_is_another_one_if_its_figures_may_be(
    planned: Planned, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs)
    first = planned(wanted)
    keys = {
        key(first),
        key(planned(replace(wanted, options={"leading_space": True}))),
        key(planned(wanted, precision="fast")),
        key(planned(wanted, dtype="float32")),
        key(replace(first, plain_text=True)),
    }
    path = inputs / "pairs.jsonl"
    path.write_text(path.read_text().replace("barks", "bark"))
    keys.add(key(planned(wanted)))
    monkeypatch.setitem(plan_module.ARITHMETIC, "exact", 99)
    keys.add(key(planned(wanted)))
    assert len(keys) == 7


def test_only_cells_of_a_precision_depend_on_its_arithmetic(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = planned(), planned(precision="fast")
    before = [key(plan) for plan in plans]
    monkeypatch.setitem(plan_module.ARITHMETIC, "fast", 99)
    after = [key(planned()), key(planned(precision="fast"))]
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("precision", ["medium", None, 3, ["fast"], {}])
def test_a_damaged_precision_is_said(planned: Planned, precision: object) -> None:
    content = {**planned().to_dict(), "precision": precision}
    with pytest.raises(IntegrityError, match="precision"):
        SweepPlan.of_dict(content, "plan.json")


def test_it_is_the_same_one_under_another_label_or_file_name(
    planned: Planned, inputs: Path
) -> None:
    wanted = WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs)
    (inputs / "copy.jsonl").write_bytes((inputs / "pairs.jsonl").read_bytes())
    again = replace(wanted, label="grammar", inputs=["copy.jsonl"])
    assert key(planned(wanted)) == key(planned(again))


def test_it_is_read_as_it_was_written(planned: Planned) -> None:
    plan = planned()
    content = json.loads(json.dumps(plan.to_dict()))
    assert SweepPlan.of_dict(content, "plan.json") == plan
    assert plan.n_cells == 4
    assert [str(cell) for cell in plan.cells_of(plan.checkpoints[1])] == [
        "pairs of pairs.jsonl at demo@64",
        "perplexity of text.txt at demo@64",
    ]


@pytest.mark.parametrize("change", [{"version": 2}, {"measures": 3}, {"checkpoints": [["demo"]]}])
def test_a_damaged_plan(planned: Planned, change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="is not the plan of a sweep"):
        SweepPlan.of_dict({**planned().to_dict(), **change}, "plan.json")
