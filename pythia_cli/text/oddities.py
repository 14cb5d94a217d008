"""What is odd about a text that is valid UTF-8, and would be scored as if it were prose."""

from __future__ import annotations

import codecs
import json
import re
from enum import Enum
from typing import Any

_SAMPLE = 1 << 16  # bytes that are looked at for a format
_JSON_LINES = 3  # lines that must be JSON objects; two if there are no more
_FEWEST_ROWS = 3  # of a table with a column of numbers
_FEWEST_ROWS_OF_WORDS = 5  # of another table
_MOST_ROWS = 50
_MOST_WORDS = 4  # in a cell of a table without a column of numbers

_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?\d[\d.eE+-]*"
_BEGINS_JSON = re.compile(
    rf"[\[\s]*(?:\{{\s*{_STRING}\s*:"
    rf"|\[\s*(?:{_STRING}\s*,\s*{_STRING}|(?:{_NUMBER}\s*,\s*){{2}}{_NUMBER})\s*[,\]])"
)
_NUMBER_OR_DATE = re.compile(r"\s*[-+]?\.?\d[\d.:/eE+-]*\s*")
_FIGURES = re.compile(r"\d+(?:,\d+)+")  # such as 1,000


class Oddity(Enum):
    """A reason to look at a text before its figures are believed."""

    BYTE_ORDER_MARK = "a byte-order mark"
    LATER_MARKS = "byte-order marks after the beginning"
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


def oddities(data: bytes, *, formats: bool = True) -> list[Oddity]:
    """The oddities of a text in UTF-8, those of its bytes first, then that of its format.

    A format is named only if it is hardly anything else.
    """
    found = []
    beginning = 0
    while data.startswith(codecs.BOM_UTF8, beginning):
        beginning += len(codecs.BOM_UTF8)
    if beginning:
        found.append(Oddity.BYTE_ORDER_MARK)
    if data.find(codecs.BOM_UTF8, beginning) >= 0:
        found.append(Oddity.LATER_MARKS)
    if b"\0" in data:
        found.append(Oddity.NULS)
    if "\ufffd".encode() in data:
        found.append(Oddity.REPLACEMENTS)
    if b"\r\n" in data:
        found.append(Oddity.CR_LF)
    elif b"\r" in data:
        found.append(Oddity.CR)
    if formats:
        sample = data[beginning:_SAMPLE].decode("utf-8", errors="ignore")
        found += _format(sample, is_whole=len(data) <= _SAMPLE)
    return found


def _format(sample: str, *, is_whole: bool) -> list[Oddity]:
    lines = [line for line in sample.splitlines() if line.strip()]
    if not is_whole:
        lines = lines[:-1]  # the last is cut off
    if sample.lstrip()[:64].lower().startswith(("<!doctype", "<html", "<?xml")):
        return [Oddity.MARKUP]
    if len(lines) > 1 and all(isinstance(_json(line), dict) for line in lines[:_JSON_LINES]):
        return [Oddity.JSON_LINES]
    if _BEGINS_JSON.match(sample) and (not is_whole or _json(sample) is not None):
        return [Oddity.JSON]
    if _is_table(lines, "\t"):
        return [Oddity.TSV]
    if _is_table(lines, ",") or _is_table(lines, ";"):
        return [Oddity.CSV]
    return []


def _json(text: str) -> Any:
    """What the JSON text holds; None if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_table(lines: list[str], separator: str) -> bool:
    """Whether the lines are rows of equally many cells, at least two.

    And either a column below the first row is of numbers, or the cells are words: few in each, and
    no space before them, as in a sentence.
    """
    lines = lines[:_MOST_ROWS]
    if all(map(_FIGURES.fullmatch, lines)):
        return False
    import csv  # here, because a command with a prompt starts sooner without it

    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return False
    if len(rows) < _FEWEST_ROWS or len({len(row) for row in rows}) > 1:
        return False
    columns = list(zip(*rows, strict=True))
    # Lines that begin or end with the separator may be indented, or clauses.
    for end in (0, -1):
        if not any(columns[end]):
            del columns[end]
        if len(columns) < 2:
            return False
    if any(all(map(_NUMBER_OR_DATE.fullmatch, column[1:])) for column in columns):
        return True
    cells = [cell for column in columns for cell in column]
    return (
        len(columns) > 2
        and len(rows) >= _FEWEST_ROWS_OF_WORDS
        and all(len(cell.split()) <= _MOST_WORDS and not cell.startswith(" ") for cell in cells)
    )
