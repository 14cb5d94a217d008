"""Locks between processes. The lock of a process that died is free at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pythia_cli.errors import LockTimeout
from pythia_cli.reporting import SILENT, Reporter


@contextlib.contextmanager
def lock(path: Path, what: str, seconds: float, reporter: Reporter = SILENT) -> Iterator[None]:
    """Hold the lock on a file; reports if it has to wait. The empty file is not removed.

    what: the name of the locked thing in messages. Raises LockTimeout after `seconds`, and OSError
    if the file cannot be created. Not reentrant.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, thread_local=False)
    try:
        held.acquire(timeout=0)
    except Timeout:
        reporter.note(f"waiting for another pythia process, which is working on {what}")
        try:
            held.acquire(timeout=seconds)
        except Timeout:
            raise LockTimeout(what, seconds) from None
    try:
        yield
    finally:
        held.release()


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it was."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(path, path.name, 0))
        except LockTimeout:
            free = False
        else:
            free = True
        yield free
