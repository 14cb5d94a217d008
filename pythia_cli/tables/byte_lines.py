"""Splits the bytes of an input into lines, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 64 << 20
"""The most bytes of a line or item."""

LINE_ENDS = re.compile(rb"(\r\n|\r|\n)")
NULS = re.compile(rb"(\0)")


class ByteLine(NamedTuple):
    """A line. data: without its end; of a line that is too long, nothing.

    number: from 1. n_bytes: with its end. n_quotes: double quotes in a line that is too long.
    """

    number: int
    data: bytes
    end: bytes
    n_bytes: int
    is_too_long: bool = False
    n_quotes: int = 0


def byte_lines(
    pieces: Iterable[bytes], ends: re.Pattern[bytes] = LINE_ENDS, longest: int = LONGEST
) -> Iterator[ByteLine]:
    """Yield the lines of a text that comes in pieces. ends: with one group, of a line's end."""
    held = _Held(longest)
    waiting = b""  # a CR, which an LF may follow
    for piece in pieces:
        data = waiting + piece
        waiting = b""
        if ends is LINE_ENDS and data.endswith(b"\r"):
            data, waiting = data[:-1], b"\r"
        *whole, rest = ends.split(data)
        for part, end in zip(whole[::2], whole[1::2], strict=True):
            held.add(part)
            yield held.line(end)
        held.add(rest)
    if held.n_bytes or waiting:
        yield held.line(waiting)


class _Held:
    """What is known of the line that has begun."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._number = 0
        self._forget()

    def _forget(self) -> None:
        self._parts: list[bytes] = []
        self.n_bytes = self._n_quotes = 0
        self._is_too_long = False

    def add(self, part: bytes) -> None:
        self.n_bytes += len(part)
        if self.n_bytes > self._longest:
            self._is_too_long = True
            self._n_quotes += sum(kept.count(b'"') for kept in self._parts) + part.count(b'"')
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def line(self, end: bytes) -> ByteLine:
        self._number += 1
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        n_bytes = self.n_bytes + len(end)
        made = ByteLine(self._number, data, end, n_bytes, self._is_too_long, self._n_quotes)
        self._forget()
        return made
