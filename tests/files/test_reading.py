"""Files read whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import IntegrityError, ResourceError
from pythia_cli.files.reading import file_sha256, read_json_object
from tests.reporting import Counted


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
    task = Counted()
    assert file_sha256(path, task) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert task.done == (1 << 22) + 12_345


def test_an_empty_file_has_a_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("read", [read_json_object, file_sha256])
def test_an_unreadable_file_is_reported(tmp_path: Path, read: Any) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ResourceError, match="cannot be read") as raised:
            read(path)
        assert raised.value.path == path
