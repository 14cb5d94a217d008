"""Splits a text at its line ends."""

from __future__ import annotations

import io


def lines_of(text: str) -> list[str]:
    """The lines without their ends: LF, CR LF or CR.

    splitlines would also split at form feeds and the like.
    """
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]
