"""What is odd about a text that is valid UTF-8, and would be scored as if it were prose."""

from __future__ import annotations

import json
import re
from enum import Enum

_SAMPLE = 1 << 16  # characters that are looked at for a format
_FEWEST_ROWS = 3  # of a table
_MOST_ROWS = 50


class Oddity(Enum):
    """A reason to look at a text before its figures are believed."""

    BYTE_ORDER_MARK = "a byte-order mark"
    NULS = "NUL characters"
    REPLACEMENTS = "U+FFFD characters"
    CR_LF = "lines that end in CR LF"
    CR = "lines that end in CR"
    JSON = "JSON"
    JSON_LINES = "JSON lines"
    TSV = "tab-separated values"
    CSV = "comma-separated values"
    MARKUP = "HTML or XML"


LINE_ENDS = frozenset({Oddity.CR_LF, Oddity.CR})


def oddities(data: bytes) -> list[Oddity]:
    """The oddities of a text in UTF-8, those of its bytes first, then that of its format."""
    found = []
    if data.startswith(b"\xef\xbb\xbf"):
        found.append(Oddity.BYTE_ORDER_MARK)
    if b"\0" in data:
        found.append(Oddity.NULS)
    if "\ufffd".encode() in data:
        found.append(Oddity.REPLACEMENTS)
    if b"\r\n" in data:
        found.append(Oddity.CR_LF)
    elif b"\r" in data:
        found.append(Oddity.CR)
    sample = data[:_SAMPLE].decode("utf-8", errors="ignore").removeprefix("\ufeff")
    return found + _format(sample, is_whole=len(data) <= _SAMPLE)


def _format(sample: str, *, is_whole: bool) -> list[Oddity]:
    lines = [line for line in sample.splitlines() if line.strip()]
    if not is_whole:
        lines = lines[:-1]  # the last is cut off
    start = sample.lstrip()[:64].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        return [Oddity.MARKUP]
    if lines and _is_json(lines[0]):
        return [Oddity.JSON_LINES if len(lines) > 1 else Oddity.JSON]
    if re.match(r"""[\[{]\s*[\[{"]""", start) and (not is_whole or _is_json(sample)):
        return [Oddity.JSON]
    if _is_table(lines, "\t"):
        return [Oddity.TSV]
    if _is_table(lines, ","):
        return [Oddity.CSV]
    return []


def _is_json(text: str) -> bool:
    """Whether it is a JSON object or array; numbers and the like are text."""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_table(lines: list[str], separator: str) -> bool:
    """Whether each line has the same number of cells, at least two, and no cell begins a clause."""
    if len(lines) < _FEWEST_ROWS:
        return False
    import csv  # here, because a command with a prompt starts sooner without it

    try:
        rows = list(csv.reader(lines[:_MOST_ROWS], delimiter=separator))
    except csv.Error:
        return False
    if separator == "," and any(cell.startswith(" ") for row in rows for cell in row[1:]):
        return False
    return len(rows[0]) > 1 and len({len(row) for row in rows}) == 1
