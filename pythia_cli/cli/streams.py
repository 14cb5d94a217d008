"""Standard streams: closed, non-blocking and unbuffered ones, and their encodings."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

STANDARD_INPUT = "standard input"
"""What messages call it."""

_IS_WINDOWS = os.name == "nt"


def prepare() -> None:
    """Make standard streams usable: none is None, all wait, and no character fails to print."""
    _stand_in_for_closed_streams()
    if not _IS_WINDOWS:
        sys.stdin, sys.stdout, sys.stderr = map(_waiting, (sys.stdin, sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            _prepare(stream)


class _Waiting(io.RawIOBase):
    """A standard descriptor that waits where a non-blocking one says "nothing yet".

    Python takes that for the end of a text, and drops what could not be written. The descriptor
    stays as it is: other processes share it.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.name = file.name

    def readinto(self, buffer: Any) -> int:
        while (n := self._file.readinto(buffer)) is None:
            select.select([self._file], [], [])
        return n

    def write(self, data: Any) -> int:
        while (n := self._file.write(data)) is None:
            select.select([], [self._file], [])
        return n

    def readable(self) -> bool:
        return self._file.readable()

    def writable(self) -> bool:
        return self._file.writable()

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


def _waiting(stream: Any) -> Any:
    """The stream, over a _Waiting. Streams that are none of Python's own are left as they are."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # without a buffer with PYTHONUNBUFFERED
    if not isinstance(raw, io.FileIO) or raw.fileno() > 2:
        return stream
    waiting = _Waiting(raw)
    # Without a buffer, Python drops in silence what a full disk did not take.
    buffered = io.BufferedReader(waiting) if raw.readable() else io.BufferedWriter(waiting)
    is_live = stream.line_buffering or buffer is raw
    return io.TextIOWrapper(
        buffered, encoding=stream.encoding, errors=stream.errors, line_buffering=is_live
    )


def _prepare(stream: Any) -> None:
    if _IS_WINDOWS and not stream.isatty():
        # In pipes and files Windows would encode in its code page, and end lines in CR LF.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    else:
        stream.reconfigure(errors="backslashreplace")


def _stand_in_for_closed_streams() -> None:
    """Replace closed standard streams: stdin is empty, stdout fails, stderr drops its text."""
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
