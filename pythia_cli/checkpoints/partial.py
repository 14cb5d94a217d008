"""Files that have arrived in part or whole, for a checkpoint that is not installed yet.

STORE/partial/MODEL@STEP/HASH    named by the hash that the Hub states of the whole file

They stay when a download is interrupted, and the next one of the same checkpoint goes on from
there. The checkpoint's lock guards them; where locks do not work, files arrive elsewhere. They are
removed when it is installed, and in any case after two weeks.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from pythia_cli.checkpoints.hub_fetch import size_of
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.checkpoints.store import Store, refuse_links
from pythia_cli.errors import LockTimeout, StoreNotWritable
from pythia_cli.files.locks import lock
from pythia_cli.files.reading import entries
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint

_KEPT_SECONDS = 14 * 86400
_FOLDER = re.compile(rf"{NAME.pattern}@[0-9]+")


def folder_for(store: Store, checkpoint: Checkpoint) -> Path:
    """Where a checkpoint's files arrive. Call it with the checkpoint's lock held.

    Raises StoreNotWritable if it is a link, which could lead to a folder outside the store.
    """
    folder = place_of(store, checkpoint)
    refuse_links(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def place_of(store: Store, checkpoint: Checkpoint) -> Path:
    """The path of folder_for, which need not exist."""
    return store.partial / str(checkpoint)


def kept_bytes(store: Store, plan: FetchPlan) -> int:
    """How many of the bytes to fetch for this plan are in the store already."""
    folder = place_of(store, plan.checkpoint)
    sizes = ((size_of(folder / plan.digest(name)), plan.size(name)) for name in plan.not_cached)
    return sum(here for here, whole in sizes if here <= whole)  # a longer one is fetched again


def remove(store: Store, checkpoint: Checkpoint) -> None:
    """Remove a checkpoint's partial files. Call it with the checkpoint's lock held."""
    folder = place_of(store, checkpoint)
    remove_tree(folder)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def remove_left(store: Store, checkpoint: Checkpoint) -> None:
    """Remove the partial files of an installed checkpoint, unless another process uses them.

    A process that was killed when it had just installed it has left them.
    """
    if place_of(store, checkpoint).exists():
        with (
            contextlib.suppress(StoreNotWritable, LockTimeout),
            store.writing(),
            lock(store.lock_path(str(checkpoint)), str(checkpoint), 0),
        ):
            if store.find(checkpoint) is not None:
                remove(store, checkpoint)


def remove_old(store: Store) -> None:
    """Remove the partial files of downloads that nobody has gone on with for two weeks."""
    if store.partial.is_symlink():
        return
    for folder in entries(store.partial):
        if _FOLDER.fullmatch(folder.name) and is_old(folder, _KEPT_SECONDS):
            with (
                contextlib.suppress(StoreNotWritable, LockTimeout),  # not ours, or in use
                store.writing(),
                lock(store.lock_path(folder.name), folder.name, 0),
            ):
                if is_old(folder, _KEPT_SECONDS):
                    remove_tree(folder)
