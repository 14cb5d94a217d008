"""The sha256 of a file that grows: it is that of the bytes, or None."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pythia_cli.files import growing
from pythia_cli.files.growing import GrowingHash
from tests.reporting import Counted

DATA = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_BATCH", 1000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def written(path: Path, hashed: GrowingHash, pieces: list[bytes], checked: Counted) -> None:
    with path.open("ab") as _, path.open("r+b") as file:
        file.seek(0, 2)
        hashed.follow(file, checked)
        for piece in pieces:
            file.write(piece)
            file.flush()
            hashed.add(piece)


@pytest.mark.parametrize("size", [1, 999, 1000, 30_000])
def test_what_was_added_is_not_read_again(tmp_path: Path, size: int) -> None:
    path, hashed, checked = tmp_path / "file", GrowingHash(), Counted()
    pieces = [DATA[at : at + size] for at in range(0, len(DATA), size)]
    written(path, hashed, pieces[:3], checked)
    written(path, hashed, pieces[3:], checked)
    assert hashed.of(path) == sha256(DATA)
    assert checked.done == 0


def test_what_was_there_is_read(tmp_path: Path) -> None:
    path, hashed, checked = tmp_path / "file", GrowingHash(), Counted()
    path.write_bytes(DATA[:5000])
    written(path, hashed, [DATA[5000:]], checked)
    assert hashed.of(path) == sha256(DATA)
    assert checked.done == 5000


def test_an_empty_file(tmp_path: Path) -> None:
    path, hashed = tmp_path / "file", GrowingHash()
    written(path, hashed, [], Counted())
    assert hashed.of(path) == sha256(b"")


def test_a_file_that_was_cut_short_is_read_again(tmp_path: Path) -> None:
    path, hashed, checked = tmp_path / "file", GrowingHash(), Counted()
    written(path, hashed, [DATA], checked)
    path.write_bytes(DATA[:7000])
    assert hashed.of(path) is None
    written(path, hashed, [b"more"], checked)
    assert hashed.of(path) == sha256(DATA[:7000] + b"more")
    assert checked.done == 7000


def test_another_file_in_its_place_has_no_hash(tmp_path: Path) -> None:
    path, hashed = tmp_path / "file", GrowingHash()
    written(path, hashed, [DATA], Counted())
    path.rename(tmp_path / "kept")
    path.write_bytes(bytes(len(DATA)))
    assert hashed.of(path) is None
