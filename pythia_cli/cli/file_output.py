"""Files that a command writes besides its output."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Write = Callable[[str], object]


@contextlib.contextmanager
def opened_output(path: Path | None, inputs: list[str]) -> Iterator[Write | None]:
    """What writes into a file: aside, and put in place when all is well.

    `-` is stdout. A link is followed; a device or a pipe is written as it stands. Raises
    InputError for a folder or for one of the inputs, and ResourceError, here and in writing.
    """
    from pythia_cli.errors import InputError

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
    aside = target.with_name(f".{target.name}-{secrets.token_hex(6)}")
    with _naming(path):
        file = target.open("w", encoding="utf-8") if in_place else aside.open("x", encoding="utf-8")

    def write(text: str) -> None:
        with _naming(path):
            file.write(text)

    try:
        yield write
        with _naming(path):
            file.flush()
            if not in_place:
                aside.replace(target)
    finally:
        with contextlib.suppress(OSError):  # what could not be written has been told
            file.close()
        if not in_place:
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What goes wrong becomes a ResourceError that names the file; but for a reader that left."""
    from pythia_cli.errors import ResourceError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})") from error
