"""Looks up columns by name. Dots lead into nested objects and lists: `meta.texts.0`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MISSING = object()
"""There is no such field."""


def value_at(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field, or MISSING. A key that itself has dots comes before nested ones."""
    if name in fields:
        return fields[name]
    at = len(name)
    while (at := name.rfind(".", 0, at)) >= 0:
        inner = fields.get(name[:at], MISSING)
        if isinstance(inner, list):
            inner = {str(index): value for index, value in enumerate(inner)}
        if isinstance(inner, dict) and (found := value_at(inner, name[at + 1 :])) is not MISSING:
            return found
    return MISSING


def nearest_names(name: str, names: Iterable[str]) -> list[str]:
    """At most three of the names, that may be meant."""
    import difflib  # here, because most inputs have the columns that are asked for

    folded: dict[str, str] = {}
    for known in names:
        folded.setdefault(known.casefold().strip(), known)
    near = difflib.get_close_matches(name.casefold().strip(), folded, 3, 0.7)
    return [folded[match] for match in near]
