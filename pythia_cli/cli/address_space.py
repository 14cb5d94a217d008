"""`ulimit -v` that is too low for numpy, whose C code would end the process, or for a thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

_NEEDED = 160 << 20
"""Bytes of address space: numpy's, and that of the thread which starts beside it: in some commands
the one that reads the tokenizer ahead, in others that of bus_errors.py. A thread takes 72 MiB at
once, for its stack and its malloc, and the tokenizer's library ends the process if it finds none.
"""


def watch() -> None:
    """If address space is limited, raise MemoryError where the next step would need more.

    Those are the import of numpy, and the start of a thread. Without a limit, as nearly always,
    this does nothing.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # Windows
        return
    if getrlimit(RLIMIT_AS)[0] != RLIM_INFINITY:
        sys.meta_path.insert(0, _BeforeNumpy())
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]


_start_unchecked = threading.Thread.start


def _start(thread: threading.Thread) -> None:
    """Whoever starts a thread waits until it runs; if that finds no memory, for ever."""
    _check()
    _start_unchecked(thread)


def _check() -> None:
    """Raises MemoryError if there is less than _NEEDED."""
    import mmap

    try:
        mmap.mmap(-1, _NEEDED).close()
    except OSError as error:
        raise MemoryError from error


class _BeforeNumpy:
    """Finds no module, but looks at the memory when numpy is asked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        """Raises MemoryError."""
        if name == "numpy":
            _check()
