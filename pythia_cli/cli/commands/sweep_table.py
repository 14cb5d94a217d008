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

      pythia sweep table runs/grammar | head

      pythia sweep table runs/grammar -o figures.parquet
    """
    from pythia_cli.cli.errors import CommandError
    from pythia_cli.cli.output import Notices
    from pythia_cli.sweeps.table import table_rows, write_table
    from pythia_cli.tables.encoders import encoder_of

    rows = table_rows(folder)
    if output is None:
        if format == "parquet":
            raise CommandError("Parquet is not written to stdout", "-o FILE.parquet")
        encoder = encoder_of("jsonl" if as_json else format or "tsv", rows.columns)
        sys.stdout.write(encoder.header())
        for row in rows:
            sys.stdout.write(encoder.row(row))
        return
    write_table(rows, output, format)
    Notices(quiet=quiet).say(f"wrote {len(rows)} rows to {output}")
