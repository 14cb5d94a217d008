"""Options of a sweep that name measures: each takes all the files behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from pythia_cli.cli.grouped import Grouped
from pythia_cli.sweeps.measures import NAMES

F = TypeVar("F", bound=Callable[..., None])

MEASURES = "What is measured"


def _inputs(help: str, metavar: str = "FILES...") -> Any:
    return Annotated[
        list[str] | None, typer.Option(metavar=metavar, help=help, rich_help_panel=MEASURES)
    ]


Perplexity = _inputs("Perplexity of each file.")
Surprisal = _inputs("Surprisal of words: the mean, and a table of them.")
Pairs = _inputs("Minimal pairs, such as BLiMP's: their accuracy.")
Choices = _inputs("Questions with choices: their accuracy.")
Memorize = _inputs("Rows of token ids, or texts: how much is memorized.")
Heads = _inputs("Attention heads: induction, previous-token, duplicate-token.", "KINDS...")
Weights = _inputs("Norms and spectra of parameters, by name, or of all.", "NAMES...")
InContext = _inputs("Loss late in a context minus the loss early in it, in each file.")
Tasks = _inputs("Tasks of lm-evaluation-harness.", "NAMES...")
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="MEASURE.OPTION=VALUE",
        rich_help_panel=MEASURES,
        help="An option of a measure, such as surprisal.column=sentence; repeatable. Options are"
        " those of the command of its name, with _ for -.",
    ),
]

_NAMES = frozenset(f"--{name}" for name in NAMES)


class TakesFiles(Grouped):
    """A command whose measures take several files: --pairs a.jsonl b.jsonl, as shells expand it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in Grouped, with the option before each of its files."""
        return super().parse_args(ctx, spread(args))


def takes_files(function: F) -> F:
    """Let a command be one of TakesFiles."""
    function.command_class = TakesFiles  # type: ignore[attr-defined]
    return function


def spread(args: list[str]) -> list[str]:
    """Repeat the name of such an option before each text that follows, up to the next option."""
    found: list[str] = []
    name: str | None = None
    n_values = 0
    for at, arg in enumerate(args):
        if arg == "--":
            return found + args[at:]
        if arg.startswith("-") and arg != "-":
            name, n_values = (arg, 0) if arg in _NAMES else (None, 0)
        elif name is not None:
            n_values += 1
            if n_values > 1:
                found.append(name)
        found.append(arg)
    return found
