"""`pythia checkpoint`: which checkpoints there are, and which is active."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pythia_cli.cli import completing, installing, opening, options
from pythia_cli.cli.commands.checkpoint_audit import audit
from pythia_cli.cli.commands.checkpoint_list import list_checkpoints
from pythia_cli.cli.commands.checkpoint_remove import remove
from pythia_cli.cli.commands.checkpoint_verify import verify
from pythia_cli.cli.grouped import Grouped
from pythia_cli.cli.render import Notices

commands = typer.Typer(help="List, choose, verify and remove checkpoints; audit those on the Hub.")


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


commands.command("list", cls=Grouped)(list_checkpoints)


@commands.command(cls=Grouped)
def use(
    step: Annotated[
        str,
        typer.Argument(
            autocompletion=completing.checkpoints,
            help="A step (3000, step3000, main) or MODEL@STEP.",
        ),
    ],
    model: options.OfModel = None,
    store: options.StoreFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Make a checkpoint the one that commands use when none is named.

    Examples:

      pythia checkpoint use 512

      pythia checkpoint use pythia-410m@143000
    """
    from pythia_cli.errors import UsageError

    where = opening.open_store(store)
    notices = Notices(quiet=quiet, verbose=False)
    named_model, at, named_step = step.rpartition("@")
    if named_step == "" or (at and named_model == "") or (at and model is not None):
        raise UsageError(
            f"{step!r} is not one step or MODEL@STEP", hint="pythia checkpoint use demo@512"
        )
    checkpoint = opening.name_checkpoint(named_model if at else model, named_step, where)
    if checkpoint.model == opening.DEFAULT.model and where.find(checkpoint) is None:
        installing.install_demo(checkpoint, where, notices)
    where.use(checkpoint)
    notices.say(f"{checkpoint} is now active")


@commands.command(cls=Grouped)
def current(store: options.StoreFolder = None, as_json: options.Json = False) -> None:
    """Print the active checkpoint.

    Example:

      pythia checkpoint current
    """
    checkpoint = opening.open_store(store).active() or opening.DEFAULT
    record = {"model": checkpoint.model, "step": checkpoint.step, "checkpoint": checkpoint.revision}
    typer.echo(json.dumps(record) if as_json else str(checkpoint))


commands.command(cls=Grouped)(remove)
commands.command(cls=Grouped)(verify)
commands.command(cls=Grouped)(audit)
