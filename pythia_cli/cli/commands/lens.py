"""`pythia lens`: what each layer predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import item_choices, item_options, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.lens_run import LensOutput, LensText, run_text
from pythia_cli.cli.output import Notices

_LENS = "Lens"


def lens(
    text: Annotated[
        str | None,
        typer.Argument(help="The text to look at; - is standard input. If it begins with -, put --"
                       " before it."),
    ] = None,
    model: options.Model = None,
    steps: item_options.Steps = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=_LENS,
                          help="The N likeliest tokens of each layer and position."),
    ] = 5,
    tuned: Annotated[
        Path | None,
        typer.Option(metavar="PATH", rich_help_panel=_LENS,
                     help="A tuned lens: folder or params.pt of the package tuned-lens, or"
                     " .safetensors. Default: the logit lens."),
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(metavar="LIST", rich_help_panel=_LENS,
                     help="Positions of each text, such as 0,1 or -1, the last. Default: all."),
    ] = None,
    bos: Annotated[
        bool,
        typer.Option("--bos/--no-bos", rich_help_panel=_LENS,
                     help="Put <|endoftext|> before each text."),
    ] = False,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="FILE", rich_help_panel=item_options.INPUT,
                     help="Rows for the texts of a file, each by itself: a line each, or TSV, CSV,"
                     " JSON lines, Parquet by suffix; repeatable."),
    ] = None,
    column: item_options.Column = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    shade: Annotated[
        Literal["prob", "nll", "kl", "entropy"] | None,
        typer.Option(metavar="NAME", rich_help_panel=OUTPUT,
                     help="prob (of the likeliest token; default), nll (of the next token), kl or"
                     " entropy: what colours the cells."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=OUTPUT,
                     help="Write a web page with all figures of the text."),
    ] = None,
    output: item_options.Output = None,
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
    """Show what each layer predicts: the logit lens, or a tuned lens.

    In a terminal, the likeliest next token of each layer and position, the last layer above; in a
    pipe or with -o, rows with nll, rank, KL to the model and the likeliest tokens. docs/lens.md has
    the formulas.

    Examples:

      pythia lens "The capital of France is" --shade nll

      pythia lens "The capital of France is" --page lens.html

      pythia lens "The capital of France is" --positions -1 -c 512,main --json

      pythia lens --file stimuli.tsv --column sentence -o lens.tsv
    """
    where = options.open_store(store)
    opening.read_ahead(model, steps, where)
    notices = Notices(quiet=quiet, verbose=verbose)
    rows = item_choices.OutputChoice(output, format, as_json, resume, skip_errors)
    choice = item_choices.InputChoice(column, input_format, null, no_quotes)
    if files and text is not None:
        raise CommandError("give a TEXT or --file, not both")
    of_files = {
        "column": column, "input_format": input_format, "null": null, "no_quotes": no_quotes,
        "skip_errors": skip_errors,
    }  # fmt: skip
    if not files and (given := options.first_given(**of_files)) is not None:
        raise CommandError(f"{given} is for the texts of files", hint="--file FILE")
    of_text = {"page": page, "shade": shade}
    if files and (given := options.first_given(**of_text)) is not None:
        raise CommandError(f"{given} is for one TEXT, and --file is a table", hint="--output FILE")
    from pythia_cli.cli.item_runs import open_inputs, openers_of, run_command
    from pythia_cli.measures.lens import LensOptions
    from pythia_cli.measures.lens_items import LENS_COLUMNS, lens_measure

    how = LensOptions(top, options.whole_numbers("positions", positions), bos, tuned)
    identity = how.identity()
    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    if not files:
        drawn = LensOutput(rows, page, shade)
        run_text(LensText.read(text, notices), openers, how, drawn, identity, notices)
        return
    with open_inputs(files, choice, notices) as items:
        run_command(
            items,
            openers,
            lens_measure(how),
            LENS_COLUMNS,
            rows,
            notices,
            identity={**identity, "column": items.column},
            left_out=[items.column],
            files=files,
            label="lens",
        )
