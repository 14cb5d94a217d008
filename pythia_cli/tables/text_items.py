"""Items that are in memory: texts, for use from Python, and whole files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pythia_cli.errors import InputError
from pythia_cli.tables.file_formats import InputFormat
from pythia_cli.tables.item import TEXT, Item
from pythia_cli.tables.kinds import Kinds


class TextItems:
    """Items that are in memory: texts, or mappings of columns. For use from Python."""

    format: InputFormat = "jsonl"

    def __init__(
        self, texts: Iterable[str | Mapping[str, Any]], column: str | None = None, name: str = TEXT
    ) -> None:
        """Raises InputError for what is neither a text nor a mapping."""
        self.name, self.column = name, column or TEXT
        self._items = [self._item(number, given) for number, given in enumerate(texts, 1)]
        self.n_bytes = len(self._items)
        kinds = Kinds()
        for item in self._items:
            kinds.add(item.fields)
        self.columns = kinds.columns

    def _item(self, number: int, given: str | Mapping[str, Any]) -> Item:
        if not isinstance(given, str | Mapping):
            raise InputError(
                self.name, f"item {number} is {type(given).__name__}; expected a text or a mapping"
            )
        fields = {TEXT: given} if isinstance(given, str) else dict(given)
        return Item(number, number, fields, self.name, self.column, 1, None, "item")

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def is_file(self, path: Path) -> bool:
        """Never: they are in no file."""
        return False

    def __len__(self) -> int:
        return len(self._items)


class FileTexts(TextItems):
    """The whole texts of files, each an item. Rows of a table then have a column `file`.

    texts: name and text of each.
    """

    has_file = True

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        named = list(texts)
        super().__init__([text for _, text in named])
        self._items = [
            replace(item, line=1, source=name, n_bytes=max(len(text), 1))
            for item, (name, text) in zip(self._items, named, strict=True)
        ]
        self.n_bytes = sum(item.n_bytes for item in self._items)
