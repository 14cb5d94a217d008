"""`pythia memorize`: how much of what follows a prompt a checkpoint repeats."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"


def memorize(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Rows of token ids: .npy, .bin, or a column of JSON lines, Parquet, TSV or CSV; or"
            " texts, a line each. - is standard input.",
        ),
    ],
    model: options.Model = None,
    steps: item_options.Steps = None,
    prompt: Annotated[
        int,
        typer.Option(metavar="N", help="Tokens of each row to read first.",
                     rich_help_panel=_MEASURE),
    ] = 32,
    continuation: Annotated[
        int,
        typer.Option(metavar="N", help="Tokens behind them to compare with.",
                     rich_help_panel=_MEASURE),
    ] = 32,
    extractable_only: Annotated[
        bool,
        typer.Option("--extractable-only", help="Stop each row at its first miss: faster, and exact"
                     " for column extractable; rows that miss have no score.",
                     rich_help_panel=_MEASURE),
    ] = False,
    end_of_text: Annotated[
        bool,
        typer.Option("--end-of-text", help="The model may choose <|endoftext|>, which EleutherAI's"
                     " evaluation forbids.", rich_help_panel=_MEASURE),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only the first rows.",
                     rich_help_panel=item_options.INPUT),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option("--column", "--field", metavar="NAME", help="The column of the token ids or"
                     " texts; dots lead into JSON objects. Default: tokens, text, or the only one.",
                     rich_help_panel=item_options.INPUT),
    ] = None,
    row_length: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Token ids in a row of a .bin, of 16 bits each.",
                     rich_help_panel=item_options.INPUT),
    ] = 2049,
    input_format: Annotated[
        Literal["npy", "bin", "lines", "tsv", "csv", "jsonl", "nul", "parquet"] | None,
        typer.Option("--input-format", metavar="NAME", help="npy, bin, lines, tsv, csv, jsonl, nul"
                     " or parquet. Default: by the suffix.", rich_help_panel=item_options.INPUT),
    ] = None,
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
    """Measure how much of the tokens that follow a prompt greedy decoding repeats.

    The score of a row is the share of its continuation's tokens that the model chooses in their
    places. docs/memorize.md has the formulas.

    Examples:

      pythia memorize sequences.npy

      pythia memorize document.bin --limit 5000 -m pythia-410m -c 3000,main -o memorized.csv

      pythia memorize rows.jsonl --field tokens --prompt 16 --extractable-only
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.RowsChoice(output, format, resume=resume, skip_errors=skip_errors)
    out.check_summary(as_json)
    choice = item_choices.InputChoice(column, input_format, null, no_quotes)
    from pythia_cli.cli.item_runs import check_columns, open_inputs, openers_of, run_command
    from pythia_cli.cli.summary import Summary
    from pythia_cli.measures.memorize import MemorizationOptions, MemorizationTotals
    from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS, memorized_measure
    from pythia_cli.tables.first_items import FirstItems
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import FILE
    from pythia_cli.tables.token_rows import TOKENS, open_token_rows

    how = MemorizationOptions(prompt, continuation, extractable_only, end_of_text)
    how.check()
    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    opened_by = partial(open_token_rows, row_length=row_length, n_tokens=how.n_tokens)
    with open_inputs(files, choice, notices, [], opened_by) as opened:
        items = opened if limit is None else FirstItems(opened, limit)
        if column is None:
            column = TOKENS if TOKENS in items.columns else items.column
        check_columns(items, column=column)
        definition = {"measure": "memorize", **vars(how)}
        run_command(
            items,
            openers,
            memorized_measure(how, column),
            MEMORIZED_COLUMNS,
            out,
            notices,
            identity={**definition, "column": column, "row_length": row_length},
            left_out=[column],
            files=files,
            label="memorization",
            summary=Summary(
                GroupTotals(FILE if len(files) > 1 else None, MemorizationTotals),
                "nll",
                definition,
                as_json=as_json,
            ),
        )
