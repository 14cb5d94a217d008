"""Totals of checkpoints and groups, for any values of the group's column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pythia_cli.tables.group_totals import GroupTotals
from pythia_cli.tables.layout import RowLayout


class Number:
    """Counts rows."""

    def __init__(self) -> None:
        self.n = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.n += 1

    def figures(self) -> dict[str, Any]:
        return {"n": self.n}


def totals(group: str | None, fields: list[dict[str, Any]], **layout: Any) -> dict[Any, int]:
    """The numbers of rows by group, of rows as the layout makes them of these fields."""
    names = {name: object for one in fields for name in one}
    of = RowLayout.of(names, {"measured": int}, **layout)
    found = GroupTotals(group, Number)
    found.begin(of)
    for one in fields:
        carried = {of.carried[name]: value for name, value in one.items()}
        found.add({"model": "m", "step": 1, "file": "f.tsv", "item": 1, **carried, "measured": 1})
    return {one["group"]: one["n"] for one in found.figures()}


def test_rows_without_a_value_are_in_no_group_but_once_in_all() -> None:
    fields = [{"g": "a"}, {"g": None}, {"g": ""}, {}]
    assert totals("g", fields) == {"a": 1, None: 4}
    assert totals(None, fields) == {None: 4}


def test_dots_lead_into_objects_unless_a_name_has_them() -> None:
    assert totals("m.k", [{"m": {"k": "x"}}, {"m": {}}]) == {"x": 1, None: 2}
    assert totals("m.k", [{"m.k": "y", "m": {"k": "x"}}]) == {"y": 1, None: 1}


def test_values_that_are_no_texts() -> None:
    fields = [{"g": {"k": 1}}, {"g": [1, 2]}, {"g": 3}, {"g": True}]
    assert totals("g", fields) == {'{"k": 1}': 1, "[1, 2]": 1, "3": 1, "true": 1, None: 4}


def test_a_column_that_the_table_calls_otherwise() -> None:
    assert totals("step", [{"step": "x"}, {"step": "y"}]) == {"x": 1, "y": 1, None: 2}
    assert totals("file", [{"file": "x"}], has_file=False) == {"x": 1, None: 1}
    assert totals("file", [{"file": "x"}], has_file=True) == {"f.tsv": 1, None: 1}


def test_checkpoints_are_apart() -> None:
    found = GroupTotals(None, Number)
    for step in (1, 2, 1):
        found.add({"model": "m", "step": step})
    assert [(one["step"], one["n"]) for one in found.figures()] == [(1, 2), (2, 1)]
