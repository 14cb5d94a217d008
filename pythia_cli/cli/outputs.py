"""Files that a command writes besides its output."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def opened_output(path: Path | None, inputs: list[str]) -> Iterator[TextIO | None]:
    """A file that a command is to write: written aside, and put in place when all is well.

    `-` is stdout. A link is followed; a device or a pipe is written as it stands. Raises
    InputError for a folder or for one of the inputs, ResourceError.
    """
    from pythia_cli.errors import InputError, ResourceError

    if path is None:
        yield None
        return
    if str(path) == "-":
        yield sys.stdout
        return
    # /dev/stdout leads through /proc to a file that is open elsewhere: never to be replaced.
    in_place = str(path).startswith(("/dev/", "/proc/"))
    target = path if in_place else path.resolve()
    in_place = in_place or (target.exists() and not target.is_file())
    if target.is_dir():
        raise InputError(path, "is a folder; name a file to write")
    if any(name != "-" and target.exists() and target.samefile(name) for name in inputs):
        raise InputError(path, "is one of the texts; name another file to write")
    aside = target.with_name(f".{target.name}-{secrets.token_hex(6)}")
    try:
        file = target.open("w", encoding="utf-8") if in_place else aside.open("x", encoding="utf-8")
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file
        if not in_place:
            aside.replace(target)
    finally:
        if not in_place:
            aside.unlink(missing_ok=True)
