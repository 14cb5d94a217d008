"""`pythia perplexity`: measures how well a checkpoint predicts texts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import item_options, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices
from pythia_cli.cli.perplexity_files import FileOutput, measure_files

_PROTOCOL, _ITEMS = "Protocol", item_options.INPUT


def perplexity(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="UTF-8 text; - is standard input.")
    ],
    model: options.Model = None,
    steps: item_options.Steps = None,
    protocol: Annotated[
        Literal["stride", "llama.cpp", "lm-eval", "document"] | None,
        typer.Option(metavar="NAME",
                     help="stride (default), llama.cpp, lm-eval or document: which tokens are"
                     " scored.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=2,
                     help="Tokens in a window. Default: the model's context; 512 for llama.cpp.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens between windows. Default: half the context.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    bos: Annotated[
        bool | None,
        typer.Option("--bos/--no-bos", help="Put <|endoftext|> before the text, so that its first"
                     " token is scored too.", rich_help_panel=_PROTOCOL),
    ] = None,
    by: Annotated[
        Literal["line", "item"] | None,
        typer.Option(metavar="UNIT", rich_help_panel=_ITEMS,
                     help="line or item: each line, or each text of TSV, CSV, JSON lines or"
                     " Parquet, is scored by itself, as a line of protocol document is. The"
                     " other options of panel Input need it, and so do -o, --format, --resume and"
                     " --skip-errors."),
    ] = None,
    column: item_options.Column = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_ITEMS,
                     help="Figures for each value of this column too."),
    ] = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    output: item_options.Rows = None,
    format: item_options.Format = None,
    resume: item_options.Resume = False,
    skip_errors: item_options.SkipErrors = False,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    per_token: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one JSON object for each token; - is stdout.",
                     rich_help_panel=OUTPUT),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the text, coloured by surprisal.",
                     rich_help_panel=OUTPUT),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the text, coloured by surprisal, as a web page.",
                     rich_help_panel=OUTPUT),
    ] = None,
    as_ids: Annotated[
        bool,
        typer.Option("--ids", help="Files are token ids: between white space or commas, JSON lists,"
                     " or .npy of one dimension."),
    ] = False,
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Compute perplexity and bits per byte of texts, with a named protocol.

    Examples:

      pythia perplexity book.txt chapters/*.txt

      cat book.txt | pythia perplexity - --json | jq .bits_per_byte

      pythia perplexity book.txt -c 512,main --per-token tokens.jsonl

      pythia perplexity stimuli.tsv --by item --column sentence -o rows.tsv
    """
    where = options.open_store(store)
    opening.read_ahead(model, steps, where)
    notices = Notices(quiet=quiet, verbose=verbose)
    for_items = {
        "column": column, "group": group, "input_format": input_format, "null": null,
        "no_quotes": no_quotes, "output": output, "format": format, "resume": resume,
        "skip_errors": skip_errors,
    }  # fmt: skip
    if by is None and (given := options.first_given(**for_items)) is not None:
        raise CommandError(
            f"{given} is for texts that are scored one by one", hint="--by line, or --by item"
        )
    for_files = {"per_token": per_token, "show": show, "html": html, "ids": as_ids}
    if by is not None and (given := options.first_given(**for_files)) is not None:
        raise CommandError(f"{given} and --by {by} exclude each other", hint=f"without {given}")
    if by is not None and protocol not in (None, "document"):
        raise CommandError(f"--by {by} has the protocol document, not {protocol}")
    from pythia_cli.cli.item_runs import openers_of

    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    if by is not None:
        from pythia_cli.cli.item_choices import InputChoice, RowsChoice
        from pythia_cli.cli.perplexity_items import measure_items

        measure_items(
            files,
            by,
            InputChoice(column, input_format, null, no_quotes),
            openers,
            RowsChoice(output, format, resume=resume, skip_errors=skip_errors),
            notices,
            context=context,
            stride=stride,
            bos=bos,
            group=group,
            as_json=as_json,
        )
        return
    from pythia_cli.measures.protocols import Protocol

    measure_files(
        files,
        openers,
        partial(Protocol.make, protocol or "stride", context=context, stride=stride, bos=bos),
        FileOutput(per_token, show, html, as_json),
        notices,
        by_line=protocol == "document",
        as_ids=as_ids,
    )
