"""`pythia checkpoint`: which checkpoints there are, and which is active."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import opening, options
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from pythia_cli.store import Installed
    from pythia_cli.suite import Checkpoint

commands = typer.Typer(help="List checkpoints, and choose the one that commands use.")


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command("list")
def list_checkpoints(
    store: options.StoreFolder = None,
    as_json: options.Json = False,
) -> None:
    """List the installed checkpoints; * marks the active one.

    Example:

      pythia checkpoint list
    """
    from pythia_cli.errors import PythiaError

    where = opening.open_store(store)
    active = where.active() or opening.DEFAULT
    everything = where.installed()
    if not everything:
        Notices(quiet=False, verbose=False).say(
            f"no checkpoint is installed in {where.folder} yet; the built-in demo comes by itself"
        )
    for installed in everything:
        try:
            record = _record(installed, active)
        except PythiaError as error:  # one that is damaged hides no other
            Notices(quiet=False, verbose=False).say(f"{installed.checkpoint}: {error}")
            continue
        if as_json:
            typer.echo(json.dumps(record))
            continue
        certificate = record["certificate"]
        typer.echo(
            f"{'*' if record['active'] else ' '} {installed.checkpoint}"
            f"  {record['n_bytes'] / 1e6:.1f} MB"
            + (f"  KL {certificate['kl_mean']:.2g}" if certificate else "")
        )


@commands.command()
def use(
    step: Annotated[str, typer.Argument(help="A step (3000, step3000, main) or MODEL@STEP.")],
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", metavar="NAME", help="Default: the active checkpoint's."),
    ] = None,
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
        opening.install_demo(checkpoint, where, notices)
    where.use(checkpoint)
    notices.say(f"{checkpoint} is now active")


@commands.command()
def current(store: options.StoreFolder = None, as_json: options.Json = False) -> None:
    """Print the active checkpoint.

    Example:

      pythia checkpoint current
    """
    checkpoint = opening.open_store(store).active() or opening.DEFAULT
    record = {"model": checkpoint.model, "step": checkpoint.step, "checkpoint": checkpoint.revision}
    typer.echo(json.dumps(record) if as_json else str(checkpoint))


def _record(installed: Installed, active: Checkpoint) -> dict[str, Any]:
    checkpoint = installed.checkpoint
    return {
        "model": checkpoint.model,
        "checkpoint": checkpoint.revision,
        "step": checkpoint.step,
        "tokens_seen": checkpoint.tokens_seen,
        "n_bytes": installed.n_bytes(),
        "active": checkpoint == active,
        "certificate": installed.certificate(),
        "folder": str(installed.folder),
    }
