"""Files that have arrived in part or whole, for a checkpoint that is not installed yet.

STORE/partial/MODEL@STEP/HASH            named by the hash that the Hub states of the whole file
STORE/partial/MODEL@STEP/HASH-HOST-ID    while it arrives, and is read
STORE/partial/MODEL@STEP-ID/...          while it is removed

They stay when a download is interrupted, and the next one of the same checkpoint goes on from
there. The checkpoint's lock guards them; where locks do not work, files arrive elsewhere. They are
removed when it is installed or cannot be, but for whole files beside damaged weights; and in any
case after two weeks.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from pythia_cli.checkpoints.hub_fetch import own_size
from pythia_cli.checkpoints.incoming import host_id
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.checkpoints.store import Store, refuse_links
from pythia_cli.errors import LockTimeout, StoreNotWritable
from pythia_cli.files.locks import lock
from pythia_cli.files.reading import entries
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint
from pythia_cli.system.background import background

_KEPT_SECONDS = 14 * 86400
_UNUSED_SECONDS = 3600
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
    return sum(_longest(folder / plan.digest(name), plan.size(name))[0] for name in plan.not_cached)


@contextlib.contextmanager
def arriving(path: Path, size: int) -> Iterator[tuple[Path, bool]]:
    """Yields where a file of this size arrives, and whether it is new; afterwards it is at `path`.

    Call it with the checkpoint's lock held. What was at `path`, or was left by a killed process, is
    there already: it is not new, and some other process may still have it open. Until the end of
    the block it has a name of its own: another computer, which may not see our lock, neither writes
    to it nor takes it away. If there is another file at `path` by then, both are left.
    """
    own = path.with_name(f"{path.name}-{host_id()}-{uuid.uuid4().hex[:12]}")
    is_new = True
    n, found = _longest(path, size)
    if n > 0:
        with contextlib.suppress(OSError):  # another computer has just taken it, or a full disk
            found.rename(own)
            is_new = False
            os.utime(own)  # it is in use now: see _is_unused
    if n == 0 or not is_new:  # what could not be taken stays, for the next time
        for shorter in (path, *_left(path)):
            if shorter != own:
                with contextlib.suppress(OSError):
                    shorter.unlink()
    try:
        yield own, is_new
    finally:
        with contextlib.suppress(OSError):
            _put_back(own, path)


def _put_back(own: Path, path: Path) -> None:
    """Rename, unless there is a file at `path`, which may be whole."""
    try:
        os.link(own, path)
    except FileExistsError:
        return
    except OSError:  # where links are not possible
        if not path.exists():
            own.rename(path)
    else:
        own.unlink()


def _longest(path: Path, size: int) -> tuple[int, Path]:
    """The bytes of the longest file that may be part of one of this size, and is ours; and where.

    No bytes if there is none.
    """
    parts = [(n, part) for part in (path, *_left(path)) if (n := own_size(part)) <= size]
    return max(parts, default=(0, path))


def _left(path: Path) -> list[Path]:
    """Where the file was arriving when a process was killed.

    Another computer may be using a file that has its name, unless _is_unused.
    """
    own = f"{path.name}-{host_id()}-"
    try:
        found = list(path.parent.glob(f"{path.name}-*-*"))
        return [left for left in found if left.name.startswith(own) or _is_unused(left)]
    except OSError:  # a folder that is not ours
        return []


def _is_unused(left: Path) -> bool:
    """Whether its computer has written to none of its files of this checkpoint for an hour.

    By then, a download that gets nothing has given up.
    """
    host = left.name.split("-")[1]
    theirs = (one for one in left.parent.iterdir() if f"-{host}-" in one.name)
    return all(is_old(one, _UNUSED_SECONDS) for one in theirs)


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


def remove_left(store: Store, checkpoint: Checkpoint, *, is_given_up: bool = False) -> None:
    """Remove a checkpoint's partial files if it is installed, or is given up.

    But not while another process uses them. One that was killed when it had just installed the
    checkpoint has left them.
    """
    if place_of(store, checkpoint).exists():
        with (
            contextlib.suppress(StoreNotWritable, LockTimeout),
            store.writing(),
            lock(store.lock_path(str(checkpoint)), str(checkpoint), 0),
        ):
            if is_given_up or store.find(checkpoint) is not None:
                remove(store, checkpoint)


def remove_old(store: Store) -> None:
    """Remove the partial files of downloads that nobody has gone on with for two weeks.

    And those that a killed process has put away.
    """
    if store.partial.is_symlink():
        return
    for folder in entries(store.partial):
        match = _FOLDER.fullmatch(folder.name)
        if match is not None and (match[2] or is_old(folder, _KEPT_SECONDS)):
            with (
                contextlib.suppress(StoreNotWritable, LockTimeout),  # not ours, or in use
                store.writing(),
                lock(store.lock_path(match[1]), match[1], 0),
            ):
                if match[2] or is_old(folder, _KEPT_SECONDS):
                    remove_tree(folder)
