"""JSON and hashes of whole files; what is written is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import IntegrityError, ResourceError
from pythia_cli.files import publishing
from pythia_cli.files.publishing import write_aside, write_json
from pythia_cli.files.reading import file_sha256, read_json_object


def test_a_json_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"a": [1, "\\u00e9"]}', encoding="utf-8")
    assert read_json_object(path) == {"a": [1, "\u00e9"]}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b"3", b'"{}"', b"[" * 100_000, b"\xff\xfe{}", b"{}{}"]
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"some\.json: not ") as raised:
        read_json_object(path)
    assert raised.value.path == path


def test_a_hash_goes_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(np.random.default_rng(0).bytes((1 << 22) + 12_345))
    told: list[int] = []
    assert file_sha256(path, told.append) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told == [1 << 22, 12_345]


def test_an_empty_file_has_a_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("read", [read_json_object, file_sha256])
def test_what_cannot_be_read_is_told(tmp_path: Path, read: Any) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ResourceError, match="cannot be read") as raised:
            read(path)
        assert raised.value.path == path


def test_what_is_written_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    for content in ({"a": 1}, {}):
        write_json(path, content)
        assert read_json_object(path) == content
        assert path.read_bytes().endswith(b"}\n")
    write_aside(path, b"\0\r\n")
    assert path.read_bytes() == b"\0\r\n"
    assert os.listdir(tmp_path) == ["some.json"]


@pytest.mark.parametrize("step", ["os.fsync", "Path.replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_a_failure_leaves_nothing_and_what_was_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
    there: bool,
) -> None:
    path = tmp_path / "some.json"
    if there:
        write_json(path, {"a": 1})

    def fail(*arguments: object) -> None:
        raise error

    holder, name = step.split(".")
    monkeypatch.setattr(getattr(publishing, holder), name, fail)
    with pytest.raises(type(error)) as raised:
        write_aside(path, b"{}")
    assert raised.value is error
    assert os.listdir(tmp_path) == (["some.json"] if there else [])
    assert not there or json.loads(path.read_bytes()) == {"a": 1}


def test_a_folder_that_is_not_there_is_no_place_to_write(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_aside(tmp_path / "missing/some.json", b"{}")
    assert os.listdir(tmp_path) == []


def test_the_file_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        done.append("rename")
        return replace(path, target)

    monkeypatch.setattr(publishing.os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_aside(tmp_path / "some.json", b"{}")
    assert done == ["file", "rename", "folder"]
