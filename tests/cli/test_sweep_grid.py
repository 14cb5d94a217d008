"""The grid of a sweep in a terminal."""

from __future__ import annotations

import pytest

from pythia_cli.cli.sweep_grid import duration, grid_lines, in_words
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.plan import PlannedMeasure, SweepInput, SweepPlan
from pythia_cli.sweeps.status import CellState, SweepStatus

STEPS = (0, 1, 2, 4, 1000, 2000, 3000)


def make(states: dict[int, str]) -> SweepStatus:
    inputs = tuple(SweepInput(name, name, name) for name in "ab")
    measures = (
        PlannedMeasure("pairs", "pairs", {}, inputs),
        PlannedMeasure("reading", "surprisal", {}, inputs[:1]),
    )
    plan = SweepPlan(tuple(Checkpoint("pythia-14m", step) for step in STEPS), measures)
    cells = {
        one: [
            CellState(cell, state)
            for cell, state in zip(
                plan.cells_of(one), states.get(one.step, "done done done").split(), strict=True
            )
        ]
        for one in plan.checkpoints
    }
    return SweepStatus(plan, cells, [], None)


def test_checkpoints_alike_share_a_line() -> None:
    found = make({4: "done failed running", 3000: "done pending pending"})
    assert [line.split() for line in grid_lines(found)] == [
        ["pairs", "reading"],
        ["pythia-14m", "0:2", "##", "#"],
        ["pythia-14m", "4", "#x", ">"],
        ["pythia-14m", "1000,2000", "##", "#"],
        ["pythia-14m", "3000", "#.", "."],
    ]
    assert in_words(found) == "17 of 21 cells done, 1 failed, 1 running, 2 pending"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3.4, "3 s"), (600, "10 min"), (7200, "2.0 h"), (400_000, "4.6 days")],
)
def test_times(seconds: float, words: str) -> None:
    assert duration(seconds) == words
