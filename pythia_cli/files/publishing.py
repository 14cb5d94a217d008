"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any


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
