"""Files that a command writes besides its output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Write = Callable[[str], object]


@contextlib.contextmanager
def opened_output(path: Path | None, inputs: list[str]) -> Iterator[Write | None]:
    """What writes into a file, which appears whole when all is well, or not at all.

    `-` is stdout. A link is followed; a device or a pipe is written in place. Raises InputError for
    a folder or for one of the inputs, and ResourceError, here and in writing.
    """
    from pythia_cli.errors import InputError
    from pythia_cli.files.publishing import published

    if path is None:
        yield None
        return
    if str(path) == "-":
        yield sys.stdout.write
        return
    # /dev/stdout leads through /proc to a file that is open elsewhere: never to be replaced.
    in_place = str(path).startswith(("/dev/", "/proc/"))
    target = path if in_place else path.resolve()
    in_place = in_place or (target.exists() and not target.is_file())
    if target.is_dir():
        raise InputError(path, "is a folder; name a file to write")
    if any(name != "-" and target.exists() and target.samefile(name) for name in inputs):
        raise InputError(path, "is one of the texts; name another file to write")
    with contextlib.ExitStack() as stack:
        with _naming(path):
            file = stack.enter_context(target.open("wb") if in_place else published(target))

        def write(text: str) -> None:
            with _naming(path):
                file.write(text.encode())

        yield write
        with _naming(path):
            stack.pop_all().close()


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """A failure becomes a ResourceError that names the file; but for a reader that left."""
    from pythia_cli.errors import ResourceError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})") from error
