"""Files that have arrived in part or whole, for a checkpoint that is not installed yet.

STORE/partial/MODEL@STEP/HASH    named by the hash that the Hub states of the whole file

They stay when a download is interrupted, and the next one of the same checkpoint goes on from
there. The checkpoint's lock guards them. They are removed when it is installed, and in any case
after two weeks.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from pythia_cli.checkpoints.hub_fetch import size_of
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import LockTimeout, StoreNotWritable
from pythia_cli.files.locks import lock
from pythia_cli.files.removing import remove_tree
from pythia_cli.suite.checkpoint import Checkpoint

_KEPT_SECONDS = 14 * 86400


def folder_for(store: Store, checkpoint: Checkpoint) -> Path:
    """Where a checkpoint's files arrive. Call it with the checkpoint's lock held.

    Raises StoreNotWritable if it is a link, which could lead to a folder outside the store.
    """
    folder = place_of(store, checkpoint)
    for part in (folder.parent, folder):
        if part.is_symlink():
            raise StoreNotWritable(part, "is a link, and is not written through")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def place_of(store: Store, checkpoint: Checkpoint) -> Path:
    """The path of folder_for, which need not exist."""
    return store.folder / "partial" / str(checkpoint)


def kept_bytes(store: Store, plan: FetchPlan) -> int:
    """How many of the bytes to fetch for this plan are in the store already."""
    folder = place_of(store, plan.checkpoint)
    return sum(
        min(size_of(folder / plan.digest(name)), plan.size(name)) for name in plan.not_cached
    )


def remove(store: Store, checkpoint: Checkpoint) -> None:
    """Remove a checkpoint's partial files. Call it with the checkpoint's lock held."""
    folder = place_of(store, checkpoint)
    remove_tree(folder)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def remove_old(store: Store) -> None:
    """Remove the partial files of downloads that nobody has gone on with for two weeks."""
    for folder in store.folder.glob("partial/*"):
        if not folder.parent.is_symlink() and _is_old(folder):
            with (
                contextlib.suppress(OSError, LockTimeout),  # not writable, or in use
                lock(store.lock_path(folder.name), folder.name, 0),
            ):
                if _is_old(folder):
                    remove_tree(folder)


def _is_old(folder: Path) -> bool:
    """Whether nothing has arrived in the folder lately; false if it is gone."""
    try:
        newest = max(path.lstat().st_mtime for path in (folder, *folder.glob("*")))
    except FileNotFoundError:
        return False
    return newest < time.time() - _KEPT_SECONDS
