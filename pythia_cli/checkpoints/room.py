"""Disk space: is there enough, and which checkpoints to remove first."""

from __future__ import annotations

import shutil
from pathlib import Path

from pythia_cli.checkpoints.store import Installed
from pythia_cli.errors import NoRoom
from pythia_cli.files.publishing import nearest_existing


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Raises NoRoom if the disk of `folder` has less than n_bytes free. what: needs the space."""
    free = shutil.disk_usage(nearest_existing(folder)).free
    if free < n_bytes:
        raise NoRoom(folder, what, n_bytes, free)


def least_recently_used(everything: list[Installed], limit: int) -> list[Installed]:
    """The checkpoints to remove, least recently used first, so that `limit` bytes remain."""
    total = sum(installed.n_bytes() for installed in everything)
    chosen = []
    for installed in sorted(everything, key=lambda i: i.last_used()):
        if total <= limit:
            break
        total -= installed.n_bytes()
        chosen.append(installed)
    return chosen
