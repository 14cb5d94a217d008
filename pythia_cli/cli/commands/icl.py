"""`pythia icl`: how much a checkpoint learns from its context."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pythia_cli.cli import item_choices, item_options, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"


def icl(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="UTF-8 text; - is standard input.")
    ],
    model: options.Model = None,
    steps: item_options.Steps = None,
    early: Annotated[
        int,
        typer.Option(metavar="N", help="The early token of a window, counted from 1.",
                     rich_help_panel=_MEASURE),
    ] = 50,
    late: Annotated[
        int,
        typer.Option(metavar="N", help="The late token, which is the last of the window.",
                     rich_help_panel=_MEASURE),
    ] = 500,
    bos: Annotated[
        bool,
        typer.Option("--bos/--no-bos", help="Put <|endoftext|> before each window.",
                     rich_help_panel=_MEASURE),
    ] = True,
    by: Annotated[
        Literal["line", "item"] | None,
        typer.Option(metavar="UNIT", rich_help_panel=item_options.INPUT,
                     help="line or item: each line, or each text of TSV, CSV, JSON lines or"
                     " Parquet, is a text of its own. Default: each file is one text. The other"
                     " options of this panel need it."),
    ] = None,
    column: item_options.Column = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=item_options.INPUT,
                     help="Figures for each value of this column too."),
    ] = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    output: item_options.Rows = None,
    format: item_options.Format = None,
    as_json: options.Json = False,
    resume: item_options.Resume = False,
    skip_errors: item_options.SkipErrors = False,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Measure in-context learning: the loss late in a context minus the loss early in it.

    The mean over windows of 500 tokens, in nats; negative if the context helps. docs/icl.md has the
    formula.

    Examples:

      pythia icl book.txt chapters/*.txt

      pythia icl book.txt -m pythia-410m -c 512,1000,main

      pythia icl documents.jsonl --by item -o icl.tsv
    """
    where = options.open_store(store)
    opening.read_ahead(model, steps, where)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.RowsChoice(output, format, resume=resume, skip_errors=skip_errors)
    out.check_summary(as_json)
    of_items = {
        "column": column, "group": group, "input_format": input_format, "null": null,
        "no_quotes": no_quotes,
    }  # fmt: skip
    if by is None and (given := options.first_given(**of_items)) is not None:
        raise CommandError(f"{given} is for texts within a file", hint="--by item")
    choice = item_choices.InputChoice(column, input_format, null, no_quotes)
    if by == "line":
        if choice != item_choices.InputChoice():
            raise CommandError("--by line takes lines as they are", hint="--by item")
        choice = item_choices.InputChoice(format="lines")
    from pythia_cli.cli.icl_run import measure_icl
    from pythia_cli.cli.item_runs import openers_of
    from pythia_cli.measures.icl import InContextOptions

    how = InContextOptions(early, late, bos)
    how.check()
    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    measure_icl(
        files,
        None if by is None else choice,
        openers,
        how,
        out,
        notices,
        group=group,
        as_json=as_json,
    )
