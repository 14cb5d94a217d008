"""The sha256 of items, by which a later run knows that they are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pythia_cli.reporting import Task
from pythia_cli.tables.item import Group, Item


class ItemHash:
    """Hashes the first `n_items` items, in order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.n_items = 0

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        return self._digest.hexdigest()

    def add(self, item: Item | Group) -> None:
        """Hash the next item. Does nothing for one that was hashed before."""
        if item.number > self.n_items:
            self._digest.update(item.content() + b"\n")
            self.n_items = item.number

    def follow(self, items: Iterator[Item | Group], n_items: int, task: Task) -> None:
        """Hash so many items, or all if there are fewer. task: advances by bytes."""
        while self.n_items < n_items and (item := next(items, None)) is not None:
            self.add(item)
            task.advance(item.n_bytes)
