"""Items from JSON lines: an object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pythia_cli.errors import InputError
from pythia_cli.files.reading import parse_json_object
from pythia_cli.tables.byte_lines import ByteLine
from pythia_cli.tables.decoding import decode_line
from pythia_cli.tables.item import Item
from pythia_cli.tables.problems import ItemError, NotJsonLines


def json_line_items(lines: Iterable[ByteLine], source: str, column: str) -> Iterator[Item]:
    """Yield an item for each line that is not blank."""
    number = 0
    for line in lines:
        text = decode_line(line, source)
        if isinstance(text, str) and not text.strip():
            continue
        number += 1
        found = text if isinstance(text, InputError) else _fields(text, line.number, source)
        error = found if isinstance(found, InputError) else None
        fields = {} if isinstance(found, InputError) else found
        yield Item(number, line.number, fields, source, column, line.n_bytes, error)


def _fields(text: str, line: int, source: str) -> dict[str, Any] | ItemError:
    try:
        fields = parse_json_object(text)
    except ValueError as error:
        return ItemError(source, line, f"is {error}")
    if "\\ud" in text.lower() and not _is_unicode(fields):
        return ItemError(source, line, "holds half of a surrogate pair (\\ud800 to \\udfff)")
    return fields


def _is_unicode(fields: dict[str, Any]) -> bool:
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def check_json_lines(sample: bytes, source: str, *, is_whole: bool) -> None:
    """Raises NotJsonLines for one value over the whole file. sample: its first bytes."""
    text = sample.decode("utf-8", errors="replace").strip()
    first = text.splitlines()[0].strip() if text else ""
    if first.startswith("["):
        value = _json(first)
        is_one_line = is_whole and first == text
        if value is None or (is_one_line and any(isinstance(inner, dict) for inner in value)):
            raise NotJsonLines(source, is_array=True)
    elif first == "{" or (is_whole and _json(first) is None and isinstance(_json(text), dict)):
        raise NotJsonLines(source, is_array=False)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
