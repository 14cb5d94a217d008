"""Files read whole."""

from __future__ import annotations

import errno
import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import InputError, IntegrityError, NotFound, ResourceError
from pythia_cli.files import reading
from pythia_cli.files.reading import (
    entries,
    file_sha256,
    read_at_most,
    read_bytes,
    read_json_object,
)
from tests.no_files import IN_PLACE_OF_A_FILE
from tests.reporting import Counted


def test_a_json_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"a": [1, "\\u00e9"]}', encoding="utf-8")
    assert read_json_object(path) == {"a": [1, "\u00e9"]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b"3",
        b'"{}"',
        b"[" * 100_000,
        b"\xff\xfe{}",
        b"{}{}",
        b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a": ' * 500 + b"1" + b"}" * 500,
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"some\.json: (not |JSON of more than)") as raised:
        read_json_object(path)
    assert raised.value.path == path


def test_a_hash_goes_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(np.random.default_rng(0).bytes((1 << 22) + 12_345))
    task = Counted()
    assert file_sha256(path, task) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert task.done == (1 << 22) + 12_345


def test_an_empty_file_has_a_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("read", [read_json_object, file_sha256])
def test_an_unreadable_file_is_reported(tmp_path: Path, read: Any) -> None:
    path = tmp_path / ("x" * 300)
    with pytest.raises(ResourceError, match="cannot be read") as raised:
        read(path)
    assert raised.value.path == path


@pytest.mark.parametrize("read", [read_bytes, read_json_object, lambda path: read_at_most(path, 3)])
def test_a_missing_file_is_not_found(tmp_path: Path, read: Any) -> None:
    with pytest.raises(NotFound, match="missing does not exist"):
        read(tmp_path / "missing")


@pytest.mark.parametrize("read", [read_json_object, lambda path: read_at_most(path, 1 << 20)])
def test_a_large_file_is_not_read_whole(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b"{}")
    os.truncate(path, 4 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match=r"has more than [14] MiB"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 32e6
    finally:
        tracemalloc.stop()


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(bytes(1 << 20))
    assert read_at_most(path, 1 << 20) == bytes(1 << 20)


@IN_PLACE_OF_A_FILE
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "some.json")
    with pytest.raises(IntegrityError, match=r"some\.json: not a regular file"):
        read_json_object(tmp_path / "some.json")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device on this system")
def test_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.json").symlink_to("/dev/zero")
    with pytest.raises(IntegrityError, match="not a regular file"):
        read_json_object(tmp_path / "some.json")


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n")
    with pytest.raises(IntegrityError, match=r"is a Git LFS pointer.*git lfs pull"):
        read_json_object(path)


def test_a_text_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C waits for each."""
    path = tmp_path / "text.txt"
    path.write_bytes(b"0123456789" * 300_000)
    n_pieces = 0

    def arrived() -> None:
        nonlocal n_pieces
        n_pieces += 1

    assert read_bytes(path, arrived) == b"0123456789" * 300_000
    assert n_pieces >= 3
    monkeypatch.setattr(reading, "MOST_TEXT", 3_000_000)
    assert len(read_bytes(path)) == 3_000_000
    monkeypatch.setattr(reading, "MOST_TEXT", 2_999_999)
    with pytest.raises(InputError, match=r"text\.txt: has more than 2 MiB; split it"):
        read_bytes(path)


def test_entries_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").touch()
    (tmp_path / ".two").mkdir()
    assert set(entries(tmp_path)) == {tmp_path / "one", tmp_path / ".two"}
    assert entries(tmp_path / "one") == entries(tmp_path / "nowhere") == []

    def fail(folder: Path) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(ResourceError, match="Too many open files"):
        entries(tmp_path)
