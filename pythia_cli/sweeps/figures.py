"""The figures of a cell: numbers that a measure found for one checkpoint and one input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A number, of all rows of an input (group None) or of those of a group.

    value: None if it is not defined, such as a perplexity over 1e308. stderr: its standard error;
    None if there is none. n: what it is the mean of: rows, words or tokens.
    """

    group: str | None
    name: str
    value: float | None
    stderr: float | None
    n: int | None


def figures_of(counted: Mapping[str, Any], group: str | None, main: str) -> list[Figure]:
    """The figures that a measure counted: `n`, numbers by name, and their standard errors.

    The standard error of NAME is NAME_stderr, and `stderr` that of `main`. What is no number is
    left out.
    """
    found = []
    for name, value in counted.items():
        if name == "n" or name.endswith("stderr") or isinstance(value, str | bool):
            continue
        own = counted.get("stderr") if name == main else None
        stderr = counted.get(f"{name}_stderr", own)
        found.append(Figure(group, name, _finite(value), _finite(stderr), counted["n"]))
    return found


def _finite(value: float | None) -> float | None:
    """As JSON can have it."""
    return None if value is None or not math.isfinite(value) else value
