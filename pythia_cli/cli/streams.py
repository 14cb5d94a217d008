"""Standard streams: closed, non-blocking and unbuffered ones, and their encodings."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

STANDARD_INPUT = "standard input"
"""What messages call it."""

_IS_WINDOWS = os.name == "nt"
_made_blocking: list[int] = []  # copies of descriptors, to be put back


def prepare() -> None:
    """Make standard streams usable: none is None, all wait, and no character fails to print."""
    _stand_in_for_closed_streams()
    _make_blocking()
    # Without a buffer (PYTHONUNBUFFERED), Python drops in silence what a full disk did not take.
    sys.stdout = _buffered(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            _prepare(stream)


def put_back() -> None:
    """Make non-blocking again what `prepare` made blocking: other processes share it."""
    while _made_blocking:
        with contextlib.suppress(OSError):
            os.set_blocking(_made_blocking.pop(), False)


def _make_blocking() -> None:
    """Make reads and writes wait: Python takes "nothing yet" for the end of a text."""
    if _IS_WINDOWS:
        return
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            if not os.get_blocking(descriptor):
                # A copy, because the descriptor may lead elsewhere when we leave.
                _made_blocking.append(os.dup(descriptor))
                os.set_blocking(descriptor, True)


def _buffered(stream: Any) -> Any:
    """The stream; a stand-in that is written after each line if it has no buffer."""
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        return stream
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=stream.encoding, line_buffering=True)


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
