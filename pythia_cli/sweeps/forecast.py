"""What a sweep would do: which cells are missing, what is to be fetched, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pythia_cli.checkpoints.download import plan_download
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NotInstalled, PythiaError
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, MODELS
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.problems import NoSweep
from pythia_cli.sweeps.status import status_of
from pythia_cli.sweeps.sweep import HowToRun


@dataclass(frozen=True)
class Forecast:
    """sizes: bytes to fetch of each checkpoint; unknown: those that cannot be had, and why.

    seconds: to measure what is missing, as cells of this folder took; None if none is done.
    """

    checkpoints: list[Checkpoint]
    n_cells: int
    n_done: int
    sizes: dict[Checkpoint, int]
    unknown: dict[Checkpoint, PythiaError]
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "checkpoints": [str(one) for one in self.checkpoints],
            "cells": self.n_cells,
            "done": self.n_done,
            "bytes": {str(one): n for one, n in self.sizes.items()},
            "unavailable": {str(one): str(error) for one, error in self.unknown.items()},
            "seconds": self.seconds,
        }


def forecast(folder: SweepFolder, plan: SweepPlan, store: Store, how: HowToRun) -> Forecast:
    """Look at what there is, and ask the Hub for sizes. Raises what `plan_download` raises."""
    chosen = how.share_of(plan.checkpoints)
    n_done = 0
    missing = []
    for checkpoint in chosen:
        cells, done = plan.cells_of(checkpoint), folder.finished(checkpoint)
        n = sum(cell.name in done for cell in cells)
        n_done += n
        if n < len(cells) and checkpoint.model != DEMO and store.find(checkpoint) is None:
            missing.append(checkpoint)
    published = [one for one in missing if one.model in MODELS]
    unknown: dict[Checkpoint, PythiaError] = {
        one: NotInstalled(one.model, one.step, downloadable=False)
        for one in missing
        if one.model not in MODELS
    }
    sizes = {}
    if published:
        outcomes, plans = plan_download(store, published, offline=how.offline)
        sizes = {one.checkpoint: one.n_bytes for one in plans}
        unknown |= {one.checkpoint: one.error for one in outcomes if one.error is not None}
    n_cells = sum(len(plan.cells_of(one)) for one in chosen)
    rate = _rate(folder)
    seconds = None if rate is None else (n_cells - n_done) / rate * 60
    return Forecast(chosen, n_cells, n_done, sizes, unknown, seconds)


def _rate(folder: SweepFolder) -> float | None:
    """Cells a minute, of the plan that the folder has."""
    try:
        return status_of(folder).cells_per_minute
    except NoSweep:
        return None
