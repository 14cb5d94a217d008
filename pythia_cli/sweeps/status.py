"""How far a sweep is: its cells by checkpoint, what failed and why, and the time that is left."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.folder import WHOLE, Failure, SweepFolder
from pythia_cli.sweeps.plan import Cell, SweepPlan

DONE, RUNNING, FAILED, PENDING = "done", "running", "failed", "pending"
STATES = (DONE, RUNNING, FAILED, PENDING)
_SAMPLED = 20  # results that the time left is estimated from


@dataclass(frozen=True)
class CellState:
    """A cell and its state: done, running (of a claimed checkpoint), failed or pending."""

    cell: Cell
    state: str


@dataclass(frozen=True)
class SweepStatus:
    """cells: of each checkpoint, in the order of the plan. failures: what failed, and why."""

    plan: SweepPlan
    cells: dict[Checkpoint, list[CellState]]
    failures: list[tuple[str, Failure]]
    cells_per_minute: float | None
    """As a sample of the cells took, with one process; None if none is done."""

    def count(self, state: str) -> int:
        """How many cells are in a state."""
        return sum(one.state == state for row in self.cells.values() for one in row)

    @property
    def seconds_left(self) -> float | None:
        """For the cells that are pending or running, with one process; None if not known."""
        if self.cells_per_minute is None:
            return None
        return (self.count(PENDING) + self.count(RUNNING)) / self.cells_per_minute * 60

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{state: self.count(state) for state in STATES},
            "cells": self.plan.n_cells,
            "cells_per_minute": self.cells_per_minute,
            "seconds_left": self.seconds_left,
            "failures": [{"where": where, **vars(failure)} for where, failure in self.failures],
        }


def status_of(folder: SweepFolder) -> SweepStatus:
    """The status of a sweep; reads names of files, and few of them. Raises NoSweep."""
    plan = folder.read_plan()
    cells: dict[Checkpoint, list[CellState]] = {}
    failures: list[tuple[str, Failure]] = []
    all_done: list[Cell] = []
    for checkpoint in plan.checkpoints:
        done, failed = folder.finished(checkpoint), folder.failed(checkpoint)
        is_lost = WHOLE in failed
        row: list[CellState] = []
        is_claimed: bool | None = None
        for cell in plan.cells_of(checkpoint):
            if cell.name in done:
                state = DONE
                all_done.append(cell)
            elif cell.name in failed or is_lost:
                state = FAILED
                if not is_lost and (failure := folder.failure(checkpoint, cell.name)) is not None:
                    failures.append((str(cell), failure))
            else:
                if is_claimed is None:
                    is_claimed = folder.is_claimed(checkpoint)
                state = RUNNING if is_claimed else PENDING
            row.append(CellState(cell, state))
        cells[checkpoint] = row
        if is_lost and any(one.state == FAILED for one in row):
            failure = folder.failure(checkpoint, WHOLE)
            if failure is not None:
                failures.append((str(checkpoint), failure))
    return SweepStatus(plan, cells, failures, _rate(folder, all_done))


def _rate(folder: SweepFolder, done: list[Cell]) -> float | None:
    """Cells a minute, by the time that a sample of them took."""
    every = max(1, len(done) // _SAMPLED)
    seconds = []
    for cell in done[::every]:
        try:
            seconds.append(folder.result(cell).seconds)
        except (NotFound, IntegrityError):  # the table says so
            continue
    if not seconds:
        return None
    return 60 / max(statistics.fmean(seconds), 1e-3)
