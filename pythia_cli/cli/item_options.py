"""Options of the commands that measure items: what is read, with which checkpoints, and written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import completing
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
