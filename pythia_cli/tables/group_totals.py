"""Totals over the rows of a table: of all rows of a checkpoint, and of each group of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pythia_cli.tables.fields import MISSING, value_at
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.values import as_cell


class RowTotals(Protocol):
    """Counts over rows of a table."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""

    def figures(self) -> dict[str, Any]:
        """For JSON."""


@dataclass
class _Checkpoint:
    everything: RowTotals
    groups: dict[str, RowTotals] = field(default_factory=dict)


class GroupTotals:
    """The figures of each checkpoint: of all its rows, and of those with each value of a column.

    group: the column of the input, in which dots lead into objects; None: all only. Rows without a
    value there are of no group. new_totals: makes what counts rows.
    """

    def __init__(self, group: str | None, new_totals: Callable[[], RowTotals]) -> None:
        self._group, self._new_totals = group, new_totals
        self._found: dict[tuple[Any, Any], _Checkpoint] = {}

    def begin(self, layout: RowLayout) -> None:
        """Take the names of columns from the layout of the rows that come."""
        if self._group is not None:
            self._group = layout.name_in_table(self._group)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        name = (row["model"], row["step"])
        if name not in self._found:
            self._found[name] = _Checkpoint(self._new_totals())
        found = self._found[name]
        found.everything.add(row)
        value = MISSING if self._group is None else value_at(row, self._group)
        group = "" if value is MISSING else as_cell(value)
        if group:
            if group not in found.groups:
                found.groups[group] = self._new_totals()
            found.groups[group].add(row)

    def figures(self) -> Iterator[dict[str, Any]]:
        """For each checkpoint, those of its groups, and then of all (its group is None)."""
        for (model, step), found in self._found.items():
            for name, totals in [*found.groups.items(), (None, found.everything)]:
                yield {"model": model, "step": step, "group": name, **totals.figures()}
