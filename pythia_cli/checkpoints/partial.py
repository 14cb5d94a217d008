"""Files that have arrived in part or whole, for a checkpoint that is not installed yet.

STORE/partial/MODEL@STEP/HASH            named by the hash that the Hub states of the whole file
STORE/partial/MODEL@STEP/HASH-HOST-ID    while it arrives, and is read
STORE/partial/MODEL@STEP-ID/...          while it is removed

They stay when a download is interrupted, and the next one of the same checkpoint goes on from
there. The checkpoint's lock guards them; where locks do not work, files arrive elsewhere. They are
removed when it is installed, and in any case after two weeks.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from pythia_cli.checkpoints.hub_fetch import size_of
from pythia_cli.checkpoints.incoming import host_id
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.checkpoints.store import Store, refuse_links
from pythia_cli.errors import LockTimeout, ResourceError, StoreNotWritable
from pythia_cli.files.locks import lock
from pythia_cli.files.reading import entries
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint
from pythia_cli.system.background import background

_KEPT_SECONDS = 14 * 86400
_FOLDER = re.compile(rf"({NAME.pattern}@[0-9]+)(-[0-9a-f]{{12}})?")


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
    digests = {name: plan.digest(name) for name in plan.not_cached}
    sizes = ((size_of(_found(folder / digests[name])), plan.size(name)) for name in digests)
    return sum(here for here, whole in sizes if here <= whole)  # a longer one is fetched again


@contextlib.contextmanager
def arriving(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yields where a file arrives, and whether it is new; afterwards it is at `path`, if anywhere.

    Call it with the checkpoint's lock held. What was at `path`, or was left by a killed process of
    this computer, is there already: it is not new, and some other process may still have it open.
    Until the end of the block it has a name of its own: another computer, which may not see our
    lock, neither writes to it nor takes it away.
    """
    own = path.with_name(f"{path.name}-{host_id()}-{uuid.uuid4().hex[:12]}")
    is_new = True
    try:
        with contextlib.suppress(FileNotFoundError):  # none, or another computer has just taken it
            _found(path).rename(own)
            is_new = False
        for shorter in (path, *_left(path)):
            if shorter != own:
                shorter.unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(path, f"cannot be moved ({error.strerror})") from error
    try:
        yield own, is_new
    finally:
        with contextlib.suppress(OSError):  # if it cannot be renamed, _left finds it
            own.replace(path)


def _found(path: Path) -> Path:
    """The longest file that has arrived in part or whole, or `path` if there is none."""
    return max([path, *_left(path)], key=size_of)


def _left(path: Path) -> list[Path]:
    """Where it was arriving when a process was killed: of this computer, or more than a day ago."""
    own = f"{path.name}-{host_id()}-"
    try:
        found = list(path.parent.glob(f"{path.name}-*-*"))
    except OSError:  # a folder that is not ours
        return []
    return [left for left in found if left.name.startswith(own) or is_old(left)]


def remove(store: Store, checkpoint: Checkpoint) -> None:
    """Remove a checkpoint's partial files. Call it with the checkpoint's lock held."""
    remove_tree(place_of(store, checkpoint))
    remove_if_empty(store)


def remove_if_empty(store: Store) -> None:
    """Remove the folder of all partial files if there are none."""
    with contextlib.suppress(OSError):
        store.partial.rmdir()


def put_away(store: Store, checkpoint: Checkpoint) -> Future[None]:
    """As `remove`, but in a thread: a large file takes a third of a second.

    The lock may be given up meanwhile: the files have another name by then. If the process is
    killed, remove_old finds them. The folder of all partial files is left.
    """
    folder = place_of(store, checkpoint)
    away = folder.with_name(f"{folder.name}-{uuid.uuid4().hex[:12]}")
    try:
        folder.rename(away)
    except OSError:  # there is none, or it cannot be renamed
        remove_tree(folder)
    return background(lambda: remove_tree(away), "pythia-remove")


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
        match = _FOLDER.fullmatch(folder.name)
        if match is not None and is_old(folder, _KEPT_SECONDS):
            with (
                contextlib.suppress(StoreNotWritable, LockTimeout),  # not ours, or in use
                store.writing(),
                lock(store.lock_path(match[1]), match[1], 0),
            ):
                if is_old(folder, _KEPT_SECONDS):
                    remove_tree(folder)
