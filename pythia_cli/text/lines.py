"""Splits a text at its line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r)|[^\r\n]+")


def lines_of(text: str) -> list[str]:
    """The lines without their ends: LF, CR LF or CR.

    splitlines would also split at form feeds and the like.
    """
    return [text[begin:end] for begin, end in line_spans(text)]


def line_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each of `lines_of`, in characters: a large text is not copied."""
    for found in _LINE.finditer(text):
        yield found.span(1 if found.start(1) >= 0 else 0)
