"""`pythia checkpoint`: which checkpoints there are, and which is active."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import completing, installing, opening, options
from pythia_cli.cli.audit import audit
from pythia_cli.cli.grouped import Grouped
from pythia_cli.cli.remove import remove
from pythia_cli.cli.render import Notices
from pythia_cli.cli.verify import verify

if TYPE_CHECKING:
    from pythia_cli.store import Installed
    from pythia_cli.suite import Checkpoint

commands = typer.Typer(help="List, choose, verify and remove checkpoints; audit those on the Hub.")


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command("list", cls=Grouped)
def list_checkpoints(
    available: Annotated[
        bool,
        typer.Option("--available", help="All published steps of the model, installed or not."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME",
            autocompletion=completing.models,
            help="Only this model's. With --available: default the active checkpoint's.",
        ),
    ] = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
) -> None:
    """List the installed checkpoints; * marks the active one.

    Examples:

      pythia checkpoint list

      pythia checkpoint list --available -m pythia-410m
    """
    from pythia_cli.errors import PythiaError, UsageError
    from pythia_cli.suite import Checkpoint, steps_of

    where = opening.open_store(store)
    notices = Notices(quiet=False, verbose=False)
    active = where.active() or opening.DEFAULT
    everything = {i.checkpoint: i for i in where.installed()}
    wanted = list(everything)
    if available:
        named = opening.name_checkpoint(model, None, where).model
        steps = steps_of(named)
        if steps is None:
            raise UsageError(f"the published steps of {named} are not known")
        wanted = [Checkpoint(named, step) for step in steps]
    elif model is not None:
        named = opening.name_checkpoint(model, None, where).model
        wanted = [checkpoint for checkpoint in everything if checkpoint.model == named]
    if not wanted:
        what = "no checkpoint" if model is None else f"no checkpoint of {model}"
        notices.say(f"{what} is installed in {where.folder} yet; the built-in demo comes by itself")
    for checkpoint in wanted:
        try:
            record = _record(checkpoint, everything.get(checkpoint), active)
            line = json.dumps(record) if as_json else _line(checkpoint, record)
        except (PythiaError, OSError, KeyError, TypeError, ValueError) as error:
            notices.say(f"{checkpoint}: {error}")  # one that is damaged hides no other
            continue
        typer.echo(line)


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


def _record(
    checkpoint: Checkpoint, installed: Installed | None, active: Checkpoint
) -> dict[str, Any]:
    return {
        "model": checkpoint.model,
        "checkpoint": checkpoint.revision,
        "step": checkpoint.step,
        "tokens_seen": checkpoint.tokens_seen,
        "installed": installed is not None,
        "n_bytes": installed.n_bytes() if installed is not None else None,
        "active": checkpoint == active,
        "certificate": installed.certificate if installed is not None else None,
        "folder": str(installed.folder) if installed is not None else None,
    }


def _line(checkpoint: Checkpoint, record: dict[str, Any]) -> str:
    line = f"{'*' if record['active'] else ' '} {checkpoint!s:<24}"
    line += f" {record['n_bytes'] / 1e6:>9,.1f} MB" if record["installed"] else f" {'-':>12}"
    seen = record["tokens_seen"]
    line += f"  {seen / 1e9:>7.3f} G tokens" if seen is not None else ""
    if record["certificate"]:
        line += f"  KL {record['certificate']['kl_mean']:.2g}"
    return line.rstrip()
