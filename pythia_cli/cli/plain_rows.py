"""A few rows on stdout: a table in a terminal, else TSV, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pythia_cli.cli.tables import print_table

if TYPE_CHECKING:
    from pythia_cli.tables.records import Records

_KEPT = 40  # cells of a name, before columns are left out


def print_rows(
    rows: Records,
    *,
    provenance: Mapping[str, Any],
    dispensable: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Print rows. provenance: fields that each row has too, as JSON.

    dispensable: as for print_table.
    """
    from pythia_cli.tables.encoders import encoder_of

    if as_json:
        for row in rows:
            print(json.dumps({**provenance, **row}))
    elif sys.stdout.isatty():
        cells = [[_cell(value) for value in row.values()] for row in rows]
        print_table(list(rows.columns), cells, dispensable, keep=_KEPT)
    else:
        encoder = encoder_of("tsv", rows.columns)
        sys.stdout.write(encoder.header())
        for row in rows:
            sys.stdout.write(encoder.row(row))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
