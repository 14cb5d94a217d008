"""Runs a sweep for `pythia sweep`, and says what it did, or would do."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import typer

from pythia_cli import errors as library_errors
from pythia_cli.cli.errors import ExitStatus, status_of_kind
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError
from pythia_cli.text.printable import one_line

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.cli.sweep_place import Place
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.sweeps.folder import SweepFolder
    from pythia_cli.sweeps.forecast import Forecast
    from pythia_cli.sweeps.plan import SweepPlan
    from pythia_cli.sweeps.status import SweepStatus
    from pythia_cli.sweeps.sweep import HowToRun

_MOST_PRINTED = 10  # failures


def run_and_report(
    folder: SweepFolder,
    store: Store,
    how: HowToRun,
    notices: Notices,
    place: Place | None,
    *,
    as_json: bool,
) -> None:
    """Run the sweep. Raises Exit with the status of the first thing that failed, now or before.

    place: the cluster to run on; None for this process.
    """
    from dataclasses import replace

    from pythia_cli.cli import bus_errors
    from pythia_cli.cli.sweep_grid import in_words
    from pythia_cli.sweeps.status import status_of
    from pythia_cli.sweeps.sweep import run_sweep

    bus_errors.watch()
    failures = Failures(notices)

    n_failed = 0

    def failed(where: str, error: PythiaError) -> None:
        nonlocal n_failed
        n_failed += 1
        if n_failed <= _MOST_PRINTED:
            # An error that names its checkpoint need not be placed.
            failures.add(error, "" if where in str(error) else f"{where}: ")
        elif n_failed == _MOST_PRINTED + 1:
            notices.say(f"more failed: pythia sweep status {shlex.quote(str(folder.path))}")

    if place is None:
        run_sweep(folder, store, replace(how, failed=failed), notices)
    else:
        from pythia_cli.sweeps.executors import run_on

        run_on(place.on, folder, store, how, notices, slurm=place.slurm, detach=place.detach)
    found = status_of(folder)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder.path), **found.to_dict()}))
    elif place is not None and place.detach:
        typer.echo(f"{in_words(found)}: pythia sweep status {folder.path}")
    else:
        typer.echo(one_line(f"{in_words(found)}: {folder.path / 'table.csv'}"))
    again = f"pythia sweep {shlex.quote(str(folder.path))} --retry"
    if n_failed:
        notices.say(f"what failed is tried again with: {again}")
    failures.exit()
    if found.failures and not (place is not None and place.detach):
        when = " earlier" if place is None else ""
        notices.say(f"some failed{when}: {again}")
        raise typer.Exit(_first_status(found))


def _first_status(found: SweepStatus) -> ExitStatus:
    """The exit status of the first failure that is recorded."""
    kind = getattr(library_errors, found.failures[0][1].kind, PythiaError)
    return status_of_kind(kind)


def dry_run(
    folder: SweepFolder,
    plan: SweepPlan,
    store: Store,
    how: HowToRun,
    notices: Notices,
    *,
    as_json: bool,
) -> None:
    """Print what would be measured and fetched, and how long that takes as far as it is known."""
    from pythia_cli.sweeps.forecast import forecast

    found = forecast(folder, plan, store, how)
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
        return
    typer.echo(
        f"{len(found.checkpoints)} checkpoints, {found.n_cells} cells, {found.n_done} of them done"
    )
    typer.echo(_fetching(found))
    for checkpoint, error in found.unknown.items():
        notices.say(f"{checkpoint}: {error}")
    seconds = found.seconds
    typer.echo("time: not known before a cell is done" if seconds is None else _about(seconds))


def _fetching(found: Forecast) -> str:
    if found.sizes:
        return f"{_names(found.sizes)}: {sum(found.sizes.values()) / 1e6:,.1f} MB to fetch"
    return "nothing can be fetched" if found.unknown else "nothing to fetch"


def _names(checkpoints: dict[Checkpoint, int]) -> str:
    from pythia_cli.suite.step_sets import as_ranges

    by_model: dict[str, list[int]] = {}
    for checkpoint in checkpoints:
        by_model.setdefault(checkpoint.model, []).append(checkpoint.step)
    return "; ".join(f"{model} {as_ranges(steps)}" for model, steps in by_model.items())


def _about(seconds: float) -> str:
    from pythia_cli.cli.sweep_grid import duration

    return f"time to measure: about {duration(seconds)}, with one process"
