"""What the columns of a table hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Kind = type
"""str, int, float, bool, or object: anything else, or several of these, written as JSON text."""

_MOST_INTEGER = 2**63


class Kinds:
    """Finds the columns of items, in order of appearance, and the kind of each."""

    def __init__(self) -> None:
        self._seen: dict[str, set[Kind]] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Look at the fields of an item."""
        for name, value in fields.items():
            kinds = self._seen.setdefault(name, set())
            if value is not None:
                kinds.add(_kind_of(value))

    @property
    def columns(self) -> dict[str, Kind]:
        """Those that were seen. One that is always None is of texts."""
        return {name: _common(kinds) for name, kinds in self._seen.items()}


def _kind_of(value: Any) -> Kind:
    if isinstance(value, bool):
        return bool
    if isinstance(value, int):
        return int if -_MOST_INTEGER <= value < _MOST_INTEGER else object
    return next((kind for kind in (float, str) if isinstance(value, kind)), object)


def _common(kinds: set[Kind]) -> Kind:
    if kinds == {int, float}:
        return float
    if len(kinds) == 1:
        return next(iter(kinds))
    return object if kinds else str
