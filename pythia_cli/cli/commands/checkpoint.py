"""`pythia checkpoint`: the group of commands about checkpoints."""

from __future__ import annotations

from typing import ClassVar

import typer

from pythia_cli.cli.group import Commands


class _CheckpointCommands(Commands):
    places: ClassVar = {
        "list": "checkpoint_list:list_checkpoints",
        "use": "checkpoint_use:use",
        "current": "checkpoint_current:current",
        "remove": "checkpoint_remove:remove",
        "verify": "checkpoint_verify:verify",
        "audit": "checkpoint_audit:audit",
    }


commands = typer.Typer(
    cls=_CheckpointCommands,
    help="List, choose, verify and remove checkpoints; audit those on the Hub.",
    rich_markup_mode=None,
    add_completion=False,
)


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
