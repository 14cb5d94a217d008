"""Means of surprisal over the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MEANS = ("surprisal", "surprisal_uncorrected", "entropy")


class SurprisalTotals:
    """Counts rows of `surprisal`: of words, tokens or texts, in the base that was asked for."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in _MEANS}

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a row."""
        for name, values in self._values.items():
            if record.get(name) is not None:
                values.append(record[name])

    def figures(self) -> dict[str, Any]:
        """For JSON: n, and the mean of each column that there is, with its standard error.

        That is s / sqrt(n), s with n - 1.
        """
        found: dict[str, Any] = {"n": len(self._values["surprisal"])}
        for name, values in self._values.items():
            if not values:
                continue
            mean, n = math.fsum(values) / len(values), len(values)
            squared = math.fsum((value - mean) ** 2 for value in values)
            stderr = math.sqrt(squared / (n - 1) / n) if n > 1 else None
            found |= {name: mean, f"{name}_stderr": stderr}
        return found
