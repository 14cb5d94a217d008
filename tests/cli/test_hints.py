"""What is advised when the system refuses: space only if space is what it lacks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli.hints import hint_for
from pythia_cli.errors import ResourceError, StoreNotWritable

OTHER_STORE = "choose another folder with --store or PYTHIA_HOME"
ACCESS = "ask its owner for access (chmod or chown)"
MOVE = "move away what is in its place"
FILES = "allow more open files (ulimit -n)"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, f"free disk space, or {OTHER_STORE}"),
        (errno.EDQUOT, f"free disk space, or {OTHER_STORE}"),
        (errno.EACCES, f"{ACCESS}, or {OTHER_STORE}"),
        (errno.EROFS, OTHER_STORE),
        (errno.EIO, OTHER_STORE),
        (errno.EMFILE, FILES),
        (errno.ENFILE, FILES),
        (errno.EFBIG, "allow larger files (ulimit -f)"),
        (errno.EEXIST, f"{OTHER_STORE}, or {MOVE}"),
        (errno.EISDIR, f"{OTHER_STORE}, or {MOVE}"),
        (errno.ENOTDIR, f"{OTHER_STORE}, or {MOVE}"),
        (errno.ENOTEMPTY, f"{OTHER_STORE}, or {MOVE}"),
    ],
)
def test_the_store_cannot_be_written(tmp_path: Path, number: int, hint: str) -> None:
    with pytest.raises(StoreNotWritable) as raised, Store(tmp_path).writing():
        raise OSError(number, os.strerror(number), str(tmp_path / "locks"))
    assert hint_for(raised.value) == hint


@pytest.mark.parametrize(
    ("reason", "number", "hint"),
    [
        ("cannot be written", errno.ENOSPC, "free disk space, or write to another place"),
        ("cannot be written", errno.ENOENT, "create its folder (mkdir -p), or write to another"
                                            " place"),
        ("cannot be written", errno.EROFS, "write to another place"),
        ("cannot be written", errno.EMFILE, FILES),
        ("cannot be read", errno.EACCES, ACCESS),
        ("cannot be read", errno.EMFILE, FILES),
        ("cannot be read", errno.EIO, None),
    ],
)  # fmt: skip
def test_another_file(reason: str, number: int, hint: str | None) -> None:
    error = ResourceError("there", reason)
    error.__cause__ = OSError(number, "no")
    assert hint_for(error) == hint


@pytest.mark.parametrize("name", ["locks/store.lock", "active.json"])
def test_a_folder_where_a_file_belongs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    store = Store(tmp_path)
    with pytest.raises(StoreNotWritable) as raised, store.writing(), store.changing():
        (tmp_path / name).write_bytes(b"")
    assert MOVE in (hint_for(raised.value) or "")


def test_a_device_in_place_of_the_store() -> None:
    with pytest.raises(StoreNotWritable) as raised, Store(os.devnull).writing():
        pass
    assert hint_for(raised.value) == f"{OTHER_STORE}, or {MOVE}"
