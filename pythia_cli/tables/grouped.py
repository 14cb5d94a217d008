"""Items whose rows are parts of one text, such as the words of a story."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.fields import value_at
from pythia_cli.tables.first_items import FirstItems
from pythia_cli.tables.item import Group, Item
from pythia_cli.tables.items import Items
from pythia_cli.tables.joined import JoinedItems
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.text_items import TextItems
from pythia_cli.tables.token_rows import TokenRows
from pythia_cli.tables.values import as_cell, as_json

FileRows = Items | JoinedItems | TokenRows | FirstItems
Rows = FileRows | TextItems

_MOST_SEEN = 1 << 18  # values of an input that are looked for again: some 25 MB


class GroupedItems:
    """Groups of consecutive items that have the same value in a column; as `Items` otherwise.

    Iterating holds one group in memory. If a value comes back after others, its rows are two
    groups, and `reporter` gets a notice, once. Raises MissingColumn if there is no such column.
    """

    def __init__(self, items: Rows, by: str, reporter: Reporter = SILENT) -> None:
        if not isinstance(items, TextItems):
            items.check_columns(by)
        self.items, self.by = items, by
        self.name, self.format, self.n_bytes = items.name, items.format, items.n_bytes
        self.column = items.column
        self._reporter, self._has_noted = reporter, False

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns of the items, for measures that give a record for each of them."""
        return self.items.columns

    @property
    def own_columns(self) -> dict[str, Kind]:
        """The columns of groups, for measures that give records for a whole group."""
        return {self.by: self.items.columns.get(self.by, object)}

    def is_file(self, path: Path) -> bool:
        """As `Items.is_file`."""
        return self.items.is_file(path)

    def __iter__(self) -> Iterator[Group]:
        held: list[Item] = []
        number = 0
        seen = _Seen()
        for item in self.items:
            if held and self._begins(held, item):
                number += 1
                yield self._group(number, held, seen)
                held = []
            held.append(item)
        if held:
            yield self._group(number + 1, held, seen)

    def _group(self, number: int, held: list[Item], seen: _Seen) -> Group:
        group = Group(number, self.by, held)
        if not self._has_noted and seen.comes_back(group):
            self._has_noted = True
            self._reporter.note(
                f"{group.source}, {held[0].unit} {group.line}: {self.by} {as_cell(group.value)!r}"
                " comes back after other values; only consecutive rows are taken as one text"
            )
        return group

    def _begins(self, held: Sequence[Item], item: Item) -> bool:
        """Whether an item is of the next group. One that cannot be read is of the present one."""
        known = next((one for one in held if one.error is None), None)
        if item.source != held[0].source:
            return True
        if item.error is not None or known is None:
            return False
        return value_at(known.fields, self.by) != value_at(item.fields, self.by)


class _Seen:
    """The values that groups of the present input have had, as hashes: little memory for each."""

    def __init__(self) -> None:
        self._source = ""
        self._hashes: set[int] = set()

    def comes_back(self, group: Group) -> bool:
        """Whether an earlier group of the same input had this one's value."""
        if group.source != self._source:
            self._source = group.source
            self._hashes.clear()
        value = hash(as_json(group.value))
        if value in self._hashes:
            return True
        if len(self._hashes) < _MOST_SEEN:
            self._hashes.add(value)
        return False
