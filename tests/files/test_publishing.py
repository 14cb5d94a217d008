"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from errno import ENOTSUP
from pathlib import Path

import pytest

from pythia_cli.files import publishing
from pythia_cli.files.publishing import open_to_write, published, write_aside, write_json
from pythia_cli.files.reading import read_json_object


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


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_the_first_error_of_a_full_disk_is_the_one_that_is_raised(tmp_path: Path) -> None:
    """What is left in the buffer cannot be written either when the file is closed."""
    full = Path("/dev/full")
    with pytest.raises(ValueError, match="embedded null"), open_to_write(full) as file:
        Path(file.write(b"kept in the buffer") * "\0").stat()
    with pytest.raises(OSError, match="No space"), open_to_write(full) as file:
        file.write(b"kept in the buffer")


def test_a_folder_that_is_not_there_is_no_place_to_write(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_aside(tmp_path / "missing/some.json", b"{}")
    assert os.listdir(tmp_path) == []


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory") as raised:  # it cannot be renamed
        write_aside(path, b"{}")
    assert (raised.value.filename, raised.value.filename2) == (str(path), None)
    missing = tmp_path / "missing/some.json"
    with pytest.raises(FileNotFoundError) as raised:  # it cannot be made
        write_aside(missing, b"{}")
    assert raised.value.filename == str(missing)
    with pytest.raises(FileNotFoundError) as raised, published(tmp_path / "other"):
        (tmp_path / "of the caller").stat()
    assert raised.value.filename == str(tmp_path / "of the caller")


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


def test_what_is_private_is_its_owners(tmp_path: Path) -> None:
    with published(tmp_path / "own", private=True) as file:
        file.write(b"x")
        (aside,) = tmp_path.iterdir()
        assert aside.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("works", [True, False])
def test_macos_writes_to_the_disk_itself(monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    fcntl = pytest.importorskip("fcntl")
    done: list[object] = []

    def fcntl_(descriptor: int, command: int) -> None:
        done.append(command)
        if not works:
            raise OSError(ENOTSUP, "Operation not supported")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", fcntl_)
    monkeypatch.setattr(publishing.os, "fsync", done.append)
    publishing.fsync(7)
    assert done == ([51] if works else [51, 7])
