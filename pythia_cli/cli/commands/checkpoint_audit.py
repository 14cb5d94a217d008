"""`pythia checkpoint audit`: finds problems in a model's branches on the Hub."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pythia_cli.cli import completing, options
from pythia_cli.cli.output import Notices


def audit(
    model: Annotated[
        str | None,
        options.model_option("Default: the active model.", completing.published_models),
    ] = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare the hashes of all steps on the Hub, and list duplicate and missing weights.

    Downloads no weights. Also lists what is reported of the model and its steps, which hashes
    cannot show.

    Example:

      pythia checkpoint audit -m pythia-410m
    """
    from pythia_cli.checkpoints.audit import audit as ask
    from pythia_cli.checkpoints.resolve import resolve_model

    notices = Notices(quiet=quiet)
    found = ask(resolve_model(model, options.open_store(store)), reporter=notices)
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
        return
    n_steps = found.n_branches + len(found.no_branch)
    typer.echo(f"{found.model}: {found.n_branches} of {n_steps} steps are on the Hub")
    for group in found.same_weights:
        typer.echo(f"the same weights: steps {_steps(group)}")
    for group in found.same_shards:
        typer.echo(f"some shards the same: steps {_steps(group)}")
    if found.no_weights:
        typer.echo(f"no weights: steps {_steps(found.no_weights)}")
    if found.no_branch:
        typer.echo(f"no branch: steps {_steps(found.no_branch)}")
    if found.answered_by is not None:
        typer.echo(f"the Hub answered for {found.answered_by}")
    if found.main_differs:
        typer.echo("main holds other files than the last step")
    for note in found.notes:
        typer.echo(f"reported: {note}")
    for problem in sorted(set(found.reported.values())):
        of = [step for step, text in found.reported.items() if text == problem]
        typer.echo(f"reported: {problem}: steps {_steps(of)}")


def _steps(steps: list[int]) -> str:
    from pythia_cli.suite.step_sets import as_ranges

    return as_ranges(steps).replace(",", ", ")
