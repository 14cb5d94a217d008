"""What is odd about a text that is valid UTF-8, and would be scored as if it were prose."""

from __future__ import annotations

import codecs
from enum import Enum

from pythia_cli.text.controls import SAMPLE
from pythia_cli.text.formats import is_json, is_json_lines, is_markup, is_table


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
        sample = data[beginning:SAMPLE].decode("utf-8", errors="ignore")
        found += _format(sample, is_whole=len(data) <= SAMPLE)
    return found


def _format(sample: str, *, is_whole: bool) -> list[Oddity]:
    lines = [line for line in sample.splitlines() if line.strip()]
    if not is_whole:
        lines = lines[:-1]  # the last is cut off
    if is_markup(sample):
        return [Oddity.MARKUP]
    if is_json_lines(lines):
        return [Oddity.JSON_LINES]
    if is_json(sample, is_whole=is_whole):
        return [Oddity.JSON]
    if is_table(lines, "\t"):
        return [Oddity.TSV]
    if is_table(lines, ",") or is_table(lines, ";"):
        return [Oddity.CSV]
    return []
