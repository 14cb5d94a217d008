"""`pythia checkpoint audit`: what is wrong with a model's branches on the Hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from pythia_cli import settings
from pythia_cli.cli import completing, opening, options
from pythia_cli.cli.render import Notices


def audit(
    model: Annotated[
        str | None,
        options.model_option("Default: the active checkpoint's.", completing.published_models),
    ] = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask the Hub for the hashes of all steps, and report duplicates and missing weights.

    Nothing is downloaded. Reported problems that the hashes cannot show are listed too.

    Example:

      pythia checkpoint audit -m pythia-410m
    """
    from pythia_cli.checkpoints.audit import audit as ask
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.known_problems import known_problem
    from pythia_cli.suite.steps import steps_of

    notices = Notices(quiet=quiet, verbose=False)
    settings.check_hub_endpoint()
    named = opening.name_checkpoint(model, None, opening.open_store(store)).model
    steps = steps_of(named) or ()
    with notices.progress(f"asking for {named}", len(steps), "steps") as progress:
        found = ask(named, progress)
    reported = {s: p for s in steps if (p := known_problem(Checkpoint(named, s))) is not None}
    if as_json:
        typer.echo(json.dumps({**asdict(found), "reported": reported}))
        return
    typer.echo(f"{named}: {found.n_branches} of {len(steps)} steps are on the Hub")
    for group in found.same_weights:
        typer.echo(f"the same weights: steps {_steps(group)}")
    for group in found.same_shards:
        typer.echo(f"some shards the same: steps {_steps(group)}")
    if found.no_weights:
        typer.echo(f"no weights: steps {_steps(found.no_weights)}")
    if found.no_branch:
        typer.echo(f"no branch: steps {_steps(found.no_branch)}")
    for problem in sorted(set(reported.values())):
        of = [step for step, text in reported.items() if text == problem]
        typer.echo(f"reported: {problem}: steps {_steps(of)}")


def _steps(steps: list[int]) -> str:
    return ", ".join(map(str, steps))
