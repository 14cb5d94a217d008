"""Splits a text at its line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(r"\r\n|\n|\r")


def lines_of(text: str) -> list[str]:
    """The lines without their ends: LF, CR LF or CR.

    splitlines would also split at form feeds and the like.
    """
    return [text[begin:end] for begin, end in line_spans(text)]


def line_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each of `lines_of`, in characters: a large text is not copied."""
    begin = 0
    for end in _END.finditer(text):
        yield begin, end.start()
        begin = end.end()
    if begin < len(text):
        yield begin, len(text)
