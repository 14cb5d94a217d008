"""`pythia heads`: induction, previous-token and duplicate-token heads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"
_ALL = "induction,previous-token,duplicate-token"


def heads(
    model: options.Model = None,
    steps: item_options.Steps = None,
    kinds: Annotated[
        str,
        typer.Option("--kinds", metavar="KINDS", rich_help_panel=_MEASURE,
                     help="induction, previous-token, duplicate-token, or several, separated by"
                     " commas."),
    ] = _ALL,
    sequences: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=_MEASURE, help="Random sequences.")
    ] = 100,
    length: Annotated[
        int,
        typer.Option(metavar="N", min=2, rich_help_panel=_MEASURE,
                     help="Random tokens, which each sequence has twice."),
    ] = 50,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, rich_help_panel=_MEASURE, help="Of the tokens.")
    ] = 0,
    bos: Annotated[
        bool,
        typer.Option("--bos/--no-bos", rich_help_panel=_MEASURE,
                     help="Put <|endoftext|> before each sequence."),
    ] = False,
    exclude_bos: Annotated[
        bool,
        typer.Option("--exclude-bos", rich_help_panel=_MEASURE,
                     help="Leave out attention to the first position."),
    ] = False,
    exclude_current_token: Annotated[
        bool,
        typer.Option("--exclude-current-token", rich_help_panel=_MEASURE,
                     help="Leave out attention of a token to itself."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT,
                     help="Write a row for each head to this file, which appears when it is"
                     " complete; - is stdout. Default: stdout, but heat maps in a terminal."),
    ] = None,
    format: item_options.Format = None,
    picture: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", rich_help_panel=OUTPUT,
                     help="Draw heat maps of layers and heads: .svg, .png or .pdf."),
    ] = None,
    as_json: options.Json = False,
    resume: item_options.Resume = False,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Score attention heads by where they look, on random tokens that repeat.

    The scores are those of TransformerLens' detect_head. docs/inside.md has the formulas.

    Examples:

      pythia heads -m demo -c 512,3000

      pythia heads -m demo -c all --kinds previous-token -o heads.tsv --map heads.svg
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    is_for_rows = as_json or not sys.stdout.isatty()
    target = Path("-") if output is None and is_for_rows else output
    out = item_choices.OutputChoice(target, format, as_json, resume)
    from pythia_cli.cli.head_maps import HeadMaps, check_picture
    from pythia_cli.cli.item_runs import openers_of, run_command
    from pythia_cli.measures.head_items import HEAD_COLUMNS, KIND, head_measure, kind_items
    from pythia_cli.measures.heads import HeadOptions

    how = HeadOptions(sequences, length, seed, bos, exclude_bos, exclude_current_token)
    how.check()
    items = kind_items(kinds.split(","))
    openers = openers_of(
        model, steps, where, notices, dtype=dtype, precision=precision, threads=threads
    )
    check_picture(picture, out.path)
    maps = HeadMaps()
    run_command(
        items,
        openers,
        head_measure(how),
        HEAD_COLUMNS,
        out,
        notices,
        identity={"measure": "heads", **vars(how)},
        left_out=[KIND],
        label="heads",
        summary=maps,
    )
    if picture is not None:
        maps.draw(picture)
        notices.say(f"drew {picture}")
