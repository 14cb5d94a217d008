"""Folders in STORE/incoming where checkpoints are made, and which of them were left behind.

Each is called MODEL@STEP-ID, as no other: two processes never write the same file, even where
locks do not work.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import LockTimeout
from pythia_cli.files.locks import lock
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint

# Those of earlier versions have no ID. The ID begins with that of the host.
_FOLDER = re.compile(rf"({NAME.pattern}@[0-9]+)(?:-([0-9a-f]{{4}})[0-9a-f]{{8}})?")


def new_folder(store: Store, checkpoint: Checkpoint, *, keeps_out: bool) -> Path:
    """Make an empty folder for this checkpoint; removes those of processes that have ended.

    The checkpoint's lock must be held; keeps_out: whether it works.
    """
    for folder, of, host in _folders(store):
        if of == str(checkpoint):
            _drop(folder, host, keeps_out)
    folder = store.incoming / f"{checkpoint}-{_host()}{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    return folder


def drop_dead(store: Store) -> None:
    """Remove the folders of processes that have ended, but for locks that this process holds."""
    for folder, checkpoint, host in _folders(store):
        with (
            contextlib.suppress(LockTimeout),  # it is being made
            lock(store.lock_path(checkpoint), checkpoint, 0) as keeps_out,
        ):
            _drop(folder, host, keeps_out)


def _drop(folder: Path, host: str | None, keeps_out: bool) -> None:
    """Remove a folder whose lock we hold.

    If locks work, that shows that a process of this host has ended. Other hosts may not see our
    locks: theirs are removed when nothing in them has changed for a day.
    """
    if (keeps_out and host in (None, _host())) or is_old(folder):
        remove_tree(folder)


def _folders(store: Store) -> Iterator[tuple[Path, str, str | None]]:
    """Each folder, the name of its checkpoint, and the ID of its host, if it has one."""
    if store.incoming.is_symlink() or not store.incoming.is_dir():
        return
    for folder in store.incoming.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match is not None and not folder.is_symlink():
            yield folder, match[1], match[2]


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:4]
