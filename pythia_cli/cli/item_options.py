"""Options of the commands that measure items: what is read, with which checkpoints, and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import completing
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.grouped import CHECKPOINT, OUTPUT

INPUT = "Input"

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES...",
        help="Texts: a line each, or TSV, CSV, JSON lines, Parquet by suffix; - is standard input.",
    ),
]
TableFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES...",
        help="Tables: TSV, CSV, JSON lines or Parquet, by suffix; - is standard input, with"
        " --input-format.",
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        "--field",
        metavar="NAME",
        rich_help_panel=INPUT,
        help="The column that holds the text; dots lead into JSON objects. Default: text, or the"
        " only one.",
    ),
]
InputFormat = Annotated[
    Literal["lines", "tsv", "csv", "jsonl", "nul", "parquet"] | None,
    typer.Option(
        "--input-format",
        metavar="NAME",
        rich_help_panel=INPUT,
        help="lines, tsv, csv, jsonl, nul or parquet. Default: by the suffix.",
    ),
]
Null = Annotated[
    bool,
    typer.Option("-0", "--null", rich_help_panel=INPUT, help="NUL characters end the texts."),
]
NoQuotes = Annotated[
    bool,
    typer.Option(
        "--no-quotes",
        rich_help_panel=INPUT,
        help="Double quotes in TSV and CSV are part of the text.",
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(
        "-c",
        "--checkpoint",
        metavar="STEPS",
        autocompletion=completing.several_steps,
        rich_help_panel=CHECKPOINT,
        help="3000, step3000 or main; several as 0,64,main, FIRST:LAST:EVERY, log, all or"
        " installed.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write the table to this file, which appears when it is complete. Default: stdout.",
    ),
]
Format = Annotated[
    Literal["tsv", "csv", "jsonl", "parquet"] | None,
    typer.Option(
        "--format",
        metavar="NAME",
        rich_help_panel=OUTPUT,
        help="tsv, csv, jsonl or parquet. Default: by the suffix of the file, or tsv.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", rich_help_panel=OUTPUT, help="Go on behind what an earlier run has written."
    ),
]
SkipErrors = Annotated[
    bool,
    typer.Option(
        "--skip-errors",
        rich_help_panel=OUTPUT,
        help="Write a row with an error for an item that fails, and go on.",
    ),
]


Rows = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="Write a row for each item to this file, which appears when it is complete; - is"
        " stdout, in place of the summary.",
    ),
]


@dataclass(frozen=True)
class InputChoice:
    """How items are read, by the options."""

    column: str | None = None
    format: str | None = None
    null: bool = False
    no_quotes: bool = False

    def __post_init__(self) -> None:
        if self.null and self.format not in (None, "nul"):
            raise CommandError(f"--null and --input-format {self.format} exclude each other")

    @property
    def chosen_format(self) -> str | None:
        """The format; None: by the suffix."""
        return "nul" if self.null else self.format


@dataclass(frozen=True)
class OutputChoice:
    """Where rows go, by the options. `path` is None for stdout."""

    output: Path | None = None
    format: str | None = None
    as_json: bool = False
    resume: bool = False
    skip_errors: bool = False

    def __post_init__(self) -> None:
        if self.as_json and self.path is not None:
            raise CommandError(
                "--json writes to stdout, and --output to a file", hint="--format jsonl"
            )
        if self.as_json and self.format not in (None, "jsonl"):
            raise CommandError(f"--json and --format {self.format} exclude each other")
        if self.path is None and self.format == "parquet":
            raise CommandError("Parquet is not written to stdout", hint="--output FILE.parquet")
        if self.path is None and self.resume:
            raise CommandError("--resume needs the file that it goes on with", hint="--output FILE")

    @property
    def path(self) -> Path | None:
        """The file; None for stdout."""
        return None if self.output is None or str(self.output) == "-" else self.output

    @property
    def chosen_format(self) -> str | None:
        """The format; None: by the suffix."""
        return "jsonl" if self.as_json else self.format


class RowsChoice(OutputChoice):
    """As OutputChoice, of a command that prints a summary."""

    def check_summary(self, as_json: bool) -> None:
        """Raises CommandError if rows and a summary as JSON are both to go to stdout."""
        if as_json and str(self.output) == "-":
            raise CommandError(
                "--json prints the summary, and --output - the rows",
                hint="--output - --format jsonl, for rows as JSON",
            )
        if self.format is not None and self.output is None:
            raise CommandError("--format is that of the rows", hint="--output FILE writes them")
