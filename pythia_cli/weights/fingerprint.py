"""Detects changed files without reading them."""

from __future__ import annotations

from pathlib import Path

from pythia_cli.errors import ResourceError


def fingerprint(files: list[Path]) -> dict[str, list[int]]:
    """Size, times of modification and of change (ns), and inode of each file, by name.

    The second time and the inode tell a file from one of the same size that was put in its place
    with the same modification time. Raises ResourceError.
    """
    found = {}
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise ResourceError(path, f"cannot be read ({error.strerror})") from error
        found[path.name] = [
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
        ]  # fmt: skip
    return found
