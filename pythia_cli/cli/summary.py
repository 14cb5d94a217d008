"""The summary of a table: figures of each checkpoint and group of rows, printed at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pythia_cli.cli.tables import print_table

if TYPE_CHECKING:
    from pythia_cli.measures.accuracy import GroupedTotals
    from pythia_cli.tables.kinds import Kind
    from pythia_cli.tables.progress import MeasuredCheckpoint, TableProgress

_SHOWN = {"n_ties": "ties", "n_near_ties": "near ties", "n_with_near_ties": "with near ties"}
"""How columns are called in a terminal."""
_DISPENSABLE = ("nll", "n_words", "n_bytes", "mean_nll")
"""Left out, in this order, if the terminal is too narrow."""


class RowSummary(Protocol):
    """What is made of the rows of a table."""

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows."""

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """Print it on stdout."""


class Summary:
    """Counts the rows of a table, and prints their figures.

    measured: a column that is None in rows that do not count. definition: what determines the
    figures, for JSON.
    """

    def __init__(
        self,
        totals: GroupedTotals,
        measured: str,
        definition: Mapping[str, Any],
        *,
        as_json: bool,
    ) -> None:
        self._totals, self._measured = totals, measured
        self._definition, self._as_json = definition, as_json

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows."""
        for row in rows:
            if row.get(self._measured) is not None:
                self._totals.add(row)

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """Print the figures on stdout: a table in a terminal, else TSV, or JSON."""
        figures = list(self._totals.figures())
        if self._as_json:
            for one in figures:
                print(json.dumps({**_provenance(one, checkpoints), **self._definition, **one}))
        elif figures and sys.stdout.isatty():
            _print_for_people(figures)
        else:
            _print_tsv(figures)
        sys.stdout.flush()


class SummaryTable:
    """In place of a table, where rows are only counted. progress: as of a table."""

    def __init__(self, summary: RowSummary, columns: Mapping[str, Kind]) -> None:
        from pythia_cli.tables.progress import TableProgress

        self._summary = summary
        kinds = {name: kind.__name__ for name, kind in columns.items()}
        self.progress = TableProgress({}, kinds)

    def write(self, records: Sequence[Mapping[str, Any]], progress: TableProgress) -> None:
        """Count rows."""
        self._summary.add_all(records)
        self.progress = progress


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
