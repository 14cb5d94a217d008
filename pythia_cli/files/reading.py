"""Reading whole files: bytes, JSON objects and sha256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pythia_cli.errors import InputError, IntegrityError, NotFound, ResourceError
from pythia_cli.reporting import NO_TASK, Task

_HASH_PIECE = 1 << 22


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises NotFound, InputError for a folder, ResourceError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except IsADirectoryError:
        raise InputError(path, "is a folder; name its files") from None
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror or error})") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises IntegrityError if the file holds none, and ResourceError."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise IntegrityError(path, f"not JSON ({error})") from error
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    if not isinstance(content, dict):
        raise IntegrityError(path, "not a JSON object")
    return content


def file_sha256(path: Path, task: Task = NO_TASK) -> str:
    """The sha256 of a file in hexadecimal; `task` advances by bytes. Raises ResourceError."""
    digest = hashlib.sha256()
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
