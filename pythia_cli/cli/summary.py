"""The summary of a table: figures of each checkpoint and group of rows, printed at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pythia_cli.cli.tables import print_table
from pythia_cli.tables.encoders import ERROR

if TYPE_CHECKING:
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import RowLayout
    from pythia_cli.tables.progress import MeasuredCheckpoint, TableProgress

_SHOWN = {
    "n_ties": "ties",
    "n_near_ties": "near ties",
    "n_with_near_ties": "with near ties",
    "n_texts": "texts",
    "n_short": "short",
}
"""How columns are called in a terminal."""
_DISPENSABLE = ("nll", "n_words", "n_bytes", "mean_nll", "texts", "int8_error")
"""Left out, in this order, if the terminal is too narrow."""


class RowSummary(Protocol):
    """What is made of the rows of a table."""

    def begin(self, layout: RowLayout) -> None:
        """Take the names of the columns of the rows that come."""

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows."""

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """Print it on stdout."""


class Summary:
    """Counts the rows of a table, and prints their figures.

    counted_if: a column that is None in rows that do not count. definition: what determines the
    figures, for JSON. none_counted: called in place of printing, if rows were measured and none of
    them counts.
    """

    def __init__(
        self,
        totals: GroupTotals,
        counted_if: str,
        definition: Mapping[str, Any],
        *,
        as_json: bool,
        none_counted: Callable[[], None] = lambda: None,
    ) -> None:
        self._totals, self._counted_if = totals, counted_if
        self._definition, self._as_json = definition, as_json
        self._none_counted, self._n_left_out = none_counted, 0

    def begin(self, layout: RowLayout) -> None:
        """As RowSummary.begin."""
        self._totals.begin(layout)

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows."""
        for row in rows:
            if row.get(self._counted_if) is not None:
                self._totals.add(row)
            elif row.get(ERROR) is None:
                self._n_left_out += 1

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """Print the figures on stdout: a table in a terminal, else TSV, or JSON."""
        figures = list(self._totals.figures())
        if not figures and self._n_left_out:
            self._none_counted()
        if self._as_json:
            for one in figures:
                print(json.dumps({**_provenance(one, checkpoints), **self._definition, **one}))
        elif figures and sys.stdout.isatty():
            _print_for_people(figures)
        else:
            _print_tsv(figures)
        sys.stdout.flush()


class SummaryTable:
    """Counts the rows of a table while they are written.

    table: what writes them; None: rows are only counted. progress: as of a table.
    """

    def __init__(self, summary: RowSummary, layout: RowLayout, table: Any = None) -> None:
        from pythia_cli.tables.progress import TableProgress

        summary.begin(layout)
        self._summary, self._table = summary, table
        kinds = {name: kind.__name__ for name, kind in layout.columns.items()}
        self.progress = TableProgress({}, kinds) if table is None else table.progress
        self.path = getattr(table, "path", None)

    def write(self, records: Sequence[Mapping[str, Any]], progress: TableProgress) -> None:
        """Write and count rows."""
        if self._table is None:
            self.progress = progress
        else:
            self._table.write(records, progress)
            self.progress = self._table.progress
        self._summary.add_all(records)


def _provenance(
    figures: Mapping[str, Any], checkpoints: Sequence[MeasuredCheckpoint]
) -> dict[str, Any]:
    """That of the checkpoint whose figures these are."""
    return next(
        one.provenance
        for one in checkpoints
        if all(one.provenance[name] == figures[name] for name in ("model", "step"))
    )


def _print_for_people(figures: Sequence[Mapping[str, Any]]) -> None:
    heads = [name for name in figures[0] if name not in ("model", "step", "group")]
    rows = [
        [
            "all" if one["group"] is None else str(one["group"]),
            "" if one["step"] is None else str(one["step"]),
            *(_cell(one[head]) for head in heads),
        ]
        for one in figures
    ]
    print_table(["group", "step", *(_SHOWN.get(head, head) for head in heads)], rows, _DISPENSABLE)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _print_tsv(figures: Sequence[Mapping[str, Any]]) -> None:
    import csv

    if figures:
        writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
        writer.writerow(figures[0])
        writer.writerows(one.values() for one in figures)
