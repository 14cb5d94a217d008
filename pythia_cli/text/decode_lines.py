"""Decodes the lines of a text of which some are not UTF-8."""

from __future__ import annotations

import re

from pythia_cli.errors import NotUtf8
from pythia_cli.text.decode import decode_text
from pythia_cli.text.guess_encoding import CUT_BEGINNING, CUT_END, CUT_END_OR_LATIN1, DAMAGED

IN_SOME_LINES = {
    None,
    "Latin-1",
    "Windows-1252",
    CUT_BEGINNING,
    CUT_END,
    CUT_END_OR_LATIN1,
    DAMAGED,
}
"""Guesses of `guess_encoding` that may hold for some lines of a text only."""


def decode_lines(data: bytes, error: NotUtf8) -> list[str | NotUtf8]:
    """The lines of a text; for each that is not UTF-8, its error. error: that of the whole text.

    Raises `error` if no line is UTF-8, or if the text is of another format as a whole.
    """
    if error.guess not in IN_SOME_LINES:
        raise error
    lines = re.split(rb"\r\n|\r|\n", data)
    if not lines[-1]:
        del lines[-1]
    decoded = [_decoded(line, error, number) for number, line in enumerate(lines, 1)]
    if not any(isinstance(line, str) for line in decoded):
        raise error
    return decoded


def _decoded(line: bytes, error: NotUtf8, number: int) -> str | NotUtf8:
    try:
        return decode_text(line, str(error.source), is_beginning=number == 1)
    except NotUtf8 as found:
        return NotUtf8(error.source, found.byte, found.offset, found.guess, number)
