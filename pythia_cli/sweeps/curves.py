"""From the rows of a sweep's table to curves: a figure along training."""

from __future__ import annotations

import difflib
import fnmatch
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pythia_cli.errors import InputError, InvalidValue, UnknownName

Row = Mapping[str, Any]
Names = str | Sequence[str] | None
XAxis = Literal["step", "tokens"]

CERTIFICATE = "certificate"
"""The measure whose rows say what int8 errs by."""
ERROR_FIGURE = "kl_mean"
"""Its figure that stands beside other measures."""

ALL = "all"
"""The label of all rows of an input, beside those of its groups."""

_X_COLUMNS = {"step": "step", "tokens": "tokens_seen"}
_LABEL_PARTS = ("model", "input", "group", "precision", "quantization")
_MOST_NAMES = 3  # that an error suggests


class CurvePoint(NamedTuple):
    """x: training steps or tokens seen. value: None where it is missing. stderr: None if unknown.

    Infinite values and NaN have no place on an axis, and are missing too.
    """

    x: int
    value: float | None
    stderr: float | None


@dataclass(frozen=True, repr=False)
class Curve:
    """One figure of one model on one input, along training. points: sorted by x, each x once.

    label: what tells it from the other chosen curves of its measure and figure; the model if it is
    the only one. group: None is all rows of the input. x_axis: "step" or "tokens".
    """

    label: str
    measure: str
    figure: str
    model: str
    input: str
    group: str | None
    precision: str
    quantization: str
    x_axis: XAxis
    points: tuple[CurvePoint, ...]

    def __repr__(self) -> str:
        return f"Curve({self.label}: {self.figure} of {self.measure}, {len(self.points)} points)"

    @property
    def stretches(self) -> list[list[CurvePoint]]:
        """The points that have values, cut where values are missing."""
        found: list[list[CurvePoint]] = [[]]
        for point in self.points:
            if point.value is not None:
                found[-1].append(point)
            elif found[-1]:
                found.append([])
        return [stretch for stretch in found if stretch]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: a point is an object of x, value and stderr."""
        names = ("label", "model", "precision", "quantization", "measure", "input", "group")
        fields = {name: getattr(self, name) for name in names}
        points = [point._asdict() for point in self.points]
        return {**fields, "figure": self.figure, "x_axis": self.x_axis, "points": points}


def curves_of(
    rows: Iterable[Row],
    *,
    measure: Names = None,
    input: Names = None,
    group: Names = None,
    figure: Names = None,
    x: XAxis = "step",
) -> list[Curve]:
    """The curves of the chosen rows, in the order of the rows.

    rows: those of a sweep's table. measure, input, group, figure: names, or patterns with `*` and
    `?`, of what to show. Default: every measure but the certificate (which is shown if there is
    nothing else), every input, all rows of an input and none of its groups, and the first figure
    of each measure. Rows of a measure without the wanted group, input or figure are left out.

    Raises UnknownName if no row has a wanted name, InvalidValue for tokens where those of a model
    are not known, and InputError if two rows have different values for one point.
    """
    if x not in _X_COLUMNS:
        raise InvalidValue("x", x, "step or tokens")
    chosen = list(rows)
    if measure is None:
        chosen = [row for row in chosen if row["measure"] != CERTIFICATE] or chosen
    chosen = matching(chosen, "measure", measure)
    chosen = matching(chosen, "input", input)
    chosen = matching(chosen, "figure", figure)
    if group is None:
        chosen = [row for row in chosen if row["group"] is None]
    chosen = matching(chosen, "group", group)
    if figure is None:
        first: dict[str, str] = {}
        for row in chosen:
            first.setdefault(row["measure"], row["figure"])
        chosen = [row for row in chosen if row["figure"] == first[row["measure"]]]
    return _labelled(_keyed(chosen, x), x)


def matching(rows: Iterable[Row], column: str, names: Names) -> list[Row]:
    """The rows that have one of these names, or a name of these patterns. names: None takes all.

    Raises UnknownName for a name or pattern that no row has, with the nearest names.
    """
    rows = list(rows)
    if names is None:
        return rows
    there = list(dict.fromkeys(row[column] for row in rows if row[column] is not None))
    found: set[str] = set()
    for name in [names] if isinstance(names, str) else names:
        # A name may itself hold the signs of a pattern.
        taken = [name] if name in there else fnmatch.filter(there, name)
        if not taken:
            near = difflib.get_close_matches(name, there, _MOST_NAMES, 0.5)
            near = near or (there if len(there) <= _MOST_NAMES else [])
            raise UnknownName(f"{column} of this sweep", name, near)
        found.update(taken)
    return [row for row in rows if row[column] in found]


def measured(value: float | None) -> float | None:
    """The value if it has a place on an axis; None for None, NaN and infinities."""
    return float(value) if value is not None and math.isfinite(value) else None


class _Key(NamedTuple):
    """What tells curves apart."""

    measure: str
    figure: str
    model: str
    input: str
    group: str | None
    precision: str
    quantization: str


_Points = dict[int, CurvePoint]


def _keyed(rows: Iterable[Row], x: XAxis) -> dict[_Key, _Points]:
    """The points of each curve, by x."""
    found: dict[_Key, _Points] = {}
    for row in rows:
        at = row[_X_COLUMNS[x]]
        if at is None:
            expected = f"step: how many tokens {row['model']} has seen is not known"
            raise InvalidValue("x", x, expected)
        point = CurvePoint(int(at), measured(row["value"]), measured(row["stderr"]))
        points = found.setdefault(_Key(*(row[name] for name in _Key._fields)), {})
        if points.setdefault(point.x, point) != point:
            group = "" if row["group"] is None else f", {row['group']}"
            what = f"{row['figure']} of {row['measure']}, {row['input']}{group}"
            raise InputError(f"{row['model']}@{row['step']}", f"has two values of {what}")
    return found


def _labelled(keyed: Mapping[_Key, _Points], x: XAxis) -> list[Curve]:
    """The curves, with labels that tell those of one measure and figure apart."""
    fellows: dict[tuple[str, str], list[_Key]] = {}
    for key in keyed:
        fellows.setdefault(key[:2], []).append(key)
    differing = {
        pair: [part for part in _LABEL_PARTS if len({getattr(key, part) for key in keys}) > 1]
        for pair, keys in fellows.items()
    }
    curves = []
    for key, points in keyed.items():
        values = [getattr(key, part) for part in differing[key[:2]] or ("model",)]
        label = ", ".join(ALL if value is None else str(value) for value in values)
        in_order = tuple(points[at] for at in sorted(points))
        curves.append(Curve(label=label, x_axis=x, points=in_order, **key._asdict()))
    return curves
