"""The first items of an input, as those of one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

from pythia_cli.tables.item import Item
from pythia_cli.tables.items import Items
from pythia_cli.tables.joined import JoinedItems, joined_columns
from pythia_cli.tables.kinds import Kind, Kinds
from pythia_cli.tables.token_rows import TokenRows


class FirstItems:
    """At most the first n items, n >= 1. As `Items` otherwise; closing it closes the input."""

    def __init__(self, items: Items | JoinedItems | TokenRows, n: int) -> None:
        self.items, self._n = items, n
        self.name, self.column, self.format = items.name, items.column, items.format

    def __iter__(self) -> Iterator[Item]:
        return islice(self.items, self._n)

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of the input that these items take."""
        return sum(item.n_bytes for item in self)

    @cached_property
    def columns(self) -> dict[str, Kind]:
        """The columns; of JSON lines and Parquet, those of the first n items of each input."""
        inputs = self.items.inputs if isinstance(self.items, JoinedItems) else [self.items]
        return joined_columns(map(self._columns_of, inputs))

    def _columns_of(self, items: Items | TokenRows) -> dict[str, Kind]:
        if items.format not in ("jsonl", "parquet"):
            return items.columns
        kinds = Kinds()
        for item in islice(items, self._n):
            kinds.add(item.fields)
        return kinds.columns

    def check_columns(self, *names: str) -> None:
        """As `Items.check_columns`."""
        self.items.check_columns(*names)

    def is_file(self, path: Path) -> bool:
        """As `Items.is_file`."""
        return self.items.is_file(path)

    def close(self) -> None:
        """Close the input."""
        self.items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
