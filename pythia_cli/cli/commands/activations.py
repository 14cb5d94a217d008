"""`pythia activations`: writes activations of texts to a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import completing, item_choices, item_options, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices

_WHAT = "What is kept"
_COMMA = re.compile(r",(?![^\[]*\])")  # between names, not within brackets of a pattern


def activations(
    files: item_options.Files,
    names: Annotated[
        list[str],
        typer.Option(
            "-n", "--names", metavar="PATTERN", rich_help_panel=_WHAT,
            autocompletion=completing.activations,
            help="Activations, as TransformerLens names them, separated by commas; * stands for"
            " anything: 'blocks.*.hook_resid_post', blocks.3.attn.hook_pattern,logits.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT,
                     help="A .safetensors file, or .npy for one activation; a manifest appears"
                     " beside it."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare-float32", rich_help_panel=OUTPUT,
                     help="In place of a file: print how far the values of int8 are from those of"
                     " float32."),
    ] = False,
    positions: Annotated[
        str | None,
        typer.Option(metavar="LIST", rich_help_panel=_WHAT,
                     help="Positions of each text, such as 0,1 or -1, the last. Default: all."),
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(metavar="LIST", rich_help_panel=_WHAT,
                     help="Heads, such as 0,5, of activations that have some. Default: all."),
    ] = None,
    values: Annotated[
        Literal["float32", "float16"],
        typer.Option(metavar="DTYPE", rich_help_panel=_WHAT,
                     help="float32 or float16: how values are written."),
    ] = "float32",
    bos: Annotated[
        bool,
        typer.Option("--bos/--no-bos", rich_help_panel=_WHAT,
                     help="Put <|endoftext|> before each text."),
    ] = False,
    column: item_options.Column = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    model: options.Model = None,
    step: options.Step = None,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Write activations of texts to a safetensors file: residual stream, attention, MLP.

    docs/inside.md has all names, and says how to read the file.

    Examples:

      pythia activations stimuli.tsv --column sentence -n 'blocks.*.hook_z' -o z.safetensors

      echo "It was not" | pythia activations - -n blocks.5.hook_resid_post --positions -1 -o a.npy
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    opening.read_ahead(model, step, where)
    from pythia_cli.cli.file_output import check_regular
    from pythia_cli.cli.item_runs import open_inputs
    from pythia_cli.cli.plain_rows import print_rows
    from pythia_cli.errors import NoRoom
    from pythia_cli.inside.difference import compared_with_float32
    from pythia_cli.inside.saving import check_suffix, manifest_path, save_activations
    from pythia_cli.inside.selection import Selection

    at, of_heads = (
        options.whole_numbers("positions", positions),
        options.whole_numbers("heads", heads),
    )
    choice = item_choices.InputChoice(column, input_format, null, no_quotes)
    if compare == (output is not None):
        raise CommandError("give either -o or --compare-float32", hint="-o FILE.safetensors")
    if compare and values != "float32":
        raise CommandError("--values is for files", hint="without --values")
    if output is not None:
        check_suffix(output)
        check_regular(output, files)
        check_regular(manifest_path(output), files)
    with (
        open_inputs(files, choice, notices) as items,
        opening.open_model(
            model, step, where, notices,
            dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
        ) as opened,
    ):  # fmt: skip
        patterns = [part for name in names for part in _COMMA.split(name)]
        selection = Selection.of(opened.config, patterns, at, of_heads, values)
        if output is None:
            rows = compared_with_float32(opened, items, selection, bos=bos)
            print_rows(
                rows,
                provenance=opened.provenance(),
                dispensable=("n_values", "cosine", "rms", "rms_error"),
                as_json=as_json,
            )
            return
        try:
            saved = save_activations(opened, items, output, selection, bos=bos)
        except NoRoom as error:
            error.hint = "write to another place, or keep less"  # type: ignore[attr-defined]
            raise
    if as_json:
        record = {**vars(saved), "path": str(saved.path), "manifest": str(saved.manifest)}
        typer.echo(json.dumps(record))
    notices.say(
        f"wrote {saved.n_texts} texts, {saved.n_tokens} tokens, {saved.n_bytes / 1e6:,.1f} MB,"
        f" to {output}, with {saved.manifest.name}"
    )
