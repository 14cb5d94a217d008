"""From the rows of a sweep's table to curves: a figure along training."""

from __future__ import annotations

import difflib
import fnmatch
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.sweeps.problems import NotInTable
from pythia_cli.sweeps.table import CERTIFICATE

Row = Mapping[str, Any]
Names = str | Sequence[str] | None
XAxis = Literal["step", "tokens"]

ERROR_FIGURE = "kl_mean"
"""The figure of certificates that is shown beside other measures."""

_X_COLUMNS = {"step": "step", "tokens": "tokens_seen"}
_PARTS = ("model", "input", "group", "precision", "quantization")
_MISSING = {"group": "all", "quantization": "not quantized"}
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
    quantization: str | None
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
    nothing else), every input, all rows of an input and none of its groups (unless a measure has
    groups only), and the first figure of each measure. Rows of a measure without the wanted group,
    input or figure are left out.

    Raises NotInTable if no row has a wanted name, InvalidValue for tokens where those of a model
    are not known, and InputError if two rows have different values for one point.
    """
    if x not in _X_COLUMNS:
        raise InvalidValue("x", x, "step or tokens")
    chosen = [row for row in rows if row["figure"] is not None]  # others say what is missing
    if measure is None:
        chosen = [row for row in chosen if row["measure"] != CERTIFICATE] or chosen
    chosen = matching(chosen, "measure", measure)
    chosen = matching(chosen, "input", input)
    chosen = matching(chosen, "figure", figure)
    if group is None:
        whole = {row["measure"] for row in chosen if row["group"] is None}
        chosen = [row for row in chosen if row["group"] is None or row["measure"] not in whole]
    chosen = matching(chosen, "group", group)
    if figure is None:
        first: dict[str, str] = {}
        for row in chosen:
            first.setdefault(row["measure"], row["figure"])
        chosen = [row for row in chosen if row["figure"] == first[row["measure"]]]
    return _labelled(_keyed(chosen, x), x)


def matching(rows: Iterable[Row], column: str, names: Names) -> list[Row]:
    """The rows that have one of these names, or a name of these patterns. names: None takes all.

    Raises NotInTable for a name or pattern that no row has, with the nearest names.
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
            raise NotInTable(column, name, _nearest(name, there))
        found.update(taken)
    return [row for row in rows if row[column] in found]


def _nearest(name: str, there: list[str]) -> list[str]:
    """The names that have this one within them, or resemble it; or all, if they are few."""
    within = [other for other in there if name in other][:_MOST_NAMES]
    like = within or difflib.get_close_matches(name, there, _MOST_NAMES, 0.5)
    return like or (there if len(there) <= _MOST_NAMES else [])


def differing_parts(curves: Sequence[object]) -> list[str]:
    """Which of model, input, group, precision and quantization tell these curves apart.

    quantization only where the others do not suffice: float32 has none.
    """
    parts = [part for part in _PARTS if len({getattr(curve, part) for curve in curves}) > 1]
    others = [part for part in parts if part != "quantization"]
    distinct = {tuple(getattr(curve, part) for part in others) for curve in curves}
    return others if len(distinct) == len(curves) else parts


def short_names(names: Collection[str]) -> dict[str, str]:
    """Names of files without the folder and the suffix that all of them share."""
    if len(names) < 2:
        return {name: name for name in names}
    parts = {name: name.split("/") for name in names}
    n = 0
    while len({tuple(own[: n + 1]) for own in parts.values()}) == 1:
        n += 1
    suffixes = {os.path.splitext(name)[1] for name in names}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    return {name: "/".join(own[n:]).removesuffix(suffix) for name, own in parts.items()}


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
    quantization: str | None


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
    telling = {pair: differing_parts(keys) for pair, keys in fellows.items()}
    short = {pair: short_names({key.input for key in keys}) for pair, keys in fellows.items()}
    curves = []
    for key, points in keyed.items():
        named = key._replace(input=short[key[:2]][key.input])
        label = ", ".join(_worded(named, part) for part in telling[key[:2]] or ("model",))
        in_order = tuple(points[at] for at in sorted(points))
        curves.append(Curve(label=label, x_axis=x, points=in_order, **key._asdict()))
    return curves


def _worded(key: _Key, part: str) -> str:
    """A part of a label. A group may be an empty text."""
    value = getattr(key, part)
    return _MISSING[part] if value is None else str(value) or "(empty)"
