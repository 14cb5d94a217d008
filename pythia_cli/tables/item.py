"""An item: one text to measure, with the other columns of its line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from pythia_cli.errors import InputError
from pythia_cli.tables.fields import MISSING, nearest_names, value_at
from pythia_cli.tables.problems import ItemError

TEXT = "text"
"""The one column of an input of plain lines."""

Unit = Literal["line", "row", "item"]
"""What an item's `line` counts: lines, rows of Parquet, or items that no lines hold."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of an input.

    number: from 1, blank lines of tables not counted. line: where it begins, from 1 (of Parquet:
    the row). fields: all columns. column: the one that `text` reads. n_bytes: of the input. error:
    why it cannot be read; `fields` is empty then.
    """

    number: int
    line: int
    fields: dict[str, Any]
    source: str = TEXT
    column: str = TEXT
    n_bytes: int = 0
    error: InputError | None = None
    unit: Unit = "line"

    def text(
        self, name: str | None = None, *, may_be_empty: bool = False, expected: str = "a text"
    ) -> str:
        """The text of a column, of the item's own if no name is given. Dots lead into objects.

        expected: for the message of an error. Raises ItemError if there is no such field, or if it
        holds no text; and if it is empty, unless `may_be_empty`.
        """
        name = self.column if name is None else name
        value = self.value(name)
        if not isinstance(value, str):
            raise self.failed(f"field {name!r} is {_kind(value)}; expected {expected}")
        if not value and not may_be_empty:
            is_plain = self.fields.keys() == {TEXT}
            raise self.failed("is empty" if is_plain else f"field {name!r} is empty")
        return value

    def value(self, name: str) -> Any:
        """The value of a field. Raises the item's error, and ItemError without such a field."""
        if self.error is not None:
            raise self.error
        value = value_at(self.fields, name)
        if value is MISSING:
            nearest = nearest_names(name, self.fields)
            guess = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
            raise self.failed(f"has no field {name!r}{guess}")
        return value

    def failed(self, reason: str) -> ItemError:
        """The error that says where this item is, and why it cannot be used."""
        return ItemError(self.source, self.line, reason, self.unit)

    def content(self) -> bytes:
        """What tells it from another item, for hashing."""
        said = [self.fields, None if self.error is None else [str(self.error), self.n_bytes]]
        return json.dumps(said, default=str).encode()


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive items that have the same value in one column, such as the words of a story.

    number: from 1. by: the column. It has the attributes of an Item that `run_items` needs.
    """

    number: int
    by: str
    items: list[Item] = field(repr=False)

    @property
    def value(self) -> Any:
        """What all its items have in the column."""
        found = (value_at(item.fields, self.by) for item in self.items if item.error is None)
        return next((value for value in found if value is not MISSING), None)

    @property
    def line(self) -> int:
        """Where its first item begins."""
        return self.items[0].line

    @property
    def source(self) -> str:
        """The name of the input."""
        return self.items[0].source

    @property
    def fields(self) -> dict[str, Any]:
        """The column that all its items share."""
        return {self.by: self.value}

    @property
    def n_bytes(self) -> int:
        """Bytes of the input."""
        return sum(item.n_bytes for item in self.items)

    @property
    def error(self) -> InputError | None:
        """Of the first item that has one."""
        return next((item.error for item in self.items if item.error is not None), None)

    def failed(self, reason: str) -> ItemError:
        """The error that says where this group begins, and why it cannot be used."""
        return self.items[0].failed(reason)

    def content(self) -> bytes:
        """What tells it from another group, for hashing."""
        return b"\n".join(item.content() for item in self.items)


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else type(value).__name__
