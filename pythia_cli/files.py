"""Whole files: JSON and hashes read, data written so that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pythia_cli.errors import IntegrityError, ResourceError

_HASH_PIECE = 1 << 22


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object's file. Raises IntegrityError where it holds none, ResourceError."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise IntegrityError(path, f"not JSON ({error})") from error
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    if not isinstance(content, dict):
        raise IntegrityError(path, "not a JSON object")
    return content


def file_sha256(path: Path, progress: Callable[[int], None] = lambda n_bytes: None) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    buffer = bytearray(_HASH_PIECE)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            while n_bytes := file.readinto(buffer):
                digest.update(view[:n_bytes])
                progress(n_bytes)
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """A JSON object, as write_aside writes."""
    write_aside(path, (json.dumps(content, indent=2) + "\n").encode())


def write_aside(path: Path, data: bytes) -> None:
    """Write a whole file or none: aside, fsync, rename, fsync of the folder."""
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:12]}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    fsync_folder(path.parent)


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def fsync_folder(folder: Path) -> None:
    """Make a rename in this folder last (a no-op where folders cannot be opened)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
