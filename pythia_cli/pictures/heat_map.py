"""Heat maps: values of rows and columns, the scale that several share, and how they are grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pythia_cli.errors import InvalidValue


@dataclass(frozen=True, repr=False, eq=False)
class HeatMap:
    """Values [n_rows, n_columns], such as a score of each layer and head.

    Infinite values and NaN have no place on a scale; their cells say that there is no value.
    title: what all maps of a drawing have in common, such as the model. panel, name: what tells
    this one from others, such as the kind of heads, and the checkpoint; maps of one panel are
    together. row_name, column_name: what rows and columns are, such as "layer" and "head".
    row_labels, column_labels: what each is called; None: its number, from 0. value_name: what the
    values are, for the scale. low, high: values that the scale has even if no cell has them.

    Raises InvalidValue for values of another shape, and for labels of another number.
    """

    title: str
    row_name: str
    column_name: str
    values: np.ndarray[Any, Any]
    panel: str = ""
    name: str = ""
    row_labels: Sequence[str] | None = None
    column_labels: Sequence[str] | None = None
    value_name: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        if values.ndim != 2 or values.size == 0:
            expected = "a matrix of at least one row and one column"
            raise InvalidValue("values", f"of shape {list(values.shape)}", expected)
        object.__setattr__(self, "values", values)
        for name, n in zip(("row_labels", "column_labels"), values.shape, strict=True):
            labels = getattr(self, name)
            if labels is not None and len(labels) != n:
                raise InvalidValue(name, labels, f"{n} texts")

    def __repr__(self) -> str:
        rows, columns = self.values.shape
        parts = [part for part in (self.title, self.panel, self.name) if part]
        return f"HeatMap({', '.join(parts)}: {rows} x {columns})"

    @property
    def labels(self) -> tuple[list[str], list[str]]:
        """What rows and columns are called."""
        n_rows, n_columns = self.values.shape
        rows, columns = self.row_labels, self.column_labels
        return (
            list(map(str, range(n_rows))) if rows is None else list(rows),
            list(map(str, range(n_columns))) if columns is None else list(columns),
        )


@dataclass(frozen=True)
class HeatScale:
    """From the lowest to the highest value of several maps; None if they have no values.

    lacks: whether some cells have no value.
    """

    low: float | None
    high: float | None
    lacks: bool

    @classmethod
    def over(cls, maps: Sequence[HeatMap]) -> HeatScale:
        """The scale that shows these maps."""
        everything = np.concatenate([one.values.ravel() for one in maps] or [np.empty(0)])
        there = everything[np.isfinite(everything)]
        lacks = len(there) < len(everything)
        if len(there) == 0:
            return cls(None, None, lacks)
        ends = [end for one in maps for end in (one.low, one.high) if end is not None]
        return cls(min(there.min(), *ends, np.inf), max(there.max(), *ends, -np.inf), lacks)

    def shares(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where values are on the scale: 0 at its low end, 1 at its high end; NaN for no value.

        0 for all values of a scale that has only one.
        """
        found = np.full(values.shape, np.nan)
        if self.low is None or self.high is None:
            return found
        is_there = np.isfinite(values)
        # Halves, as the difference of two large values may be infinite.
        width = self.high / 2 - self.low / 2
        found[is_there] = (values[is_there] / 2 - self.low / 2) / width if width > 0 else 0.0
        return found


@dataclass(frozen=True)
class HeatGroup:
    """Maps that are drawn together, with what tells them apart."""

    heading: str
    maps: tuple[tuple[str, HeatMap], ...]


def grouped(maps: Sequence[HeatMap]) -> tuple[str, list[HeatGroup]]:
    """The title, and a group of maps for each panel.

    If each panel has one map, all are one group. A title that is not that of all is part of the
    names. Raises InvalidValue if there are no maps.
    """
    if not maps:
        raise InvalidValue("maps", [], "at least one heat map")
    titles, panels = ({getattr(one, part) for one in maps} for part in ("title", "panel"))
    by_panel: dict[str, list[HeatMap]] = {}
    for one in maps:
        by_panel.setdefault(one.panel, []).append(one)
    is_one = len(panels) == len(maps) > 1

    def name(one: HeatMap) -> str:
        own = [one.title if len(titles) > 1 else "", one.panel if is_one else "", one.name]
        return ", ".join(part for part in own if part)

    title = titles.pop() if len(titles) == 1 else ""
    named = {panel: [(name(one), one) for one in found] for panel, found in by_panel.items()}
    if is_one:
        return title, [HeatGroup("", tuple(pair for pairs in named.values() for pair in pairs))]
    return title, [HeatGroup(panel, tuple(pairs)) for panel, pairs in named.items()]


def value_name_of(maps: Sequence[HeatMap]) -> str:
    """What the values of these maps are."""
    return ", ".join(dict.fromkeys(one.value_name for one in maps if one.value_name))
