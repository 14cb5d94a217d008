"""Tells text from data: each function says whether a sample is hardly anything but this format.

Prose must not be taken for data: poems, dialogues, lists, source code, prose with some data in it.
"""

from __future__ import annotations

import json
import re
from typing import Any

_MOST_LINES = 50  # that are looked at

# Elements of HTML that are seldom closed; of others, the end tag or an attribute is looked for.
_LEFT_OPEN = frozenset({"p", "br", "hr", "li", "img", "meta", "link"})
_COMMENTS = re.compile(r"(?:\s*<!--.*?-->)*\s*", re.DOTALL)
_TAG = re.compile(
    r"<([^\W\d_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'|[^\s\"'<>=]+))*)\s*/?>"
)


def is_markup(sample: str) -> bool:
    """HTML or XML, also a part of a document: an element at the beginning, after comments."""
    begin = _COMMENTS.match(sample).end()  # type: ignore[union-attr]
    if sample[begin : begin + 64].lower().startswith(("<!doctype", "<html", "<?xml")):
        return True
    tag = _TAG.match(sample, begin)
    if tag is None:
        return False
    name, attributes = tag.groups()
    return bool(attributes) or name.lower() in _LEFT_OPEN or f"</{name}>" in sample


_FEWEST_OBJECTS = 2  # and two thirds of the lines
_FEWEST_ARRAYS = 3
_FEWEST_STRINGS = 10  # a dialogue may have a few lines that are wholly in quotes

_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?\d[\d.eE+-]*"
_BEGINS_JSON = re.compile(
    rf"[\[\s]*(?:\{{\s*{_STRING}\s*:"
    rf"|\[\s*(?:{_STRING}\s*,\s*{_STRING}|(?:{_NUMBER}\s*,\s*){{2}}{_NUMBER})\s*[,\]])"
)


def is_json_lines(lines: list[str]) -> bool:
    """Lines that are objects, but for a few; or all of which are arrays, or strings."""
    values = list(map(_json, lines[:_MOST_LINES]))
    n_objects = sum(isinstance(value, dict) and bool(value) for value in values)
    if n_objects >= _FEWEST_OBJECTS and 3 * n_objects >= 2 * len(values):
        return True
    if len(values) < _FEWEST_ARRAYS:
        return False
    if all(map(_is_row, values)):
        return True
    are_strings = all(isinstance(value, str) for value in values)
    has_escapes = any("\\" in line for line in lines[:_MOST_LINES])
    return are_strings and (has_escapes or len(values) >= _FEWEST_STRINGS)


def _is_row(value: Any) -> bool:
    """Whether it is an array that is no reference or year in brackets, such as [1]."""
    return isinstance(value, list) and (
        len(value) > 1 or any(not isinstance(x, int) for x in value)
    )


def is_json(sample: str, *, is_whole: bool) -> bool:
    """An object or an array, or several one after the other; or the beginning of some."""
    if not _BEGINS_JSON.match(sample):
        return False
    rest = sample.strip()
    while is_whole and rest:
        try:
            _, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            return False
        rest = rest[end:].lstrip()
    return True


def _json(text: str) -> Any:
    """What the JSON text holds; None if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_FEWEST_ROWS = 3  # of a table with a column of numbers
_FEWEST_ROWS_OF_WORDS = 5  # of another table
_FEWEST_NAMES = 0.8  # of the cells before a tab that are no bullets and the like
_MOST_WORDS = 4  # in a cell of a table without a column of numbers or tabs

_NUMBER_OR_DATE = re.compile(r"\s*[-+]?\.?\d[\d.:/eE+-]*\s*")
_FIGURES = re.compile(r"\d+(?:,\d+)+")  # such as 1,000
_WORDS = re.compile(r"[^\W\d_](?:[\w' -]*\w)?")
_BEGINS_CODE, _ENDS_CODE = tuple("=/#*;{}|\\"), tuple(";{},\\")
_ENDS_NAME = tuple(":.)-\u2013\u2014>|*")  # of who speaks, or of an item in a list


def is_table(lines: list[str], separator: str) -> bool:
    """Rows of equally many cells, at least two, that have one of these.

    A column below the first row is of numbers. Or tabs are between labels and text. Or the cells
    are words: few in each, and no space before them, as in a sentence.
    """
    lines = lines[:_MOST_LINES]
    if all(map(_FIGURES.fullmatch, lines)):
        return False
    rows = _rows(lines, separator)
    if len(rows) < _FEWEST_ROWS or len({len(row) for row in rows}) > 1:
        return False
    columns = list(zip(*rows, strict=True))
    n_columns = len(columns)
    # Lines that begin or end with the separator may be indented, or clauses.
    for end in (0, -1):
        if not any(columns[end]):
            del columns[end]
        if len(columns) < 2:
            return False
    if any(all(map(_NUMBER_OR_DATE.fullmatch, column[1:])) for column in columns):
        return True
    if len(rows) < _FEWEST_ROWS_OF_WORDS:
        return False
    if separator == "\t" and len(columns) == n_columns and _are_labelled(columns):
        return True
    cells = [cell for column in columns for cell in column]
    if any(len(cell.split()) > _MOST_WORDS or cell.startswith(" ") for cell in cells):
        return False
    return len(columns) > 2 or all(map(_is_of_words, cells))


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    if separator == "\t":  # where quotes are part of the text
        return [line.split("\t") for line in lines]
    import csv  # here, because a command with a prompt starts sooner without it

    try:
        return list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return []


def _are_labelled(columns: list[tuple[str, ...]]) -> bool:
    """Whether columns between tabs are no source code, list or play."""
    names, *others = columns
    n_names = sum(any(map(str.isalnum, name)) and not name.endswith(_ENDS_NAME) for name in names)
    if n_names < _FEWEST_NAMES * len(names):
        return False
    if all(map(str.isupper, names)) and any(" " in cell for column in others for cell in column):
        return False  # who speaks, and what
    return not (
        any(all(cell.startswith(_BEGINS_CODE) for cell in column) for column in columns)
        or all(cell.endswith(_ENDS_CODE) for cell in columns[-1])
    )


def _is_of_words(cell: str) -> bool:
    """Whether it is a few words of a script with capitals: others have no spaces after commas."""
    return _WORDS.fullmatch(cell) is not None and (cell[0].islower() or cell[0].isupper())
