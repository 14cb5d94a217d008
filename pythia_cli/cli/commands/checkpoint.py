"""`pythia checkpoint`: the group of commands about checkpoints."""

from __future__ import annotations

import typer

from pythia_cli.cli.commands.checkpoint_audit import audit
from pythia_cli.cli.commands.checkpoint_current import current
from pythia_cli.cli.commands.checkpoint_list import list_checkpoints
from pythia_cli.cli.commands.checkpoint_remove import remove
from pythia_cli.cli.commands.checkpoint_use import use
from pythia_cli.cli.commands.checkpoint_verify import verify
from pythia_cli.cli.grouped import Commands, Grouped

commands = typer.Typer(
    cls=Commands, help="List, choose, verify and remove checkpoints; audit those on the Hub."
)


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


commands.command("list", cls=Grouped)(list_checkpoints)
for command in (use, current, remove, verify, audit):
    commands.command(cls=Grouped)(command)
