"""Standard streams: closed ones, and their encodings."""

from __future__ import annotations

import os
import sys
from typing import Any

_IS_WINDOWS = os.name == "nt"


def prepare() -> None:
    """Make standard streams usable: none is None, and no character fails to print."""
    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            _prepare(stream)


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
