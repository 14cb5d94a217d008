"""Values of a record as cells of TSV and CSV, and as JSON."""

from __future__ import annotations

import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """The value as Python's own type: numpy's scalars and arrays become numbers and lists."""
    if type(value) in _OWN:
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return value


_OWN = frozenset({str, int, float, bool, type(None), list, dict})


def list_in(text: str) -> list[Any] | None:
    """The list that a text is, written as JSON, as `as_cell` writes it; None for another text."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def as_cell(value: Any) -> str:
    """A cell. None and NaN are empty; lists and objects are JSON text; floats keep all digits."""
    value = plain(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | dict):
        return as_json(value)
    return str(value)


def as_mixed_cell(value: Any) -> str:
    """A cell of a column of several kinds: a text that would be read as JSON is written as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
        return as_json(value)
    return as_cell(value)


def as_json(value: Any) -> str:
    """JSON, in which a float that is not finite is null."""
    value = plain(value)
    try:
        return json.dumps(value, allow_nan=False, default=_other)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, default=_other)


def _finite(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


def _other(value: Any) -> Any:
    """Numbers of numpy within a record; what else Parquet holds, such as dates, as text."""
    made = plain(value)
    return str(value) if made is value else made
