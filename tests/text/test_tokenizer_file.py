"""A tokenizer read ahead is returned later; errors in reading ahead are raised then."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import IntegrityError, ResourceError
from pythia_cli.text import tokenizer_file
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.tokenizer_file import TokenizerFailed, read_ahead, read_tokenizer
from tests.conftest import DEMO
from tests.no_files import IN_PLACE_OF_A_FILE

PATH = DEMO / "step3000" / "tokenizer.json"
CONTENT = PATH.read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that read a file with the library."""
    names: list[str] = []
    parsed = tokenizer_file._parsed

    def note(content: bytes) -> object:
        names.append(threading.current_thread().name)
        return parsed(content)

    monkeypatch.setattr(tokenizer_file, "_parsed", note)
    return names


def wait() -> None:
    for thread in threading.enumerate():
        if thread.name == "pythia-tokenizer":
            thread.join()


@IN_PLACE_OF_A_FILE
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, put: Callable[[Path], None]) -> None:
    path = tmp_path / "tokenizer.json"
    put(path)
    read_ahead(path, SHA256)
    for thread in threading.enumerate():
        if thread.name == "pythia-tokenizer":
            thread.join(60)
            assert not thread.is_alive()
    read_tokenizer(path, CONTENT, SHA256)


def test_read_ahead_is_the_same(reads: list[str]) -> None:
    here = threading.current_thread().name
    plain = read_tokenizer(PATH, CONTENT)
    read_ahead(PATH, SHA256)
    ahead = read_tokenizer(PATH, CONTENT, SHA256)
    assert reads == [here, "pythia-tokenizer"]
    assert ahead.to_str() == plain.to_str()
    text = "It is a truth universally acknowledged<|endoftext|>"
    assert ahead.encode(text).ids == plain.encode(text).ids


def test_it_is_taken_once(reads: list[str]) -> None:
    read_ahead(PATH, SHA256)
    first, second = (read_tokenizer(PATH, CONTENT, SHA256) for _ in range(2))
    assert first is not second
    assert reads == ["pythia-tokenizer", threading.current_thread().name]
    assert tokenizer_file._AHEAD == {}


def test_another_file_is_read_by_itself(reads: list[str], tmp_path: Path) -> None:
    read_ahead(PATH, SHA256)
    read_tokenizer(tmp_path / "tokenizer.json", CONTENT, SHA256)
    assert threading.current_thread().name in reads
    read_tokenizer(PATH, CONTENT, SHA256)
    assert len(reads) == 2


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_a_failure_ahead_does_not_matter_if_the_content_is_good(
    tmp_path: Path, content: bytes | None, reads: list[str]
) -> None:
    """The file may have been replaced meanwhile. Without the right hash it is not even parsed."""
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    read_ahead(path, SHA256)
    assert read_tokenizer(path, CONTENT, SHA256).get_vocab_size() == 4078
    assert reads == [threading.current_thread().name]


class PanicException(BaseException):
    """As that of Rust, which cannot be imported."""


PANICS: list[dict[str, Any]] = [
    {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    {"normalizer": {"type": "Prepend", "prepend": "aaaaaa"}},
]


@pytest.mark.parametrize("change", PANICS)
def test_a_hostile_file_with_the_right_hash_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """As beside a hand-made int8 file, where nothing was checked when it was installed.

    A panic in the thread that reads ahead must not leave the main thread waiting.
    """
    path = tmp_path / "tokenizer.json"
    content = json.dumps(json.loads(CONTENT) | change).encode()
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    read_ahead(path, sha256)
    with pytest.raises(IntegrityError, match=r"not a tokenizer\.json of GPT-NeoX"):
        PythiaTokenizer(path, content=content, sha256=sha256)


def test_a_panic_while_encoding_is_an_integrity_error() -> None:
    class Panicking:
        def encode(self, text: str, *, add_special_tokens: bool) -> object:
            raise PanicException("index out of bounds")

    tokenizer = PythiaTokenizer(PATH)
    tokenizer._tokenizer = Panicking()  # type: ignore[assignment]
    with pytest.raises(IntegrityError, match=r"cannot encode this text \(index out of bounds\)"):
        tokenizer.encode("a")


def test_a_panic_for_want_of_threads_is_no_fault_of_the_file() -> None:
    class Panicking:
        def encode(self, text: str, *, add_special_tokens: bool) -> object:
            raise PanicException("The global thread pool has not been initialized.: ...")

    tokenizer = PythiaTokenizer(PATH)
    tokenizer._tokenizer = Panicking()  # type: ignore[assignment]
    with pytest.raises(ResourceError, match=r"^threads: no more can"):
        tokenizer.encode("a")


def test_an_interrupt_is_no_failure_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(parts: object, model: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tokenizer_file, "check_parts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_tokenizer(PATH, CONTENT)


def test_a_structure_is_checked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read_tokenizer(PATH, CONTENT)

    def refuse(content: bytes) -> None:
        raise ValueError("checked again")

    monkeypatch.setattr(tokenizer_file, "check_content", refuse)
    assert read_tokenizer(tmp_path / "copy.json", CONTENT).get_vocab_size() == 4078
    with pytest.raises(TokenizerFailed, match="checked again"):
        read_tokenizer(PATH, CONTENT + b" ")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_file_fails(content: bytes) -> None:
    with pytest.raises(TokenizerFailed):
        read_tokenizer(PATH, content)
    with pytest.raises(TokenizerFailed):
        read_tokenizer(PATH, content, hashlib.sha256(content).hexdigest())


def test_a_failure_ahead_that_nobody_asks_for_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read_ahead(tmp_path / "missing.json", SHA256)
    wait()
    assert capfd.readouterr() == ("", "")
    tokenizer_file._AHEAD.clear()
