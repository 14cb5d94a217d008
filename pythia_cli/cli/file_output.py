"""Files that a command writes in addition to stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Write = Callable[[str], object]


@contextlib.contextmanager
def opened_output(path: Path | None, inputs: list[str]) -> Iterator[Write | None]:
    """Yields a function that writes to a file, which appears only if the block succeeds.

    path: None yields None; `-` is stdout; links are followed; devices and pipes are written
    directly. Raises InputError for a folder or one of the inputs, and ResourceError. The function
    raises ResourceError too.
    """
    from pythia_cli.errors import InputError
    from pythia_cli.files.publishing import published

    if path is None:
        yield None
        return
    if str(path) == "-":
        yield sys.stdout.write
        return
    # /dev/stdout leads to a file that is already open, which must not be replaced.
    in_place = str(path).startswith(("/dev/", "/proc/"))
    with _naming(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # fails for a link to itself, or too long a name
    target = path if in_place else path.resolve()
    in_place = in_place or (target.exists() and not target.is_file())
    if target.is_dir():
        raise InputError(path, "is a folder; name a file to write")
    sources = [name for name in inputs if name != "-" and os.path.exists(name)]
    if any(target.exists() and target.samefile(name) for name in sources):
        raise InputError(path, "is one of the texts; name another file to write")
    with contextlib.ExitStack() as stack:
        with _naming(path):
            file = stack.enter_context(target.open("wb") if in_place else published(target))

        def write(text: str) -> None:
            with _naming(path):
                # The name of a text may hold bytes that are not UTF-8.
                file.write(text.encode(errors="backslashreplace"))

        yield write
        with _naming(path):
            stack.pop_all().close()


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns an OSError into a ResourceError with the path, except for a closed pipe."""
    from pythia_cli.errors import ResourceError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})") from error
