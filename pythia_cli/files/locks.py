"""Locks between processes: one works, others wait; a dead holder's lock is free at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pythia_cli.errors import LockTimeout


@contextlib.contextmanager
def lock(
    path: Path, what: str, seconds: float, waiting: Callable[[str], None] = lambda what: None
) -> Iterator[None]:
    """Hold the lock on a file, which stays behind empty; `waiting` is told once if that takes time.

    Raises LockTimeout after `seconds`, OSError where the file cannot be made. Not reentrant.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, thread_local=False)
    try:
        held.acquire(timeout=0)
    except Timeout:
        waiting(what)
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
    """Hold the lock if nobody does; whether that is so."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(path, path.name, 0))
        except LockTimeout:
            free = False
        else:
            free = True
        yield free
