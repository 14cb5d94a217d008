"""`pythia sweep table`: the figures of a sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pythia_cli.cli import options
from pythia_cli.cli.grouped import OUTPUT


def table(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the sweep.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT,
                     help="Write .csv, .tsv, .jsonl or .parquet. Default: TSV on stdout."),
    ] = None,
    format: Annotated[
        Literal["tsv", "csv", "jsonl", "parquet"] | None,
        typer.Option(metavar="NAME", rich_help_panel=OUTPUT,
                     help="tsv, csv, jsonl or parquet. Default: by the suffix."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Print all figures that a sweep has so far, a row each, or write them to a file.

    Examples:

      pythia sweep table runs/grammar | cut -f 2,5,8,9

      pythia sweep table runs/grammar -o figures.parquet
    """
    from pythia_cli.cli.errors import CommandError
    from pythia_cli.cli.file_output import checked_output
    from pythia_cli.cli.output import Notices
    from pythia_cli.errors import InputError
    from pythia_cli.sweeps.table import table_rows, write_table
    from pythia_cli.tables.encoders import encoder_of

    if output is not None and as_json:
        raise CommandError("--json and --output exclude each other", "-o FILE.jsonl")
    rows = table_rows(folder)
    if output is None:
        if format == "parquet":
            raise CommandError("Parquet is not written to stdout", "-o FILE.parquet")
        encoder = encoder_of("jsonl" if as_json else format or "tsv", rows.columns)
        sys.stdout.write(encoder.header())
        for row in rows:
            sys.stdout.write(encoder.row(row))
        return
    target, in_place = checked_output(output, [])
    if in_place:
        raise InputError(output, "is no regular file; name another file to write")
    if target.resolve().is_relative_to(folder.resolve()) and target.exists():
        raise InputError(output, "is a file of the sweep; name another file to write")
    write_table(rows, target, format)
    Notices(quiet=quiet).say(f"wrote {len(rows)} rows to {output}")
