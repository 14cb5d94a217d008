"""Accuracies with their standard errors, over all items of a checkpoint and over groups of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass
class Accuracy:
    """The mean of scores from 0 to 1 that are added one by one."""

    n: int = 0
    total: float = 0.0
    squared: float = 0.0

    def add(self, score: float) -> None:
        """Count a score."""
        self.n += 1
        self.total += score
        self.squared += score**2

    @property
    def mean(self) -> float:
        """Of at least one score."""
        return self.total / self.n

    @property
    def stderr(self) -> float | None:
        """The standard error of the mean: s / sqrt(n), s with n - 1; None for one score."""
        if self.n < 2:
            return None
        variance = max(0.0, self.squared / self.n - self.mean**2)
        return math.sqrt(variance / (self.n - 1))


class RowTotals(Protocol):
    """Counts over rows of a table."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""

    def figures(self) -> dict[str, Any]:
        """For JSON."""


class GroupedTotals:
    """The figures of each checkpoint: of all its rows, and of those with each value of a column.

    group: the column; None: all only. new_totals: makes what counts the rows of a group.
    """

    def __init__(self, group: str | None, new_totals: Callable[[], RowTotals]) -> None:
        self._group, self._new_totals = group, new_totals
        self._found: dict[tuple[Any, Any], dict[Any, RowTotals]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        groups = self._found.setdefault((row["model"], row["step"]), {})
        for name in (None,) if self._group is None else (row[self._group], None):
            if name not in groups:
                groups[name] = self._new_totals()
            groups[name].add(row)

    def figures(self) -> Iterator[dict[str, Any]]:
        """For each checkpoint, those of its groups, and then of all (its group is None)."""
        for (model, step), groups in self._found.items():
            for name in [*(name for name in groups if name is not None), None]:
                figures = groups[name].figures()
                yield {"model": model, "step": step, "group": name, **figures}
