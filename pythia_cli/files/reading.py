"""Reading whole files: bytes, JSON objects and sha256."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from pythia_cli.errors import InputError, IntegrityError, NotFound, ResourceError
from pythia_cli.reporting import NO_TASK, Task

_HASH_PIECE = 1 << 22
_PIECE = 1 << 18
_TEXT_PIECE = 1 << 20
_MAX_JSON = 4 << 20  # the index of a model with 10,000 tensors has 1 MB
_DEEPEST = 32  # levels; ours have 5
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the text begins that Git has in place of a large file."""
MOST_TEXT = 1 << 30
"""The most bytes of a text that are read. Scoring one may take 4 to 7 times as much memory."""


@contextlib.contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Within the block, an OSError becomes NotFound or ResourceError."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror or error})") from error


def read_bytes(path: Path, arrived: Callable[[], None] = lambda: None) -> bytes:
    """The content of the user's file, also of a pipe or a device. Calls `arrived` for each piece.

    Raises NotFound, InputError for a folder and for more than 1 GiB, and ResourceError.
    """
    with reading_errors(path):
        try:
            with path.open("rb") as file:
                return read_stream(file, path, arrived)
        except IsADirectoryError:
            raise InputError(path, "is a folder; name its files") from None


def read_stream(stream: BufferedReader, source: str | Path, arrived: Callable[[], None]) -> bytes:
    """As `read_bytes`, from a stream. In pieces, as Ctrl-C waits for each. Raises OSError too."""
    pieces, n_bytes = [], 0
    while piece := stream.read1(_TEXT_PIECE):
        arrived()
        pieces.append(piece)
        n_bytes += len(piece)
        if n_bytes > MOST_TEXT:
            raise InputError(source, f"has more than {MOST_TEXT >> 20} MiB; split it")
    return b"".join(pieces)


def open_regular(path: Path) -> BufferedReader:
    """Open a file of a checkpoint or store for reading.

    Raises IntegrityError for a folder, for a pipe or device, which might never end, and for a text
    of Git LFS that stands in place of the file. Raises OSError.
    """
    try:
        # A pipe without a writer would block here.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAIT))  # noqa: SIM115
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENXIO):  # a folder, or a socket
            raise IntegrityError(path, "not a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IntegrityError(path, "not a regular file")
        if file.peek(len(LFS_POINTER)).startswith(LFS_POINTER):
            reason = "is a Git LFS pointer, not the file itself (git lfs pull fetches that)"
            raise IntegrityError(path, reason)
    except BaseException:
        file.close()
        raise
    return file


_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing if there is none, or if it may not be read.

    Raises ResourceError for other failures, such as too many open files. Path.glob of Python 3.13
    drops these, and everything seems to be gone.
    """
    try:
        return [folder / name for name in os.listdir(folder)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    except OSError as error:
        raise ResourceError(folder, f"cannot be read ({error.strerror})") from error


def read_at_most(path: Path, n_bytes: int) -> bytes:
    """A file's content. Raises NotFound, IntegrityError for a larger file, ResourceError."""
    with reading_errors(path), open_regular(path) as file:
        # In one piece, or more if it grows meanwhile.
        size = os.fstat(file.fileno()).st_size
        data: bytes = file.read(min(size, n_bytes) + 1)
        while len(data) <= n_bytes and (more := file.read(_PIECE)):
            data += more
    if len(data) > n_bytes:
        raise IntegrityError(path, f"has more than {n_bytes >> 20} MiB")
    return data


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of at most 4 MiB.

    Raises NotFound, IntegrityError if the file holds none, and ResourceError.
    """
    data = read_at_most(path, _MAX_JSON)
    try:
        return parse_json_object(data)
    except ValueError as error:
        raise IntegrityError(path, str(error)) from error


def parse_json_object(data: bytes | str) -> dict[str, Any]:
    """Parse a JSON object whose keys differ. Raises ValueError, which says what is wrong."""
    try:
        content = json.loads(data, object_pairs_hook=_different)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    _check_depth(content)
    return content


def _check_depth(content: Any) -> None:
    """Raises ValueError for content that code which calls itself could not walk through."""
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise ValueError(f"JSON of more than {_DEEPEST} levels")


def _different(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key appears twice in an object")
    return content


def file_sha256(path: Path, task: Task = NO_TASK) -> str:
    """The sha256 of a file in hexadecimal; `task` advances by bytes. Raises ResourceError."""
    return hash_file(path, hashlib.sha256(), task)


def hash_file(path: Path, digest: hashlib._Hash, task: Task = NO_TASK) -> str:
    """As file_sha256, with any hash of hashlib, which may have been given bytes before."""
    buffer = bytearray(_HASH_PIECE)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            while n_bytes := file.readinto(buffer):
                digest.update(view[:n_bytes])
                task.advance(n_bytes)
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    return digest.hexdigest()
