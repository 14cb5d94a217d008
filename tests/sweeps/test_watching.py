"""A sweep that others work on, watched: what is done, and what failed."""

from __future__ import annotations

from pythia_cli.errors import UsageError
from pythia_cli.sweeps.sweep import HowToRun, run_sweep
from pythia_cli.sweeps.watching import SweepWatch
from tests.sweeps.clusters import N_CHECKPOINTS, Notes, Twelve

N_CELLS = 3 * N_CHECKPOINTS


def test_a_watch_counts_and_reports(twelve: Twelve) -> None:
    folder = twelve.planned("watched")
    first, second = folder.read_plan().checkpoints[:2]
    notes = Notes()
    with SweepWatch(folder, reporter=notes) as watch:
        assert watch.counts == (0, 0, N_CELLS)
        run_sweep(folder, twelve.store, HowToRun(shard=(1, N_CHECKPOINTS)))
        assert watch.look() == (3, 0, N_CELLS - 3)
        cell = folder.read_plan().cells_of(second)[0]
        folder.record_failure(second, cell, UsageError("no text"), 1.0)
        assert watch.look() == (3, 1, N_CELLS - 4)
        assert watch.look() == (3, 1, N_CELLS - 4)
        assert notes.having("no text") == f"failed: {second}: no text"
        folder.record_failure(second, None, UsageError("no weights"), 1.0)
        assert watch.look() == (3, 3, N_CELLS - 6)
        assert first not in watch.checkpoints
        assert second not in watch.checkpoints
    assert SweepWatch(folder).counts.n_left == N_CELLS - 6
    again = SweepWatch(folder, retry=True)
    assert again.look().n_left == N_CELLS - 3
    folder.record_failure(second, None, UsageError("still no weights"), 2.0)
    assert again.look() == (0, 3, N_CELLS - 6)
