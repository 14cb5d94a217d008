"""Folders in STORE/incoming where checkpoints are made, and which of them were left behind.

Each is called MODEL@STEP, or MODEL@STEP-ID if that is there already. The process that makes a
folder is the only one that writes in it: two never write the same file, even where locks do not
work. The file `host` in it has the ID of its computer.
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
from pythia_cli.errors import LockTimeout, PythiaError
from pythia_cli.files.locks import lock
from pythia_cli.files.reading import read_at_most
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.suite.checkpoint import NAME, Checkpoint

_FOLDER = re.compile(rf"({NAME.pattern}@[0-9]+)(-[0-9a-f]{{12}})?")
_HOST = "host"


def new_folder(store: Store, checkpoint: Checkpoint, *, keeps_out: bool) -> Path:
    """Make an empty folder for this checkpoint; removes those of processes that have ended.

    The checkpoint's lock must be held; keeps_out: whether it works.
    """
    for folder, of in _folders(store):
        if of == str(checkpoint):
            _drop(folder, keeps_out)
    store.incoming.mkdir(parents=True, exist_ok=True)
    folder = store.incoming / str(checkpoint)
    try:
        folder.mkdir()
    except FileExistsError:
        folder = store.incoming / f"{checkpoint}-{uuid.uuid4().hex[:12]}"
        folder.mkdir()
    try:
        (folder / _HOST).write_text(host_id())
    except BaseException:
        remove_tree(folder)
        raise
    return folder


def drop_dead(store: Store) -> None:
    """Remove the folders of processes that have ended, but for locks that this process holds."""
    for folder, checkpoint in _folders(store):
        with (
            contextlib.suppress(LockTimeout),  # it is being made
            lock(store.lock_path(checkpoint), checkpoint, 0) as keeps_out,
        ):
            _drop(folder, keeps_out)


def _drop(folder: Path, keeps_out: bool) -> None:
    """Remove a folder whose lock we hold.

    If locks work, that shows that a process of this host has ended. Other hosts may not see our
    locks: theirs are removed when nothing in them has changed for a day.
    """
    if (keeps_out and _host_of(folder) in (None, host_id())) or is_old(folder):
        remove_tree(folder)


def _folders(store: Store) -> Iterator[tuple[Path, str]]:
    """Each folder, and the name of its checkpoint."""
    if store.incoming.is_symlink() or not store.incoming.is_dir():
        return
    for folder in store.incoming.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match is not None and not folder.is_symlink():
            yield folder, match[1]


def _host_of(folder: Path) -> str | None:
    """The ID of the computer that made a folder; None if it has none, as of earlier versions."""
    try:
        return read_at_most(folder / _HOST, 100).decode("ascii", errors="replace")
    except PythiaError:
        return None


def host_id() -> str:
    """Tells this computer from others that share the store."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]
