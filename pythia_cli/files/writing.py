"""Failures to write, named by the file that the user named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from pythia_cli.errors import ResourceError


@contextlib.contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Within the block, an OSError but for a closed pipe becomes a ResourceError with this path."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror or error})") from error


@contextlib.contextmanager
def naming(path: Path, opened: AbstractContextManager[BinaryIO]) -> Iterator[BinaryIO]:
    """The file that is opened for writing. A failure to open or to close it names this path."""
    with contextlib.ExitStack() as stack:
        with writing_errors(path):
            file = stack.enter_context(opened)
        yield file
        with writing_errors(path):
            stack.pop_all().close()
