"""The columns of a table: which checkpoint and item, what the item carried, what was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.tables.encoders import ERROR
from pythia_cli.tables.item import Group, Item
from pythia_cli.tables.kinds import Kind

_CHECKPOINT: dict[str, Kind] = {"model": str, "step": int, "precision": str}
FILE = "file"
"""The column that says of which of several inputs a row is."""
ITEM = "item"
_CARRIED = "input_"
"""Before the name of a carried column that one of ours has too."""


@dataclass(frozen=True)
class RowLayout:
    """Makes rows: model, step, item, the carried columns, the measured ones, error.

    carried: the name of a column of the input, and its name in the table. columns: all, in order,
    and what each holds. has_file: `file` comes before `item`, as there are several inputs.
    """

    carried: dict[str, str]
    columns: dict[str, Kind]
    has_file: bool = False

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Kind],
        measured: Mapping[str, Kind],
        left_out: Collection[str] = (),
        *,
        has_file: bool = False,
    ) -> RowLayout:
        """columns: of the input. measured: of the measure. left_out: columns that are not carried.

        A carried column that has the name of another one is called input_NAME.
        """
        first = {**_CHECKPOINT, **({FILE: str} if has_file else {}), ITEM: int}
        own = {*first, *measured, ERROR}
        carried: dict[str, str] = {}
        kept = {name: kind for name, kind in columns.items() if name not in left_out}
        taken = {*own, *kept}
        for name in kept:
            ours = name
            if name in own:
                while ours in taken:
                    ours = f"{_CARRIED}{ours}"
                taken.add(ours)
            carried[name] = ours
        kinds = {carried[name]: kind for name, kind in kept.items()}
        return cls(carried, {**first, **kinds, **measured, ERROR: str}, has_file)

    def name_in_table(self, column: str) -> str:
        """What the table calls a column of the input, of which dots may lead into objects."""
        if self.has_file and column == FILE:
            return FILE
        parts = column.split(".")
        for n in range(len(parts), 0, -1):  # a name that has dots itself comes first
            if (ours := self.carried.get(".".join(parts[:n]))) is not None:
                return ".".join([ours, *parts[n:]])
        return column

    def carries_more_than(self, column: str) -> bool:
        """Whether rows have other columns of the input than this one."""
        return bool(self.carried.keys() - {column})

    def row(
        self, name: Mapping[str, Any], item: Item | Group, record: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A row. name: of the checkpoint. item: of a group, the number of its first item."""
        fields = {
            self.carried[column]: value
            for column, value in item.fields.items()
            if column in self.carried
        }
        number = item.items[0].number if isinstance(item, Group) else item.number
        file = {FILE: item.source} if self.has_file else {}
        return {**name, **file, ITEM: number, **fields, **record}

    def error_row(
        self, name: Mapping[str, Any], item: Item | Group, error: PythiaError
    ) -> dict[str, Any]:
        """The row of an item that could not be measured."""
        return self.row(name, item, {ERROR: str(error)})


def row_name(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What each row says of its checkpoint. precision: exact or fast; float32 in that dtype."""
    return {
        "model": provenance.get("model"),
        "step": provenance.get("step"),
        "precision": provenance.get("precision") or provenance.get("dtype"),
    }
