"""`ulimit -v` that is too low for numpy, whose C code would end the process, or for a thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

_NEEDED = 160 << 20
"""Bytes of address space: numpy's, and that of the thread which starts beside it: in some commands
the one that reads the tokenizer ahead, in others that of bus_errors.py."""
_NEEDED_BY_A_THREAD = 80 << 20
"""It takes 72 MiB at once, for its stack and its malloc."""


def watch() -> None:
    """If address space is limited, raise an error where the next step would need more.

    That is MemoryError for the import of numpy, and NoRoomForThread for the start of a thread.
    Without a limit, as nearly always, this does nothing.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # Windows
        return
    if getrlimit(RLIMIT_AS)[0] != RLIM_INFINITY:
        sys.meta_path.insert(0, _BeforeNumpy())
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]


class NoRoomForThread(MemoryError, RuntimeError):
    """Too little address space is left. A RuntimeError, as of Python if a thread cannot start."""


_start_unchecked = threading.Thread.start


def _start(thread: threading.Thread) -> None:
    """Start a thread. Raises NoRoomForThread.

    Python waits until a new thread runs. One that finds no memory for that never does.
    """
    _check(_NEEDED_BY_A_THREAD, NoRoomForThread)
    _start_unchecked(thread)


def _check(n_bytes: int, error: type[MemoryError]) -> None:
    """Raises the error if there is less address space."""
    import mmap

    try:
        mmap.mmap(-1, n_bytes).close()
    except OSError as failed:
        raise error("not enough memory") from failed


class _BeforeNumpy:
    """Finds no module, but looks at the memory when numpy is asked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        """Raises MemoryError."""
        if name == "numpy":
            _check(_NEEDED, MemoryError)
