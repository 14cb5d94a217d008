"""Watches a sweep that others work on: how many cells they have done, and what failed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

from pythia_cli.reporting import NO_TASK, SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.folder import WHOLE, Failure, SweepFolder
from pythia_cli.sweeps.plan import Cell

_MOST_NOTED = 10  # failures


class SweepCounts(NamedTuple):
    """Cells that were measured and that failed since the watch began, and those that are left."""

    n_measured: int
    n_failed: int
    n_left: int


class SweepWatch:
    """What becomes of the cells that are missing. A context manager, which shows progress.

    retry: cells that failed earlier are missing too, until they are done or fail again. Reads
    names in the folder and nothing else, but for failures; it takes no claim. Raises NoSweep, and
    IntegrityError for a damaged plan.
    """

    def __init__(
        self, folder: SweepFolder, retry: bool = False, reporter: Reporter = SILENT
    ) -> None:
        self._folder, self._reporter = folder, reporter
        self._known: dict[tuple[Checkpoint, str], Failure | None] = {}
        self._left: dict[Checkpoint, list[Cell]] = {}
        self._n_measured = self._n_failed = self._n_noted = 0
        self._task = NO_TASK
        plan = folder.read_plan()
        for checkpoint in plan.checkpoints:
            settled = folder.finished(checkpoint)
            failed = folder.failed(checkpoint)
            self._known |= {(checkpoint, one): folder.failure(checkpoint, one) for one in failed}
            if not retry:
                settled |= failed
            if retry or WHOLE not in failed:
                cells = [one for one in plan.cells_of(checkpoint) if one.name not in settled]
                if cells:
                    self._left[checkpoint] = cells

    def __enter__(self) -> SweepWatch:
        self._stack = ExitStack()
        self._task = self._stack.enter_context(
            self._reporter.task("measuring", self.counts.n_left, "cells")
        )
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Those with cells that are left."""
        return list(self._left)

    @property
    def counts(self) -> SweepCounts:
        """As of the last look."""
        n_left = sum(map(len, self._left.values()))
        return SweepCounts(self._n_measured, self._n_failed, n_left)

    def look(self) -> SweepCounts:
        """Look into the folder; reports each new failure."""
        before = self.counts.n_left
        for checkpoint, cells in list(self._left.items()):
            done, failed = self._folder.finished(checkpoint), self._new_failures(checkpoint)
            left = []
            for cell in cells:
                if cell.name in done:
                    self._n_measured += 1
                elif cell.name in failed or WHOLE in failed:
                    self._n_failed += 1
                else:
                    left.append(cell)
            if left:
                self._left[checkpoint] = left
            else:
                del self._left[checkpoint]
        self._task.advance(before - self.counts.n_left)
        return self.counts

    def _new_failures(self, checkpoint: Checkpoint) -> set[str]:
        """The names of what failed of a checkpoint since the last look."""
        new = set()
        for name in self._folder.failed(checkpoint):
            failure = self._folder.failure(checkpoint, name)
            if failure is None or failure == self._known.get((checkpoint, name)):
                continue
            self._known[checkpoint, name] = failure
            new.add(name)
            self._n_noted += 1
            if self._n_noted <= _MOST_NOTED:
                self._reporter.note(f"failed: {checkpoint}: {failure.error}")
            elif self._n_noted == _MOST_NOTED + 1:
                self._reporter.note("more failed; the status of the sweep has them all")
        return new
