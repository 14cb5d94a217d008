"""`pythia sweep`: the group of commands about sweeps; without a command's name it runs one."""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path
from typing import Any, ClassVar

import typer

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.group import Commands

_RUN = "run"


class _SweepCommands(Commands):
    places: ClassVar = {
        _RUN: "sweep_run:run",
        "status": "sweep_status:status",
        "table": "sweep_table:table",
        "plot": "sweep_plot:plot",
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click; `pythia sweep DIR ...` is `pythia sweep run DIR ...`.

        Raises CommandError for the name of a command that is misspelt.
        """
        if args and args[0] not in {*self.places, "-h", "--help"}:
            if not ctx.resilient_parsing:
                self._check_first(args)
            args = [_RUN, *args]
        return super().parse_args(ctx, args)

    def _check_first(self, args: list[str]) -> None:
        """A folder has no name behind it. It may be called `runs`."""
        name = args[0]
        if len(args) < 2 or args[1].startswith("-") or Path(name).exists():
            return
        for near in difflib.get_close_matches(name, self.places, 1):
            raise CommandError(
                f"{name!r} is no command of pythia sweep, and no folder; did you mean {near}?",
                f"pythia sweep {shlex.join([near, *args[1:]])}",
            )


commands = typer.Typer(
    cls=_SweepCommands,
    help="""Take the same measures at many checkpoints; look at what there is so far.

pythia sweep DIR is short for pythia sweep run DIR, whose options pythia sweep run --help shows.

Examples:

  pythia sweep runs/grammar -m pythia-410m -c 512,1000,main --pairs blimp/*.jsonl

  pythia sweep status runs/grammar

  pythia sweep plot runs/grammar -o curves.svg
""",
    rich_markup_mode=None,
    add_completion=False,
)


@commands.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
