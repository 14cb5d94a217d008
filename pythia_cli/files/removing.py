"""Removing files and folders, and whether anybody may still be writing them."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

GRACE_SECONDS = 86_400.0
"""What changed within this time may belong to a running process of whose locks we know nothing."""


def is_old(path: Path, seconds: float = GRACE_SECONDS) -> bool:
    """Whether it, and all that is in it, last changed more than so many seconds ago."""
    latest = time.time() - seconds
    left = [path]
    try:
        while left:
            at = left.pop()
            if os.lstat(at).st_mtime > latest:
                return False
            if at.is_dir() and not at.is_symlink():
                left.extend(at.iterdir())
    except OSError:  # it was removed, or is not for us to read
        return False
    return True


def remove_file(path: Path) -> None:
    """Remove a file, a link, or an empty folder that is in its place. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a file, a folder or a link (not what it leads to), as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
