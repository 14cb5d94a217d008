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
from pathlib import Path

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import LockTimeout
from pythia_cli.files.locks import lock
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint

# Those of earlier versions have no ID. The ID begins with that of the host.
_FOLDER = re.compile(rf"({NAME.pattern}@[0-9]+)(?:-([0-9a-f]{{4}})[0-9a-f]{{8}})?")


def new_folder(store: Store, checkpoint: Checkpoint) -> Path:
    """Make an empty folder for this checkpoint, whose lock must be held."""
    folder = store.incoming / f"{checkpoint}-{_host()}{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    return folder


def drop_dead(store: Store) -> None:
    """Remove the folders of processes that have ended.

    If locks work, the lock shows that one of this host has ended. Those of other hosts, which may
    not see our locks, are removed when nothing in them has changed for a day.
    """
    if store.incoming.is_symlink() or not store.incoming.is_dir():
        return
    for folder in store.incoming.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match is None or folder.is_symlink():
            continue
        checkpoint, host = match.groups()
        with (
            contextlib.suppress(LockTimeout),  # it is being made
            lock(store.lock_path(checkpoint), checkpoint, 0) as keeps_out,
        ):
            if (keeps_out and host in (None, _host())) or is_old(folder):
                remove_tree(folder)


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:4]
