"""A tap for tests: it keeps what it sees, and may change it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class KeepingTap:
    """Keeps what it sees by name and text. names: what it wants; None: all.

    change: is given name and values, and returns what the model goes on with.
    """

    def __init__(
        self,
        names: Collection[str] | None = None,
        change: Callable[[str, Array], Array] = lambda name, values: values,
    ) -> None:
        self.names, self.change = names, change
        self.seen: dict[tuple[str, int], Array] = {}

    def wants(self, name: str) -> bool:
        return self.names is None or name in self.names

    def rows(self, text: int, n: int) -> Array:
        return np.arange(n)

    def see(self, name: str, text: int, values: Array) -> Array:
        assert (name, text) not in self.seen
        self.seen[name, text] = values.copy()
        return self.change(name, values)

    def of(self, text: int) -> dict[str, Array]:
        """What was seen of a text, by name."""
        return {name: values for (name, index), values in self.seen.items() if index == text}
