"""`ulimit -v` that is too low for numpy: its C code would end the process, with status 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

_NEEDED = 160 << 20
"""Bytes of address space: numpy's, and that of the thread which starts beside it: in some commands
the one that reads the tokenizer ahead, in others that of bus_errors.py."""


def watch() -> None:
    """If address space is limited, raise MemoryError when numpy is imported and too little is left.

    Without a limit, as nearly always, this does nothing.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # Windows
        return
    if getrlimit(RLIMIT_AS)[0] != RLIM_INFINITY:
        sys.meta_path.insert(0, _BeforeNumpy())


class _BeforeNumpy:
    """Finds no module, but looks at the memory when numpy is asked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        """Raises MemoryError."""
        if name != "numpy":
            return
        import mmap

        try:
            mmap.mmap(-1, _NEEDED).close()
        except OSError as error:
            raise MemoryError from error
