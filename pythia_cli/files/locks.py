"""Locks between processes. The lock of a process that died is free at once.

These are `flock` locks of empty files, which are not removed. Some network file systems have no
`flock`, and some accept it and let everybody in; `lock` says so. It must not be relied on where
data could be lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pythia_cli.errors import LockTimeout
from pythia_cli.reporting import SILENT, Reporter

_IN_USE = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK})
_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK, errno.ENOTTY}
)
_LOOK_SECONDS = 0.05  # between attempts


@contextlib.contextmanager
def lock(path: Path, what: str, seconds: float, reporter: Reporter = SILENT) -> Iterator[bool]:
    """Hold the lock on a file; reports if it has to wait. Yields whether it keeps others out.

    It does not if the file system has no locks, or ignores them. what: the name of the locked
    thing in messages. Raises LockTimeout after `seconds`, and OSError if the file cannot be
    created or is a link. Not reentrant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open(path)
    try:
        is_held = _try(descriptor)
        if is_held is False:
            reporter.note(f"waiting for another pythia process, which is working on {what}")
            is_held = _wait(descriptor, what, seconds)
        yield is_held is True and _keeps_out(path)
    finally:
        os.close(descriptor)  # this releases it


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on a file; False if there is no such file.

    Needs no right to write. Takes the lock for a moment, if it is free: whoever tries then, without
    waiting, fails. Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        return _try(descriptor) is False
    finally:
        os.close(descriptor)


def _wait(descriptor: int, what: str, seconds: float) -> bool | None:
    """As _try, until no other process holds the lock. Raises LockTimeout after `seconds`."""
    deadline = time.monotonic() + seconds
    while (is_held := _try(descriptor)) is False:
        if time.monotonic() >= deadline:
            raise LockTimeout(what, seconds)
        time.sleep(_LOOK_SECONDS)
    return is_held


def _keeps_out(path: Path) -> bool:
    """Whether a file that is locked cannot be locked a second time."""
    descriptor = _open(path)
    try:
        return _try(descriptor) is False
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # A link could lead to a file that is not ours.
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _try(descriptor: int) -> bool | None:
    """Lock if it is free: True. False if another holds it, None if there are no locks here."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _IN_USE:
            return False
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
