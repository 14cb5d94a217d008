"""Reads tokenizer.json with the tokenizers library, in the background if it is known early.

Reading takes about 0.1 s, mostly without the GIL, while the main thread is busy with imports.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.text.tokenizer_json import MODEL_OPTIONS, MOST_BYTES, check_content, check_parts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_AHEAD: dict[tuple[Path, str], Future[Tokenizer]] = {}
_checked: set[str] = set()
"""The sha256 of files whose structure was checked: checkpoints of a suite have the same one."""


class TokenizerFailed(Exception):
    """The tokenizers library failed, or the file is not what it must be."""


def read_ahead(path: Path, sha256: str) -> None:
    """Start reading a file in the background, for a later `read_tokenizer`.

    A file with another sha256 is not given to the library.
    """
    result: Future[Tokenizer] = Future()
    _AHEAD[path, sha256] = result

    def read() -> None:
        try:
            if not path.is_file():  # a pipe could keep the process from ending
                raise TokenizerFailed("it is no file")
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise TokenizerFailed("it is another file")
            result.set_result(_parsed(content))
        except BaseException as error:  # else the main thread would wait for ever
            result.set_exception(error)

    # Not a daemon thread: returning from the library while Python exits would abort the process.
    threading.Thread(target=read, name="pythia-tokenizer").start()


def read_tokenizer(path: Path, content: bytes, sha256: str | None = None) -> Tokenizer:
    """The tokenizer in `content`, the content of the file at `path`.

    sha256: if the caller checked that the content has the hash with which it was installed. Its
    structure was checked then, and it may have been read ahead. Otherwise it is checked here, once
    in a process. Raises TokenizerFailed.
    """
    ahead = None if sha256 is None else _AHEAD.pop((path, sha256), None)
    if ahead is not None and ahead.exception() is None:
        return ahead.result()
    if sha256 is not None:
        return _parsed(content)
    found = hashlib.sha256(content).hexdigest()
    if found in _checked:
        return _parsed(content)
    try:
        added = check_content(content)
    except ValueError as error:
        raise TokenizerFailed(str(error)) from error
    tokenizer = _parsed(content)
    for text, token_id in added.items():
        # The library numbers added tokens itself, from the number of the other tokens on.
        if tokenizer.token_to_id(text) != token_id:
            raise TokenizerFailed(f"the id of the added token {reprlib.repr(text)} is not the next")
    _checked.add(found)
    return tokenizer


def is_of_library(error: BaseException) -> bool:
    """Whether the tokenizers library raised it: a plain Exception, or a panic.

    A panic in Rust is no Exception, and its class cannot be imported.
    """
    return type(error) is Exception or type(error).__name__ == "PanicException"


def _parsed(content: bytes) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(content)
        names = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
        parts = {name: _state(getattr(tokenizer, name)) for name in names}
        options = {key: getattr(tokenizer.model, key, None) for key in MODEL_OPTIONS}
        check_parts(parts, {"type": type(tokenizer.model).__name__, **options})
    except BaseException as error:
        if isinstance(error, ValueError) or is_of_library(error):
            raise TokenizerFailed(str(error)) from error
        raise
    return tokenizer


def _state(part: Any) -> Any:
    """A part of a tokenizer as in tokenizer.json."""
    return None if part is None else json.loads(part.__getstate__())
