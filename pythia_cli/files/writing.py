"""Failures to write, named by the file that the user named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

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
