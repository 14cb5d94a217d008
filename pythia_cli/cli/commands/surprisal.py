"""`pythia surprisal`: the surprisal of each word, token or text."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"
_BASES = {"2": 2.0, "e": math.e, "10": 10.0}


def surprisal(
    files: item_options.Files,
    model: options.Model = None,
    steps: item_options.Steps = None,
    by: Annotated[
        Literal["word", "token", "text"],
        typer.Option(metavar="UNIT", help="word (between white space), token or text: what gets a"
                     " row.", rich_help_panel=_MEASURE),
    ] = "word",
    base: Annotated[
        Literal["2", "e", "10"],
        typer.Option(metavar="BASE", help="Of the logarithm: 2 (bits), e (nats) or 10.",
                     rich_help_panel=_MEASURE),
    ] = "2",
    correction: Annotated[
        Literal["pimentel-meister", "oh-schuler", "white-space"],
        typer.Option(metavar="NAME", help="pimentel-meister, oh-schuler or white-space: which"
                     " tokens may begin the next word.", rich_help_panel=_MEASURE),
    ] = "pimentel-meister",
    bos: Annotated[
        bool,
        typer.Option("--bos/--no-bos", help="Put <|endoftext|> before each text, so that its first"
                     " word has a surprisal.", rich_help_panel=_MEASURE),
    ] = True,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Tokens in a window over a longer text. Default: the"
                     " model's context.", rich_help_panel=_MEASURE),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens between windows. Default: half of one.",
                     rich_help_panel=_MEASURE),
    ] = None,
    column: item_options.Column = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Rows are words, and a text is the consecutive rows that"
                     " have the same value in this column.", rich_help_panel=item_options.INPUT),
    ] = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
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
    """Measure the surprisal of words, with the corrected word probability.

    Each text is taken alone, behind <|endoftext|>. docs/surprisal.md has the formulas.

    Examples:

      pythia surprisal stimuli.tsv --column sentence -o out.tsv

      pythia surprisal words.tsv --column word --group story --base e

      echo "The horse raced past the barn fell." | pythia surprisal -
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.OutputChoice(output, format, as_json, resume, skip_errors)
    choice = item_choices.InputChoice(column, input_format, null, no_quotes)
    from pythia_cli.cli.item_runs import open_inputs, openers_of, run_command
    from pythia_cli.measures.surprisal import SurprisalOptions
    from pythia_cli.measures.surprisal_items import (
        surprisal_columns,
        surprisal_measure,
        surprisal_of_rows,
    )
    from pythia_cli.tables.grouped import GroupedItems

    how = SurprisalOptions(by, _BASES[base], correction, bos, context, stride)
    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    with open_inputs(files, choice, notices) as items:
        grouped = None if group is None else GroupedItems(items, group, notices)
        run_command(
            items if grouped is None else grouped,
            openers,
            surprisal_measure(how) if group is None else surprisal_of_rows(how),
            surprisal_columns(by, in_rows=group is not None),
            out,
            notices,
            identity={"measure": "surprisal", "column": items.column, "group": group, **vars(how)},
            left_out=[items.column] if group is None else [],
            input_columns=None if grouped is None or by == "word" else grouped.own_columns,
            files=files,
            label="surprisal",
        )
