"""Atomic writing: files appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pythia_cli.files.removing import is_old

_ASIDE = 12  # hexadecimal digits behind the name of a temporary file


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object atomically."""
    write_aside(path, (json.dumps(content, indent=2) + "\n").encode())


def write_aside(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with published(path) as file:
        file.write(data)


@contextlib.contextmanager
def open_to_write(
    path: Path, *, exclusive: bool = False, buffering: int = -1
) -> Iterator[BinaryIO]:
    """Open a file for writing bytes. An error in the block is not replaced by one of closing it.

    exclusive: raise FileExistsError if the file is there; the new one can be read too. buffering:
    as of open.
    """
    file = path.open("x+b" if exclusive else "wb", buffering)
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):  # what is still in the buffer
            file.close()
        raise
    file.close()


@contextlib.contextmanager
def published(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing; it appears at `path`, whole, when the block ends without an error.

    Writes to a temporary file beside it, fsyncs, renames it and fsyncs the folder. private: only
    its owner can read it. An OSError names `path`, not the temporary file, which is gone then.
    """
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:_ASIDE]}")
    try:
        with open_to_write(aside, exclusive=True) as file:
            if private:
                aside.chmod(0o600)
            yield file
            file.flush()
            fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        if error.filename == str(aside):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(NotADirectoryError):
            aside.unlink(missing_ok=True)
    fsync_folder(path.parent)


def remove_unpublished(path: Path, *, old_only: bool = False) -> None:
    """Remove what processes left that were killed while they published at `path`.

    Call it when no other process writes there; or with old_only, which leaves what was written
    within a day. Raises OSError.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}-{'[0-9a-f]' * _ASIDE}"):
        if not old_only or is_old(left):
            left.unlink(missing_ok=True)


def nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def fsync_folder(folder: Path) -> None:
    """Make renames in this folder durable. Does nothing if folders cannot be opened (Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync(descriptor: int) -> None:
    """Write what was written to the disk itself, on macOS too, where fsync leaves it in a cache."""
    if sys.platform == "darwin":
        import fcntl

        # Not every file system has it.
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
