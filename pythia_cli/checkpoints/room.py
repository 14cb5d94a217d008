"""Room on the disk: whether there is enough, and what to remove first."""

from __future__ import annotations

import shutil
from pathlib import Path

from pythia_cli.checkpoints.store import Installed
from pythia_cli.errors import NoRoom
from pythia_cli.files.publishing import nearest_existing


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Raises NoRoom where the disk that holds `folder` has less than n_bytes free."""
    free = shutil.disk_usage(nearest_existing(folder)).free
    if free < n_bytes:
        raise NoRoom(folder, what, n_bytes, free)


def least_recently_used(everything: list[Installed], limit: int) -> list[Installed]:
    """Those to remove, the least recently used first, for the others to fit in `limit` bytes."""
    total = sum(installed.n_bytes() for installed in everything)
    chosen = []
    for installed in sorted(everything, key=lambda i: i.last_used()):
        if total <= limit:
            break
        total -= installed.n_bytes()
        chosen.append(installed)
    return chosen
