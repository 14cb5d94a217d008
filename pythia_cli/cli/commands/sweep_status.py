"""`pythia sweep status`: how far a sweep is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pythia_cli.cli import options

_MOST_FAILURES = 10


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the sweep.")],
    as_json: options.Json = False,
) -> None:
    """Show which cells of a sweep are done (#), running (>), failed (x) or pending (.), and why.

    A column has a character for each input of its measure.

    Examples:

      pythia sweep status runs/grammar

      pythia sweep status runs/grammar --json | jq .seconds_left
    """
    from pythia_cli.cli.sweep_grid import duration, grid_lines, in_words
    from pythia_cli.sweeps.folder import SweepFolder
    from pythia_cli.sweeps.status import status_of
    from pythia_cli.text.printable import one_line

    found = status_of(SweepFolder(folder))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **found.to_dict()}))
        return
    for line in grid_lines(found):
        typer.echo(one_line(line))
    for where, failure in found.failures[:_MOST_FAILURES]:
        tried = f" ({failure.attempts} times)" if failure.attempts > 1 else ""
        typer.echo(one_line(f"failed{tried}: {where}: {failure.error}"))
    if (more := len(found.failures) - _MOST_FAILURES) > 0:
        typer.echo(f"and {more} more; --json has them all")
    line = in_words(found)
    if found.cells_per_minute is not None:
        line += f"; {found.cells_per_minute:.3g} cells a minute"
        if found.seconds_left:
            line += f", about {duration(found.seconds_left)} left, with one process"
    typer.echo(line)
