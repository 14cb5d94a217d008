"""A tokenizer read ahead is returned later; errors in reading ahead are raised then."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pythia_cli.text import tokenizer_file
from pythia_cli.text.tokenizer_file import read_ahead, read_tokenizer
from tests.conftest import DEMO

PATH = DEMO / "step3000" / "tokenizer.json"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that read a file."""
    names: list[str] = []
    read = tokenizer_file._read

    def note(path: Path, content: bytes | None = None) -> object:
        names.append(threading.current_thread().name)
        return read(path, content)

    monkeypatch.setattr(tokenizer_file, "_read", note)
    return names


def test_read_ahead_is_the_same(reads: list[str]) -> None:
    here = threading.current_thread().name
    plain = read_tokenizer(PATH)
    read_ahead(PATH)
    ahead = read_tokenizer(PATH)
    assert reads == [here, "pythia-tokenizer"]
    assert ahead.to_str() == plain.to_str()
    text = "It is a truth universally acknowledged<|endoftext|>"
    assert ahead.encode(text).ids == plain.encode(text).ids


def test_it_is_taken_once(reads: list[str]) -> None:
    read_ahead(PATH)
    first, second = read_tokenizer(PATH), read_tokenizer(PATH)
    assert first is not second
    assert reads == ["pythia-tokenizer", threading.current_thread().name]
    assert tokenizer_file._AHEAD == {}


def test_another_file_is_read_by_itself(reads: list[str], tmp_path: Path) -> None:
    other = tmp_path / "tokenizer.json"
    other.write_bytes(PATH.read_bytes())
    read_ahead(PATH)
    read_tokenizer(other)
    assert threading.current_thread().name in reads
    read_tokenizer(PATH)
    assert len(reads) == 2


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_a_failure_ahead_is_raised_at_reading(
    tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Exception) as plain:  # noqa: PT011
        read_tokenizer(path)
    read_ahead(path)
    with pytest.raises(type(plain.value)) as ahead:
        read_tokenizer(path)
    assert str(ahead.value) == str(plain.value)
    assert capfd.readouterr() == ("", "")


def test_a_failure_ahead_that_nobody_asks_for_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read_ahead(tmp_path / "missing.json")
    for thread in threading.enumerate():
        if thread.name == "pythia-tokenizer":
            thread.join()
    assert capfd.readouterr() == ("", "")
    tokenizer_file._AHEAD.clear()
