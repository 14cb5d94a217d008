"""Files that a command writes in addition to stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pythia_cli.files.writing import naming, writing_errors

Write = Callable[[str], object]


@contextlib.contextmanager
def opened_output(path: Path | None, inputs: list[str]) -> Iterator[Write | None]:
    """Yields a function that writes to a file, which appears only if the block succeeds.

    path: None yields None; `-` is stdout; links are followed; devices and pipes are written
    directly. Raises InputError for a folder, one of the inputs, or the file of a standard stream,
    and ResourceError. The function raises ResourceError too.
    """
    if path is None:
        yield None
        return
    if str(path) == "-":
        yield sys.stdout.write
        return
    with opened_binary(path, inputs) as file:

        def write(text: str) -> None:
            with writing_errors(path):
                # The name of a text may hold bytes that are not UTF-8.
                file.write(text.encode(errors="backslashreplace"))

        yield write


@contextlib.contextmanager
def opened_binary(path: Path, inputs: list[str]) -> Iterator[BinaryIO]:
    """As `opened_output`, but yields the file; write within `writing_errors`. `-` is a name."""
    from pythia_cli.files.publishing import open_to_write, published

    target, in_place = checked_output(path, inputs)
    with naming(path, open_to_write(target) if in_place else published(target)) as file:
        yield file


def checked_output(path: Path, inputs: list[str]) -> tuple[Path, bool]:
    """The file that a path leads to, and whether it is written directly: a device or a pipe.

    Raises InputError for a folder, one of the inputs, or the file of a standard stream, and
    ResourceError.
    """
    from pythia_cli.errors import InputError

    # /dev/stdout leads to a file that is already open, which must not be replaced.
    in_place = str(path).startswith(("/dev/", "/proc/"))
    with writing_errors(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # fails for a link to itself, or too long a name
    target = path if in_place else path.resolve()
    in_place = in_place or (target.exists() and not target.is_file())
    if target.is_dir():
        raise InputError(path, "is a folder; name a file to write")
    if target.is_file():
        _refuse_files_in_use(path, target.stat(), inputs)
    return target, in_place


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, such as a picture, which appears whole. Raises InputError and ResourceError."""
    from pythia_cli.files.publishing import write_aside

    target = check_regular(path)
    with writing_errors(path):
        write_aside(target, data)


def check_regular(path: Path, inputs: Sequence[str] = ()) -> Path:
    """The file that a path leads to. Raises InputError for a device or pipe, and as checked_output.

    Raises ResourceError if its folder is not there.
    """
    from pythia_cli.errors import InputError

    target, in_place = checked_output(path, list(inputs))
    if in_place:
        raise InputError(path, "is no regular file; name another file to write")
    with writing_errors(path):
        target.parent.stat()
    return target


def refuse_one_file(*paths: Path | None) -> None:
    """Raises InputError if two outputs are one regular file: only one would be left."""
    from pythia_cli.errors import InputError

    seen = set()
    for path in paths:
        if path is None or str(path) == "-":
            continue
        target = os.path.realpath(path)
        if target in seen and (os.path.isfile(target) or not os.path.exists(target)):
            raise InputError(path, "is to be written twice; name two files")
        seen.add(target)


def refuse_reading_stdout(inputs: Sequence[str]) -> None:
    """Raises InputError if stdout is appended to an input: it would be read without end."""
    from pythia_cli.errors import InputError

    for name in inputs:
        with contextlib.suppress(OSError):
            if name != "-" and os.path.isfile(name) and _is_same(os.stat(name), 1):
                raise InputError(name, "is standard output too; name another file to write")


def _refuse_files_in_use(path: Path, target: os.stat_result, inputs: list[str]) -> None:
    """Raises InputError if the file at `path` is an input, or that of a standard stream."""
    from pythia_cli.errors import InputError

    sources: list[str | int] = [0 if name == "-" else name for name in inputs]
    if any(_is_same(target, source) for source in sources):
        raise InputError(path, "is one of the texts; name another file to write")
    if _is_same(target, 1):
        raise InputError(path, "is standard output too; name another file, or - for stdout alone")
    if _is_same(target, 2):
        raise InputError(path, "is standard error too; name another file to write")


def _is_same(status: os.stat_result, file: str | int) -> bool:
    """Whether this is the status of the file, given by its name or descriptor."""
    try:
        return os.path.samestat(status, os.stat(file))
    except OSError:  # it is not there, or closed
        return False
